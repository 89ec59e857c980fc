"""What a message says, and how it is written for each kind of service.

`WATCHER_GOLDEN=write pytest tests/messages/test_builder.py` writes the golden files anew; look at their diff.
"""

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.events import (
    ALL,
    CHANGED,
    CHEAPER,
    DEARER,
    EXPIRED,
    EXPIRING,
    FAILING,
    FOLDED,
    FREED,
    NEW,
    NEW_UNLISTED,
    PROVIDER_ADDED,
    PROVIDER_GONE,
    PROVIDER_REPRICED,
    RECOVERED,
    RETARGETED,
    RETURNED,
    SUSPECT,
    event,
    repriced,
)
from watcher.catalog.model import KINDS, Event, FieldChange, Offer
from watcher.messages.builder import Message, compose, compose_within
from watcher.messages.cards import cards
from watcher.messages.document import Format
from watcher.messages.headline import headline_of

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("format", Format)
def test_one_of_each_kind_reads_as_in_the_golden_file(format: Format) -> None:
    message = compose(ALL, format)
    shown = f"{message.title}\n{'=' * 60}\n{message.body}"
    file = GOLDEN / f"all.{format.value}"
    if os.environ.get("WATCHER_GOLDEN") == "write":
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("events", "title"),
    [
        ([NEW], "New: Claude Sonnet 4.5"),
        ([EXPIRED], "R1 0528 is gone"),
        ([RETURNED], "Grok 3 Mini is back"),
        ([EXPIRING], "GPT-4 Turbo expires in 14 days"),
        ([replace(EXPIRING, days_left=1)], "GPT-4 Turbo expires tomorrow"),
        ([replace(EXPIRING, days_left=0)], "GPT-4 Turbo expires today"),
        ([replace(EXPIRING, days_left=-1)], "GPT-4 Turbo was to go on 18 January 2026, still there"),
        ([event("expiring", fields={"expiration_date": FieldChange("2026-01-18", None)})], "GPT-4o no longer expires"),
        ([CHEAPER], "GPT-4o −17%"),
        ([PROVIDER_REPRICED], "GLM 5.2 at Novita −5%"),
        ([PROVIDER_GONE], "AtlasCloud no longer offers MiniMax M2.5"),
        ([PROVIDER_ADDED], "Kimi K2.6 is now also at Nebius"),
        ([PROVIDER_GONE, PROVIDER_ADDED], "MiniMax M2.5 at AtlasCloud gone, Kimi K2.6 at Nebius added"),
        ([replace(PROVIDER_REPRICED, marks=("became_free",))], "GLM 5.2 at Novita is now free"),
        ([DEARER], "Qwen3 Max +5%"),
        ([FREED], "Devstral 2 is now free"),
        ([replace(FREED, marks=("became_paid",))], "Devstral 2 is no longer free"),
        ([replace(FREED, marks=("became_variable",))], "Devstral 2 now has a variable price"),
        ([RETARGETED], "Claude Sonnet Latest now points to anthropic/claude-sonnet-4.5"),
        ([FOLDED], "The whole catalogue: Hugging Face id, per request limits changed"),
        ([FAILING], "OpenRouter's catalogue cannot be read"),
        ([RECOVERED], "OpenRouter's catalogue can be read again"),
        ([SUSPECT], "OpenRouter's catalogue looks wrong and was not believed"),
        ([NEW, NEW_UNLISTED, EXPIRED, CHEAPER], "R1 0528 gone, GPT-4o −17%, Claude Sonnet 4.5 and GLM 5 new"),
        ([CHEAPER, DEARER, FREED, NEW], "3 repriced, Claude Sonnet 4.5 new"),
        ([NEW, FAILING], "Claude Sonnet 4.5 new, source failing"),
        ([CHEAPER, RETARGETED, RETURNED],
         "GPT-4o −17%, Claude Sonnet Latest → claude-sonnet-4.5, Grok 3 Mini back"),
        ([event("new", "venice/uncensored:free", "Venice: Uncensored (free)")], "New: Venice Uncensored (free)"),
        ([event("expired", "deepseek/deepseek-r1", "DeepSeek: R1")], "DeepSeek R1 is gone"),
        ([event("new", "qwen/qwen-plus", "Qwen: Qwen-Plus")], "New: Qwen-Plus"),
    ],
)  # fmt: skip
def test_the_title_says_the_news(events: list[Event], title: str) -> None:
    assert compose(events, Format.TEXT).title == title


def test_a_title_is_one_short_line_whatever_the_names_are() -> None:
    long = replace(CHEAPER, name="A\nvery\r\n\x00long " * 500)
    for events in ([long], [long, replace(long, id="2", model="a/b")], [replace(long, kind="new")]):
        title = compose(events, Format.TEXT).title
        assert len(title) <= 120
        assert title.isprintable()


def test_the_most_important_kind_comes_first() -> None:
    body = compose(ALL, Format.TEXT).body
    places = [body.index(f"{heading}") for heading in ("EXPIRED", "EXPIRING", "REPRICED", "NOW POINTS", "NEW", "BACK")]
    assert places == sorted(places)
    assert [told.kind for told in compose(ALL, Format.TEXT).events] == sorted((e.kind for e in ALL), key=KINDS.index)


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        (CHEAPER, ["prompt: $3 → $2.50/M  ↓ −16.67%", "OpenAI: GPT-4o  openai/gpt-4o"]),
        (DEARER, ["prompt over 200K tokens: $3 → $2.40", "prompt 16:30–00:30 UTC: $1.20 → $1.26", "↑ +25%"]),
        (FREED, ["Became free", "prompt: $0.10/M → free"]),
        (
            PROVIDER_REPRICED,
            [
                "Novita (novita/fp8): prompt: $1.40 → $1.33/M  ↓ −5% · completion: $4.40 → $4.18/M  ↓ −5%"
                " · 2nd change in 14 days."
            ],
        ),
        (
            replace(PROVIDER_REPRICED, marks=("became_free",), prices=FREED.prices),
            ["Novita (novita/fp8): Became free · prompt: $0.10/M → free"],
        ),
        (PROVIDER_GONE, ["AtlasCloud (atlas-cloud/fp8) no longer offers it · 4 other endpoints are left."]),
        (PROVIDER_ADDED, ["now also from Nebius (nebius/int4): prompt $0.95/M · completion $4/M"]),
        (
            EXPIRED,
            [
                "still works: deepseek/deepseek-r1-0528:free (a variant of the same model)",
                "last price: prompt $0.28/M · completion $1.10/M",
            ],
        ),
        (EXPIRING, ["Expires in 14 days, on 18 January 2026"]),
        (RETARGETED, ["was anthropic/claude-sonnet-4, now anthropic/claude-sonnet-4.5"]),
        (
            NEW,
            [
                "1M tokens of context · up to 64K out · image, text → text",
                "price: prompt $3/M · completion $15/M",
                "$0.01 a search",
            ],
        ),
        (NEW_UNLISTED, ["Not listed yet: seen in the RSS feed alone"]),
        (CHANGED, ["+reasoning −seed", "context length: 128K → 1,048,576", "moderated: yes → no"]),
        (FOLDED, ["appeared on 329 of 329 models", 'per request limits: none → {"prompt_tokens":1}']),
        (NEW, ["First seen 17:13 UTC, 4 Jan\n", "https://openrouter.ai/anthropic/claude-sonnet-4.5"]),
        (event("new", offer=Offer(prices={"prompt": "0", "completion": "0"})), ["price: free"]),
        (event("new", offer=Offer(expiration_date="2026-02-01")), ["Expires on 1 February 2026"]),
        (event("expiring", fields={"expiration_date": FieldChange("2026-01-20", None)}), ["No longer expires"]),
        (
            event("expiring", fields={"expiration_date": FieldChange("2026-01-20", "2026-02-01")}, days_left=28),
            ["Expires in 28 days, on 1 February 2026 (before: 20 January 2026)"],
        ),
        (
            event("expiring", fields={"expiration_date": FieldChange("2026-01-07", "2026-01-07")}, days_left=3),
            ["Expires in 3 days, on 7 January 2026\n"],
        ),
        (repriced(prompt=("0.000001", "varies", None)), ["prompt: $1/M → varies"]),
    ],
)
def test_an_event_tells(told: Event, lines: list[str]) -> None:
    body = compose([told], Format.TEXT).body
    for line in lines:
        assert line in body


@pytest.mark.parametrize("format", Format)
def test_every_message_ends_with_the_ids_of_its_events(format: Format) -> None:
    message = compose([CHEAPER, NEW], format)
    assert "ref 00000814 00000b37" in message.body
    assert message.ids == (CHEAPER.id, NEW.id)


# --- what strangers write -------------------------------------------------------------------------------------------

HOSTILE = {
    "everyone": "Model @everyone @here <@123> <@&7>",
    "slack channel": "Model <!channel> <!here|x> <!subteam^S1> <#C1>",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>\"' onload=1",
    "closing tags": "</b></a></div></body><h1>Free tokens</h1>",
    "link": "[click](https://evil.example/x) <https://evil.example|OpenRouter> www.evil.example evil.example/x",
    "javascript": "[x](javascript:alert(1)) javascript:alert(1) data:text/html,x",
    "markdown": "**bold** __under__ ~~gone~~ `code` ||spoiler|| # head > quote",
    "mrkdwn": "*bold* _it_ ~gone~ `code` &lt;!channel&gt;",
    "newlines": "a\nSubject: b\r\nBcc: c\u2028d\u2029e\x0bf\x85g",
    "ansi": "\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07x\x1b]8;;\x07 \x9b31m",
    "bidi": "safe\u202egnp.exe\u202c \u2066x\u2069 \u200fr",
    "zero width": "G\u200bP\u200cT\ufeff\u00ad",
    "nul": "a\x00b\x07\x7f",
    "surrogate": "a\ud800b\udfff",
    "long": "x" * 1_000_000,
    "zalgo": "a" + "\u0301" * 500,
    "rich": "[bold red]x[/bold red] [link=https://evil.example]y[/link]",
    "format": "{0} %s ${x} {{y}}",
    "empty": "",
    "blank": " \u200b\n ",
}
ALLOWED_INVISIBLE = {"\u200b", "\n"}


def hostile(text: str) -> list[Event]:
    """Return events with the text in every place that a stranger fills."""
    return [
        replace(
            told,
            name=text,
            model=text if told.model else None,
            fields={"description": FieldChange(text, [text]), text: FieldChange([text], ["x", text + "y"])},
            offer=told.offer and Offer(1, 2, (text,), (text,), (text,), {**told.offer.prices, text: "0.1"}, text),
            prices={**told.prices, f"{text}@{text}": next(iter(told.prices.values()))} if told.prices else {},
            alternatives=tuple(replace(other, id=text, name=text) for other in told.alternatives),
        )
        for told in ALL
    ]  # fmt: skip


def everything(message: Message) -> str:
    return "\n".join((message.title, message.heading, message.body, message.text))


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_harmless(text: str, format: Format) -> None:
    message = compose(hostile(text), format)
    whole = everything(message)
    whole.encode("utf-8")  # no lone surrogate
    assert all(char.isprintable() or char in ALLOWED_INVISIBLE for char in whole)
    assert message.title.replace("\u200b", "").isprintable()
    assert "x" * 201 not in whole
    whole = re.sub(r"https://openrouter\.ai/[^\s>\"|)]*|<style>.*?</style>", "", whole)
    assert not re.search(r"@\w|<!(?!DOCTYPE)\w|<[@#][\w&]", whole)
    assert not re.search(r"evil\.example|\]\((?!<>)|javascript:\w|data:\w", whole)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_links_go_to_openrouter_alone(text: str) -> None:
    bodies = {format: compose(hostile(text), format).body for format in Format}
    links = re.findall(r"""href=["']?([^"'\s>]*)""", bodies[Format.HTML] + bodies[Format.TELEGRAM])
    links += re.findall(r"\]\(<([^>]*)>\)", bodies[Format.MARKDOWN]) + re.findall(r"<([^|>]*)\|", bodies[Format.SLACK])
    links += re.findall(r"\w+://\S*", bodies[Format.TEXT])
    assert links
    assert [link for link in links if not link.startswith("https://openrouter.ai/")] == []


class _Tags(HTMLParser):
    def __init__(self, allowed: set[str]) -> None:
        super().__init__()
        self.allowed, self.seen, self.open = allowed, set[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.seen.add(tag)
        assert tag in self.allowed
        assert {name for name, _ in attrs} <= {
            *("href", "class", "style", "charset", "name", "content", "lang", "role", "width", "cellpadding"),
            *("cellspacing", "border", "bgcolor", "align"),
        }
        if tag not in ("meta", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_adds_no_tag(text: str) -> None:
    for format, allowed in {
        Format.HTML: {
            "html",
            "head",
            "meta",
            "style",
            "body",
            "div",
            "table",
            "tr",
            "td",
            "h1",
            "h2",
            "p",
            "a",
            "b",
            "span",
            "wbr",
        },
        Format.TELEGRAM: {"b", "i", "a", "code"},
    }.items():
        parser = _Tags(allowed)
        parser.feed(compose(hostile(text), format).body)
        assert parser.open == []


def test_markdown_and_mrkdwn_marks_of_a_name_are_shown_and_not_obeyed() -> None:
    told = replace(NEW_UNLISTED, name="*a* _b_ ~c~ `d` [e] a_b")
    assert r"\*a\* \_b\_ \~c\~ \`d\` \[e\] a\_b" in compose([told], Format.MARKDOWN).body
    assert "∗a∗ ˍbˍ ∼c∼ ˋdˋ [e] a_b" in compose([told], Format.SLACK).body


def test_an_event_with_another_site_as_its_url_gets_no_link() -> None:
    for format in Format:
        body = compose([replace(NEW, url="https://openrouter.ai.evil.example/x")], format).body
        assert "evil" not in body


# --- length ---------------------------------------------------------------------------------------------------------


def many(count: int) -> list[Event]:
    return [replace(NEW, id=f"{n:08x}", model=f"vendor/model-{n}", name=f"Vendor: Model {n}") for n in range(count)]


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("limit", [2_000, 4_096, 35_000])
@pytest.mark.parametrize("count", [1, 10, 300])
def test_messages_are_split_between_events_within_the_limit(format: Format, limit: int, count: int) -> None:
    messages = compose_within(many(count), format, limit)
    assert all(len(message.heading) + len(message.body) + 2 <= limit for message in messages) or format is Format.HTML
    told = [event.id for message in messages for event in message.events]
    assert sorted(told) == [event.id for event in many(count)]
    if len(messages) > 1:
        assert [message.title.split(" ")[-1] for message in messages] == [
            f"({n}/{len(messages)})" for n in range(1, len(messages) + 1)
        ]


def test_what_fits_is_one_message_without_a_number() -> None:
    assert compose_within(many(3), Format.TEXT, 10_000) == [compose(many(3), Format.TEXT)]


def test_one_event_that_is_too_long_is_cut_at_the_end_of_a_line() -> None:
    told = replace(CHANGED, fields={f"field_{n}": FieldChange("a" * 100, "b" * 100) for n in range(100)})
    (message,) = compose_within([told], Format.MARKDOWN, 2_000)
    assert len(message.heading) + len(message.body) + 2 <= 2_000
    assert "more on the model's page" in message.body


def test_a_headline_of_many_kinds_is_cut_between_words() -> None:
    assert re.fullmatch(r".*\w…", headline_of(cards(ALL), 40))
    assert len(headline_of(cards(ALL), 40)) <= 40


@pytest.mark.parametrize("format", [format for format in Format if format is not Format.HTML])
@pytest.mark.parametrize("limit", [1_000, 1_300, 2_000, 2_900])
def test_however_events_are_mixed_none_is_lost_and_no_message_is_too_long(format: Format, limit: int) -> None:
    for count in (1, 2, 5, 12, len(ALL)):
        for start in range(len(ALL) - count + 1):
            events = ALL[start : start + count]
            messages = compose_within(events, format, limit)
            told = [event.id for message in messages for event in message.events]
            assert sorted(told) == sorted(event.id for event in events)
            assert all(len(message.heading) + len(message.body) + 2 <= limit for message in messages)
