"""What a template could do in one step, in which no deadline is looked at: none takes long, or much memory."""

import resource
import signal
import time
from collections.abc import Iterator

import pytest

from tests.messages.test_template import FAILED, say

MEGABYTES = 200
SECONDS = 4

TOO_MUCH = [
    "{{ 'x' * 300000000 }}",
    "{{ 300000000 * 'x' }}",
    "{{ (['x'] * 300000000)|length }}",
    "{{ ((0,) * 300000000)|length }}",
    "{{ 'x'.ljust(300000000)|length }}",
    "{{ 'x'.rjust(300000000)|length }}",
    "{{ 'x'.center(300000000)|length }}",
    "{{ '1'.zfill(300000000)|length }}",
    "{{ '\t'.expandtabs(300000000)|length }}",
    "{{ ('x' * 30000).replace('x', 'y' * 30000)|length }}",
    "{{ ('x' * 30000)|replace('x', 'y' * 30000)|length }}",
    "{{ ('x' * 30000)|replace('', 'y' * 30000)|length }}",
    "{{ ('x' * 30000).translate({120: 'y' * 30000})|length }}",
    "{{ ('x' * 30000).join(range(30000)|map('string'))|length }}",
    "{{ range(30000)|join('x' * 30000)|length }}",
    "{{ (5).to_bytes(300000000, 'big') }}",
    "{{ events[0].at.strftime('%Y' * 100000) }}",
    "{% set n = namespace(s='x' * 1000) %}{% for i in range(40)%}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s|length }}",
    "{% set n = namespace(s='x' * 1000) %}{% for i in range(40)%}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s|length }}",
    "{% set n = namespace(s=[1]) %}{% for i in range(60) %}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s|length }}",
    "{% set n = namespace(s=9) %}{% for i in range(60) %}{% set n.s = n.s * n.s %}{% endfor %}x",
    "{{ 9 ** 9 ** 9 }}",
    "{{ range(99999)|select('in', range(99999)|list)|list|length }}",
]

BOUNDED = {
    "{{ 12345|round(-1000000000) }}": "0",
    "{{ 1.5|round(1000000000) }}": "1.5",
    "{{ 'x'|indent(300000000, true) }}": "x",
    "{{ 'a-b'|replace('-', '+') }} {{ 2.345|round(1) }} {{ [1] + [2] }} {{ 'x' * 3 }} {{ 6 * 7 }} {{ 1.5 * 2 }}": (
        "a+b 2.3 1, 2 xxx 42 3.0"
    ),
}


@pytest.fixture(autouse=True)
def limited() -> Iterator[None]:
    """End what takes long, and see what memory it took."""

    def end(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    took = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_REAL, 10 * SECONDS)
    began = time.process_time()
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    assert time.process_time() - began < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - took < MEGABYTES * 1024


@pytest.mark.parametrize("source", TOO_MUCH)
def test_what_would_take_much_in_one_step_fails(source: str) -> None:
    said = say(source)
    assert FAILED in said
    assert "MemoryError" not in said


@pytest.mark.parametrize("source", BOUNDED)
def test_what_can_be_bounded_is(source: str) -> None:
    assert say(source) == BOUNDED[source]
