"""A channel's own words: what they can name, how strangers' text is escaped in them, and what they cannot do."""

import logging
import os
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from testkit.receivers import Sink
from tests.events import ALL, CHEAPER, EXPIRED, FAILING, NEW, event
from tests.messages.test_builder import ALLOWED_INVISIBLE, HOSTILE, everything, hostile
from watcher.catalog.model import KINDS, Event
from watcher.config.secret import Secret
from watcher.config.settings import Channel, Rules, Template
from watcher.delivery.channel import send
from watcher.messages.builder import MOST_MESSAGES, Message, compose_within
from watcher.messages.document import Format
from watcher.messages.sample import sample_events
from watcher.messages.template import check_channel, check_template, compose_for

ROOMY = 90_000
FAILED = "The template of this channel failed: "


def channel(body: str | None = None, title: str | None = None, **more: Any) -> Channel:
    return Channel("team", template=Template(title, body, **more))


def say(body: str, *events: Event, format: Format = Format.TEXT, limit: int = ROOMY) -> str:
    """What a body template makes of the events, in one message."""
    (message,) = compose_for(channel(body), events or (CHEAPER,), format, limit)
    return message.body.strip()


# --- what it can say ------------------------------------------------------------------------------------------------


def test_without_a_template_the_built_in_words_are_sent() -> None:
    assert compose_for(Channel("team"), ALL, Format.SLACK, ROOMY) == compose_within(ALL, Format.SLACK, ROOMY)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ channel }}: {{ count }}", "team: 1"),
        ("{{ title }}", "GPT-4o −17%"),
        ("{{ events[0].headline }} {{ events[0].kind }} {{ events[0].direction }}", "GPT-4o −17% repriced down"),
        ("{{ events[0].name }} {{ events[0].short_name }}", "OpenAI: GPT-4o GPT-4o"),
        ("{{ events[0].model }}", "openai/gpt-4o"),
        ("{{ events[0].url }}", "https://openrouter.ai/openai/gpt-4o"),
        ("{{ events[0].prices.prompt.old }} → {{ events[0].prices.prompt.new }}", "0.000003 → 0.0000025"),
        ("{{ events[0].prices.prompt.old_text }} → {{ events[0].prices.prompt.new_text }}", "$3 → $2.50"),
        ("{{ events[0].prices.prompt.change }} {{ events[0].prices.prompt.unit }}", "-16.67% per 1M tokens"),
        ("{{ events[0].prices.prompt.change|percent }}", "−16.67%"),
        ("{{ events[0].prices.prompt.change|percent(0) }}", "−17%"),
        ("{{ events[0].prices.prompt.new|money(1000000) }}", "$2.50"),
        ("{{ 0|money }} {{ 'varies'|money }} {{ none|money }} {{ 1.5|money }}", "free varies unknown $1.50"),
        ("{{ events[0].since|date }}", "4 January 2026, 17:13 UTC"),
        ("{{ events[0].since|date('%d.%m.%Y') }}", "04.01.2026"),
        ("{{ '2026-01-20'|date }} {{ '2026-01-20'|date('%Y/%m') }}{{ none|date }}", "20 January 2026 2026/01"),
        ("{{ events[0].since }} {{ events[0].at.year }}", "4 January 2026, 17:13 UTC 2026"),
        ("{{ events[0].prices.image }}|{{ events[0].prices.image is none }}", "|yes"),
        ("{{ events[0].prices|join(', ') }}", "prompt, completion"),
        ("{% for key, price in events[0].prices.items() %}{{ price.label }};{% endfor %}", "prompt;completion;"),
        ("{{ events[0].offer.context_length }}", "128000"),
        ("{{ events[0].marks }}{{ events[0].detail }}", ""),
        ("{{ events|map(attribute='name')|join(' + ') }}", "OpenAI: GPT-4o"),
        ("{{ events|selectattr('kind', 'in', ['new', 'repriced'])|list|length }}", "1"),
        ("{{ [1, 2.5]|sum }} {{ 2.345|round(1) }} {{ 7 // 2 }} {{ 7 % 4 }}", "3.5 2.3 3 3"),
        ("{{ 'a b'|upper }} {{ 'a b'.title() }} {{ 'abcdef'|truncate(4) }}", "A B A B abc…"),
        ("{{ 'a-b'|replace('-', '+') }}", "a+b"),
        ("{{ 'x\ny'|indent(2) }}|{{ 'x'|indent(2, true) }}", "x\n  y|  x"),
        ("{% macro m(e) %}<{{ e.kind }}>{% endmacro %}{{ m(events[0]) }}", "<repriced>"),
        ("{% set ns = namespace(n=0) %}{% for e in events %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", "1"),
        ("{% for e in events %}{{ loop.index }}/{{ loop.length }}{% endfor %}", "1/1"),
        ("{{ range(3)|list }}", "0, 1, 2"),
        ("{{ events[0].nothing|default('-') }}", "-"),
    ],
)  # fmt: skip
def test_a_template_says(source: str, said: str) -> None:
    assert say(source or "x") == said or (said == "" and FAILED in say(source))


def test_the_variables_of_other_kinds() -> None:
    source = "{% for a in events[0].alternatives %}{{ a.id }} {{ a.reason }} {{ a.url }};{% endfor %}"
    assert say(source, EXPIRED).startswith("deepseek/deepseek-r1-0528:free variant https://openrouter.ai/deepseek/")
    assert say("{{ events[0].offer.prices.prompt }} {{ events[0].offer.input_modalities }}", NEW) == "$3 image, text"
    changed = next(told for told in ALL if told.kind == "changed" and told.model)
    source = "{% set f = events[0].fields.context_length %}{{ f.label }}: {{ f.old }} {{ f.old_text }} {{ f.new_text }}"
    assert say(source, changed) == "context length: 128000 128K 1,048,576"
    assert (
        say("{{ events[0].url }}{{ events[0].model }}{{ events[0].detail }}", FAILING)
        == "3 polls in a row failed: HTTP 503."
    )
    expiring = next(told for told in ALL if told.kind == "expiring")
    assert say("{{ events[0].deadline }} {{ events[0].days_left }}", expiring) == "expires in 14 days 14"


@pytest.mark.parametrize("format", Format)
def test_the_built_in_text_can_be_part_of_it(format: Format) -> None:
    (built_in,) = compose_within(ALL, format, ROOMY)
    (message,) = compose_for(channel("{{ text }}"), ALL, format, ROOMY)
    assert message.body.split() == built_in.body.split()
    assert message.text.split() == built_in.text.split()


def test_a_mail_gets_its_page_around_what_the_template_gives_unless_it_brings_its_own() -> None:
    mail = say("<h1>News</h1>", format=Format.HTML)
    assert mail.startswith("<!DOCTYPE html>")
    assert mail.endswith("</html>")
    assert mail.count("<html") == 1
    assert say("<html><p>x</p></html>", format=Format.HTML) == "<html><p>x</p></html>"


def test_the_plain_part_of_a_mail_stays_the_built_in_one() -> None:
    (message,) = compose_for(channel("<h1>{{ title }}</h1>"), [CHEAPER], Format.HTML, ROOMY)
    assert message.text == compose_within([CHEAPER], Format.TEXT, ROOMY)[0].text


def test_a_title_is_one_plain_line_and_the_body_stays() -> None:
    (message,) = compose_for(channel(title="a\n {{ events[0].name }} *b*\n"), [CHEAPER], Format.SLACK, ROOMY)
    assert message.title == "a OpenAI: GPT-4o *b*"
    assert message.heading == "*a OpenAI: GPT-4o ∗b∗*"
    assert message.body == compose_within([CHEAPER], Format.SLACK, ROOMY)[0].body


def test_an_empty_title_is_the_built_in_one_and_a_long_one_is_cut() -> None:
    assert compose_for(channel(title=" {# nothing #} "), [CHEAPER], Format.TEXT, ROOMY)[0].title == "GPT-4o −17%"
    assert len(compose_for(channel(title="{{ 'word ' * 200 }}"), [CHEAPER], Format.TEXT, ROOMY)[0].title) <= 120


def test_a_body_can_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "team.j2"
    file.write_text("{{ count }} from a file", encoding="utf-8-sig")
    (message,) = compose_for(channel(body_template_file=file), [CHEAPER], Format.TEXT, ROOMY)
    assert message.body == "1 from a file\n"
    file.unlink()
    (message,) = compose_for(channel(body_template_file=file), [CHEAPER], Format.TEXT, ROOMY)
    assert f"{FAILED}body_template_file: cannot be read: No such file or directory." in message.body
    assert str(tmp_path) not in message.body


def test_it_is_what_a_channel_is_sent(sink: Sink) -> None:
    result = send(f"json://{sink.address}", partial(compose_for, channel("{{ count }}!", "T {{ count }}")), [CHEAPER])
    assert result.ok
    assert (sink.json()["title"], sink.json()["message"]) == ("T 1", "1!")
    assert result.delivered == (CHEAPER.id,)


# --- what strangers write -------------------------------------------------------------------------------------------

EVERYTHING = """
{% for e in events %}{{ e.name }} {{ e.model }} {{ e.headline }} {{ e.detail }} {{ e.short_name ~ '!' ~ e.url }}
{% for k, p in e.prices.items() %}{{ k }} {{ p.label }} {{ p.old_text ~ p.new_text }}{{ p.new }}{% endfor %}
{% for k, f in e.fields.items() %}{{ k }} {{ f.label }} {{ f.old ~ f.new }} {{ f.old_text ~ f.new_text }}{% endfor %}
{% for a in e.alternatives %}{{ a.id|upper }} {{ a.name[1:] }} {{ a.url }}{% endfor %}
{{ e.offer.input_modalities if e.offer }} {{ e.offer.expiration_date if e.offer }}{% endfor %}
{% set name = events[0].name %}
{% macro m(x) %}{{ x }}{% endmacro %}{{ m(name) + name }}{{ [m('-'), name]|join(name) }}
{% set s %}{{ name }}{% endset %}{{ s ~ name }}{{ s|indent(2) }}{% filter trim %}{{ name }}{% endfilter %}
"""


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_harmless(text: str, format: Format) -> None:
    (message,) = compose_for(channel(EVERYTHING, "{{ events[0].name }}"), hostile(text), format, 10**9)
    assert FAILED not in message.body
    whole = everything(message)
    whole.encode("utf-8")
    assert all(char.isprintable() or char in ALLOWED_INVISIBLE for char in whole)
    assert message.title.replace("\u200b", "").isprintable()
    whole = re.sub(r"https://openrouter\.ai/[^\s>\"|)]*|<style>.*?</style>", "", whole)
    assert not re.search(r"@\w|<!(?!DOCTYPE)\w|<[@#][\w&]", whole)
    assert not re.search(r"evil\.example|javascript:\w|data:\w", whole)
    if format in (Format.HTML, Format.TELEGRAM):
        assert not re.search(r"<(script|img|h1)|</(b|a|div|body)><h1", message.body)


NAME = "a*b _c_ <b>&\"'`~|[x](y)#"
WRITTEN = {  # `clean` keeps < from being a tag, and ]( a link, for those who read one format as another
    Format.TEXT: "a*b _c_ <\u200bb>&\"'`~|[x]\u200b(y)#",
    Format.MARKDOWN: "a\\*b \\_c\\_ \\<\u200bb\\>\\&\"'\\`\\~\\|\\[x\\]\u200b(y)\\#",
    Format.SLACK: "a∗b ˍcˍ &lt;\u200bb&gt;&amp;\"'ˋ∼¦[x]\u200b(y)#",
    Format.TELEGRAM: "a*b _c_ &lt;\u200bb&gt;&amp;&quot;&#x27;`~|[x]\u200b(y)#",
    Format.HTML: "a*b _c_ &lt;\u200bb&gt;&amp;&quot;&#x27;`~|[x]\u200b(y)#",
    Format.FEED: "a*b _c_ &lt;\u200bb&gt;&amp;&quot;&#x27;`~|[x]\u200b(y)#",
}
WAYS = (
    "{{ events[0].name }}",
    "{{ events[0].name ~ '' }}",
    "{{ events[0].name + '' }}",
    "{{ [events[0].name] }}",
    "{{ [events[0].name]|join }}",
    "{{ events[0].name|e }}",
    "{{ events[0].name|e|e }}",
    "{% macro m() %}{{ events[0].name }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ events[0].name }}{% endcall %}",
    "{% set s %}{{ events[0].name }}{% endset %}{{ s }}",
    "{% filter trim %}{{ events[0].name }}{% endfilter %}",
    "{% set s %}{% endset %}{{ s ~ events[0].name }}",
    "{% set s %}{% endset %}{{ s + events[0].name }}",
    "{% for c in [events[0].name] %}{{ loop.cycle(c) }}{% endfor %}",
    "{{ events|map(attribute='name')|first }}",
    "{{ events[0]['name'] }}",
    "{{ {'a': events[0].name}.a }}",
    "{% block b %}{{ events[0].name }}{% endblock %}",
)


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("way", WAYS)
def test_a_value_is_escaped_once_for_its_format_whatever_way_it_takes(way: str, format: Format) -> None:
    said = say(f"<b>*|{way}|*</b>", replace(CHEAPER, name=NAME), format=format)
    assert f"<b>*|{WRITTEN[format]}|*</b>" in said, "what stands in the template itself is kept"


@pytest.mark.parametrize("format", Format)
def test_an_address_stays_one(format: Format) -> None:
    told = replace(CHEAPER, url="https://openrouter.ai/a/b_c_?x=1&y=_2_")
    amp = "&" if format in (Format.TEXT, Format.MARKDOWN) else "&amp;"
    assert f"https://openrouter.ai/a/b_c_?x=1{amp}y=_2_" in say("{{ events[0].url }}", told, format=format)
    assert "None" not in say("({{ events[0].url }})", replace(told, url="https://evil.example/"), format=format)


def test_an_address_that_is_not_ours_is_not_given() -> None:
    assert say("({{ events[0].url }})", replace(CHEAPER, url="https://evil.example/")) == "()"
    assert say("({{ events[0].url }})", replace(CHEAPER, url="javascript:alert(1)")) == "()"


# --- what it cannot do ----------------------------------------------------------------------------------------------

ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ ''['__cla' ~ 'ss__'] }}",
    "{{ events[0].__init__.__globals__ }}",
    "{{ events[0].__struct_fields__ }}",
    "{{ events[0]._x }}",
    "{{ cycler.__init__ }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner }}",
    "{{ lipsum.__globals__ }}",
    "{{ namespace.__init__ }}",
    "{{ namespace(a=1).__class__ }}",
    "{{ namespace(a=1)._Namespace__attrs }}",
    "{{ range.__class__ }}",
    "{{ self.__init__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ loop.__class__ }}",
    "{% for e in events %}{{ loop._iterable }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m.__call__ }}",
    "{% macro m() %}{{ caller.__class__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{{ events[0]|attr('__class__') }}",
    "{{ events|map('attr', '__class__')|list }}",
    "{{ events|map(attribute='__class__')|list }}",
    "{{ events|map(attribute='name.__class__')|list }}",
    "{{ events|groupby('__class__') }}",
    "{{ events|selectattr('__class__')|list }}",
    "{{ events|join(attribute='__class__') }}",
    "{{ events|sum(attribute='__class__') }}",
    "{{ '{0.__class__}'.format(events[0]) }}",
    "{{ '{0.__class__}'['format'](events[0]) }}",
    "{{ '{a.__class__}'.format_map({'a': events[0]}) }}",
    "{{ ('{0.__class__}'|e).format(events[0]) }}",
    "{{ text.format(events[0]) }}",
    "{{ text.join(events) }}",
    "{{ text['replace']('a', events[0].name) }}",
    "{{ text|replace('a', events[0].name) }}",
    "{{ text|indent(events[0].name) }}",
    "{{ text % events[0].name }}",
    "{{ (events|map(attribute='name')).gi_frame }}",
    "{{ namespace.mro() }}",
    "{{ '%s'|format(events[0]) }}",
    "{{ '%s' % events[0] }}",
    "{{ events[0].at.__reduce__() }}",
    "{{ events[0].prices.__class__ }}",
    "{{ events[0].prices.update({}) }}",
    "{{ events[0].prices.clear() }}",
    "{{ [].append(1) }}",
    "{{ events.index(1) }}",
    "{{ ''.encode() }}",
    "{{ (1).to_bytes(1, 'big') }}",
    "{{ config }}",
    "{{ request }}",
    "{{ context }}",
    "{{ environment }}",
    "{{ events }}",
    "{{ events[0] }}",
    "{{ events[0].prices }}",
    "{{ range }}",
    "{{ namespace() }}",
    "{{ events[0]|pprint }}",
    "{{ events[0]|tojson }}",
    "{{ '<b>'|safe }}",
    "{% include '/etc/passwd' %}",
    "{% import '/etc/passwd' as x %}",
    "{% from '/etc/passwd' import x %}",
    "{% extends '/etc/passwd' %}",
    "{% autoescape false %}{{ events[0].name }}{% endautoescape %}",
    "{% debug %}",
    "{% do x %}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_nothing_but_the_variables_can_be_reached(source: str) -> None:
    problem = check_template(source)
    assert problem is not None
    assert "line 1: " in problem
    assert not re.search(r"0x|<class|<function|module", problem)
    assert FAILED in say(source)


TOO_MUCH = {
    "a loop that writes": "{% for i in range(100000) %}{{ 'x' * 1000 }}{% endfor %}",
    "one long text": "{{ 'x' * 1000000 }}",
    "constant text": "{% for i in range(1000) %}" + "x" * 2000 + "{% endfor %}",
}


@pytest.mark.parametrize("source", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_what_it_gives_is_bounded(source: str) -> None:
    assert "it gives more than 512 KiB of text" in say(source)
    assert "GPT-4o" in say(source), "the built-in text is sent instead"


ENDLESS = {
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}x",
    "a filtered loop": "{% for i in range(99999) %}{% for j in range(99999) if j < 0 %}{% endfor %}{% endfor %}x",
    "macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_template_without_end_is_stopped(source: str) -> None:
    begin = time.monotonic()
    (message,) = compose_for(channel(source), [CHEAPER], Format.TEXT, ROOMY, seconds=0.1)
    assert "body_template: line 1: it takes too long" in message.body
    assert "GPT-4o" in message.body, "the built-in text is sent instead"
    assert time.monotonic() - begin < 5


BEYOND_PYTHON = [
    "{{ 9 ** 9 ** 9 }}",
    "{{ range(10000000) }}",
    "{{ 1" + "0" * 5000 + " }}",
    "{{ [[1]] }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% for e in events recursive %}{{ loop(events) }}{% endfor %}",
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "{{ " + "not " * 10_000 + "1 }}",
    "{{ 1" + " + 1" * 10_000 + " }}",
    "{{ 'x'" + "|upper" * 8_000 + " }}",
    "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
    "{% for x in [1] %}" * 25 + "{% endfor %}" * 25,
]


@pytest.mark.parametrize("source", BEYOND_PYTHON, ids=map(str, range(len(BEYOND_PYTHON))))
def test_what_python_or_jinja2_refuses_is_a_failure_like_any_other(source: str) -> None:
    assert FAILED in say(source)


def test_the_time_is_for_all_messages_together() -> None:
    events = [replace(CHEAPER, id=str(number), model=f"a/b{number}") for number in range(40)]
    source = "{% for e in events %}{{ e.name * 100 }}{% endfor %}"
    assert len(compose_for(channel(source), events, Format.TEXT, 20_000)) > 1
    messages = compose_for(channel(source), events, Format.TEXT, 20_000, seconds=0)
    assert "it takes too long" in messages[-1].body


# --- when it fails --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", Format)
def test_the_built_in_text_is_sent_instead_and_its_end_says_why(format: Format) -> None:
    (message,) = compose_for(channel("one\n{{ evnts }}"), ALL, format, ROOMY)
    (built_in,) = compose_within(ALL, format, ROOMY)
    assert message.ids == built_in.ids
    assert (message.title, message.heading) == (built_in.title, built_in.heading)
    for said, instead in ((message.body, built_in.body), (message.text, built_in.text)):
        end = "\n</td></tr></table><!--[if mso]" if said.startswith("<!DOCTYPE") else "\n"
        assert said.startswith(instead.rpartition(end)[0].rstrip())
        plain = said.replace("\\", "").replace("&#x27;", "'").replace("ˍ", "_")
        assert f"{FAILED}body_template: line 2: 'evnts' is undefined." in plain.rsplit("ref ", 1)[1]


def test_a_failure_is_logged_once_a_channel_and_reason(caplog: pytest.LogCaptureFixture) -> None:
    for source in ("{{ a }}", "{{ a }}", "{{ b }}", "{{ a }}"):
        compose_for(Channel("once", template=Template(body_template=source)), [CHEAPER], Format.TEXT, ROOMY)
    assert [(record.name, record.levelno) for record in caplog.records] == [("watcher", logging.WARNING)] * 2
    assert caplog.messages[0].endswith("once: its template failed, the built-in text is sent: "
                                       "body_template: line 1: 'a' is undefined")  # fmt: skip


def test_a_failing_template_never_tells_a_secret() -> None:
    secret = Channel("team", url=Secret("slack://hunter2/hunter2"), template=Template(body_template="{{ url }}"))
    (message,) = compose_for(secret, [CHEAPER], Format.TEXT, ROOMY)
    assert FAILED in message.body
    assert "hunter2" not in everything(message)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("\n\n{{ 1 + }}", "line 3: unexpected 'end of print statement'"),
        ("{% for e in events %}", "line 1: Unexpected end of template. Jinja was looking for the following tags"),
        ("x\n{{ evnts }}", "line 2: 'evnts' is undefined"),
        ("{{ events[0].modle }}", "line 1: an event has no 'modle'; it has id, kind, model, name"),
        ("{{ events[99] }}", "line 1: tuple object has no element 99"),
        ("{{ events[0].prices.prompt.new_text }}", "line 1: 'None' has no attribute 'new_text'"),
        ("{{ x|nofilter }}", "line 1: No filter named 'nofilter'"),
        ("{{ x is notest }}", "line 1: No test named 'notest'"),
        ("{{ 1 / 0 }}", "line 1: division by zero"),
        ("{{ 'a' + 1 }}", 'line 1: can only concatenate str (not "int") to str'),
        ("{% macro m() %}\n{{ nothing }}\n{% endmacro %}\n\n{{ m() }}", "line 2: 'nothing' is undefined"),
        ("{{ text|truncate(10) }}", "line 1: truncate would break the markup of this text"),
        (" \n ", "it gives no text"),
        ("x" * 70_000, "it is longer than 64 KiB"),
    ],
)  # fmt: skip
def test_the_check_says_what_is_wrong_and_where(source: str, why: str) -> None:
    assert (check_template(source) or "").startswith(why)


@pytest.mark.parametrize(
    "source", ["x", "{{ title }}", "{{ text }}", EVERYTHING, "{{ channel }} {{ reference }} {{ count }}"]
)
def test_the_check_passes_what_works_for_every_kind(source: str) -> None:
    assert check_template(source) is None


def test_the_check_looks_at_the_kinds_that_the_channel_gets() -> None:
    assert check_template("{{ events[0].prices|first }} {{ events[0].direction }}", ["repriced"]) is None
    rules = Rules(events=("expired",))
    source = "{% if events[0].model %}{{ events[0].offer.context_length }}{% endif %}."
    assert list(check_channel(Channel("team", rules=rules, template=Template(body_template=source)))) == []
    assert [key for key, _ in check_channel(channel(source))] == ["body_template"]


def test_the_samples_are_one_of_every_kind_and_say_that_they_are_none() -> None:
    assert {told.kind for told in sample_events()} == set(KINDS)
    assert len({told.id for told in sample_events()}) == len(sample_events())
    assert all("This is a test" in (told.detail or "") for told in sample_events())


def test_a_message_that_says_nothing_is_not_sent() -> None:
    assert f"{FAILED}body_template: it gives no text." in say("{% if false %}x{% endif %} \n")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<p>x</p>", "Telegram knows no tag p"),
        ("<b>x", "the tag b is not closed"),
        ("<b><i>x</b></i>", "the end of the tag b is out of place"),
        ("1 < 2", "a < that begins no tag must be written as &lt;"),
        ("x<br/>", "Telegram knows no tag br"),
        ("<!-- x -->x", "Telegram knows no comments"),
    ],
)
def test_telegram_is_not_sent_what_it_would_refuse(body: str, why: str) -> None:
    import html

    assert why in html.unescape(say(body, format=Format.TELEGRAM))
    assert FAILED not in say("<b>x</b> <a href='{{ events[0].url }}'>{{ events[0].name }}</a>", format=Format.TELEGRAM)


# --- limits ---------------------------------------------------------------------------------------------------------

BODY = "{% for e in events %}<b>{{ e.name }}</b>: {{ e.headline }} {{ e.url }}\n{% endfor %}"


def length(message: Message) -> int:
    return len(f"{message.heading}{message.body}".encode())


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("limit", [2_000, 4_096, 95_000])
@pytest.mark.parametrize("count", [1, 30, 100, pytest.param(1_000, marks=pytest.mark.slow)])
def test_no_message_is_longer_than_the_service_takes(count: int, limit: int, format: Format) -> None:
    names = ("GPT-4o", "<b>&é €", "x" * 150)
    events = [event("new", f"a/m{n:04}", f"A: {names[n % 3]} {n}", id=f"{n:08}") for n in range(count)]
    messages = compose_for(channel(BODY, "{{ count }} news: {{ title }}"), events, format, limit)
    assert 1 <= len(messages) <= MOST_MESSAGES
    assert max(map(length, messages)) <= limit
    assert sorted(id for message in messages for id in message.ids) == [told.id for told in events]
    assert all(len(message.title) <= 120 for message in messages)
    if len(messages) > 1:
        assert [message.title[-6:] for message in messages] == [
            f" ({n}/{len(messages)})" for n in range(1, len(messages) + 1)
        ]
    if FAILED not in messages[-1].body:
        assert [len(message.ids) for message in messages] == [
            int(message.title.split()[0].replace(",", "")) for message in messages
        ]


def test_events_are_split_in_order_and_never_inside_one() -> None:
    events = [event("new", f"a/m{n:04}", f"A: Model {n}", id=f"{n:08}") for n in range(60)]
    messages = compose_for(channel(BODY), events, Format.MARKDOWN, 2_000)
    assert FAILED not in messages[-1].body
    assert [id for message in messages for id in message.ids] == [told.id for told in events]
    for message in messages:
        assert message.body.count("<b>") == message.body.count("</b>") == len(message.ids)


def test_one_event_that_is_too_long_is_told_in_the_built_in_words() -> None:
    messages = compose_for(channel("{{ 'x' * 5000 }}"), [CHEAPER], Format.TEXT, 2_000)
    assert "one event in it is longer than the 2,000 that the service takes" in messages[-1].body
    assert max(map(length, messages)) <= 2_000


def test_a_pager_has_no_room_to_say_why() -> None:
    (message,) = compose_for(channel("{{ x }}"), ALL, Format.TEXT, 160)
    assert length(message) <= 160


@pytest.mark.parametrize("limit", [1_200, 2_000, 35_000])
def test_a_title_alone_keeps_the_built_in_body_within_the_limit(limit: int) -> None:
    messages = compose_for(
        channel(title="{{ 'title ' * 50 }}"), [replace(NEW, id=str(n)) for n in range(3)], Format.SLACK, limit
    )
    assert max(map(length, messages)) <= limit
    assert all(message.title.startswith("title title") for message in messages)


def test_jinja2_is_loaded_only_where_there_is_a_template() -> None:
    import subprocess

    program = (
        "import sys; from watcher.messages.template import compose_for;"
        "from watcher.messages.sample import sample_events;"
        "from watcher.messages.document import Format; from watcher.config.settings import Channel;"
        "compose_for(Channel('x'), sample_events(), Format.TEXT, 9999); print('jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "False\n"


def test_beside_a_title_of_its_own_a_short_message_never_loses_the_news() -> None:
    own = Channel("sms", template=Template(title_template="{{ count }} news"))
    (message,) = compose_for(own, [EXPIRED, NEW, CHEAPER], Format.TEXT, 140)
    assert message.title != "3 news"
    assert message.body
