"""Whatever text is logged, each line of the JSON log is one object with the text in it, and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.daemon.test_logs import _as_before, fail, logger

__all__ = ["_as_before"]

HOSTILE = {
    "a line of its own": '"}\n{"at":"2026-01-01T00:00:00Z","level":"error","message":"fake"}',
    "a carriage return": '\r{"level":"error"}',
    "separators of JavaScript": "a\u2028b\u2029c\x85d",
    "nothing but controls": "\x00\x01\x1b[2J\x7f\x9b31m",
    "half a character": "a\ud800b\udfffc",
    "not a character": "a\ufffeb\uffffc\U0010ffff",
    "text that runs backwards": "a\u202eb\u2066c",
    "marks without end": "a" + "\u0301" * 10_000,
    "what looks like an escape": '\\u000a\\n\\"',
    "what looks like a format": "%s %d %(x)s {} {0.__class__} %",
    "markup": "</script><script>alert(1)</script>",
    "a megabyte": "[" * 1_000_000,
}


def object_of(written: str) -> dict[str, object]:
    assert written.endswith("\n")
    assert written.count("\n") == 1
    assert written[:-1].isprintable()
    found = json.loads(written)
    assert isinstance(found, dict)
    assert found.keys() <= {"at", "level", "message", "trace"}
    assert len(written) < 8_000
    return found


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_stays_in_its_field(text: str) -> None:
    log, stream = logger("json")
    log.warning("new: %s!", text)
    found = object_of(stream.getvalue())
    assert found["level"] == "warning"
    assert str(found["message"]).startswith("new: ")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_so_it_does_in_a_traceback(text: str) -> None:
    log, stream = logger("json", verbose=True)
    fail(log, text[:10_000])
    found = object_of(stream.getvalue())
    assert found["message"] == "this is a bug"
    assert isinstance(found["trace"], list)


@given(st.text(st.characters(), max_size=200), st.text(st.characters(), max_size=200))
def test_so_does_any_text(message: str, argument: str) -> None:
    log, stream = logger("json")
    log.error("%s: %s", message, argument)
    assert object_of(stream.getvalue())["level"] == "error"
