"""What strangers write, as it arrives: the bytes that each kind of channel sends, the terminal, the log, the JSON."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from testkit.command import Watcher
from testkit.receivers import MailServer, Request, Sink, send_events
from testkit.shown import title_and_text
from tests.delivery.conftest import divert, urls_of
from tests.events import NEW
from tests.messages.test_builder import HOSTILE, hostile
from watcher.catalog.model import Event
from watcher.simulator import Simulator, built_in, story_scenes
from watcher.simulator.story import Story, StoryStep

OURS = re.compile(r"https://openrouter\.ai/[^\s>\"|)]*")
LIVE = re.compile(
    r"@\w|<!(?!DOCTYPE)\w|<[@#][\w&]"  # mentions
    r"|evil\.example|(?:javascript|data):\w|\]\((?!<>)"  # links
    r"|<(?:script|img|h1>)",
    re.IGNORECASE,
)


KINDS = ("new", "expired", "repriced", "changed")
"""Of the events that are sent: together they have every place that a stranger fills. Messages are tested with all."""


def sent(text: str) -> Iterator[list[Event]]:
    """Yield what is sent at a time: events with the text in every place, and a single one with it as its name."""
    yield [event for event in hostile(text) if event.kind in KINDS]
    yield [replace(NEW, name=text)]


def attachment(payload: Any) -> list[str]:
    return [payload["attachments"][0][key] for key in ("title", "text")]


SHOWN: dict[str, Callable[[bytes], list[str]]] = {
    **{
        service: lambda body, service=service: list(title_and_text(service, json.loads(body)))  # type: ignore[misc]
        for service in ("slack", "discord", "teams", "telegram", "mattermost", "rocket", "json", "ntfy", "gotify")
    },
    "matrix": lambda body: attachment(json.loads(body)),
    "form": lambda body: [parse_qs(body.decode(), strict_parsing=True)[key][0] for key in ("title", "message")],
    "xml": lambda body: [
        element.text or "" for element in ElementTree.fromstring(body).iter() if element.tag in ("Subject", "Message")
    ],
}
"""What a person is shown of what arrived: title and text."""


def bad(text: str) -> set[str]:
    """Return the characters that nobody should be shown; the zero-width space is ours."""
    return {c for c in set(text) if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")} - {
        "\n",
        "\u200b",
    }


def assert_harmless(request: Request, kind: str) -> None:
    raw = request.body.decode("utf-8")  # no lone surrogate
    assert not bad(raw.replace("\t", "")), "no raw control, bidi override or line separator, JSON or not"
    for header in request.headers.values():
        assert not bad(header)
    shown = SHOWN[kind](request.body)
    assert shown
    for text in shown:
        assert not bad(text)
        assert not LIVE.search(OURS.sub("", text)), kind
        assert "x" * 201 not in text
        assert len(text.encode()) < 40_000
    if kind in ("slack", "telegram"):
        tags = (
            r"<https://openrouter\.ai/" if kind == "slack" else r"</?[bi]>|</?code>|</a>|<a href=\"https://openrouter"
        )
        assert "<" not in re.sub(tags, "", shown[-1])
    if kind == "discord":
        assert json.loads(raw)["allowed_mentions"] == {"parse": []}
        assert "allow_mentions" not in json.loads(raw)
    if kind != "json":
        assert len(request.body) < 100_000


@pytest.mark.parametrize("kind", SHOWN)
def test_hostile_text_arrives_harmless(web: Sink, secure_web: Sink, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    urls = urls_of(web.address, divert(web.address, monkeypatch))
    urls["teams"] = f"workflow://{secure_web.address}/workflow/signature?verify=no"
    server = secure_web if kind == "teams" else web
    for name, text in HOSTILE.items():
        server.requests.clear()
        for events in sent(text):
            result = send_events(urls[kind], events, timeout=60)
            assert result.ok, (name, result.detail)
        assert server.requests
        for request in server.requests:
            assert_harmless(request, kind)


def test_hostile_text_is_harmless_in_a_mail(mail_server: MailServer) -> None:
    for text in HOSTILE.values():
        for events in sent(text):
            mail_server.envelopes.clear()
            assert send_events(mail_server.url, events, timeout=60).ok
            content = mail_server.envelopes[-1].content
            assert content.isascii()
            assert not set(content) & (set(range(32)) - {9, 10, 13})
            mail = mail_server.mail()
            assert (mail["Bcc"], mail["Cc"], len(mail.get_all("Subject", []))) == (None, None, 1)
            assert set(mail.keys()) - {"In-Reply-To", "References"} == {
                *("Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "X-Application", "List-Id"),
                *("MIME-Version", "Content-Type"),
            }
            assert not bad(str(mail["Subject"]))
            for kind in ("plain", "html"):
                part = mail.get_body((kind,))
                assert part is not None
                shown = str(part.get_content()).replace("\r\n", "\n")
                assert not bad(shown)
                assert not LIVE.search(OURS.sub("", re.sub(r"<style>.*?</style>|<meta [^>]*>", "", shown)))


def test_what_a_service_answers_is_told_on_one_harmless_line(mail_server: MailServer, web: Sink) -> None:
    async def refuse(*_: Any) -> str:
        return "550 \x1b[31mno\x1b[0m \u202eevil \x9b1m" + "x" * 400

    mail_server.handle_RCPT = refuse  # type: ignore[assignment,method-assign]
    web.status, web.answer = 400, b"\x1b[31mno\x00\r\n"
    for url in (mail_server.url, f"json://{web.address}/"):
        result = send_events(url, [NEW])
        assert not result.ok
        assert not bad(result.detail)
        assert len(result.detail) <= 300


@pytest.mark.slow
def test_the_terminal_the_log_and_the_json_stay_harmless(tmp_path: Path) -> None:
    def appear(models: list[Any]) -> list[Any]:
        number = 0
        for text in HOSTILE.values():
            for field in ("name", "description"):
                number += 1
                models.append({**models[0], "id": f"evil/{number}", "canonical_slug": f"evil/{number}", field: text})
        # A list of which many ids make no sense is refused as a whole, so only a few.
        return [*models, *({**models[0], "id": HOSTILE[name]} for name in ("everyone", "html", "bidi"))]

    steps = (StoryStep("first"), StoryStep("second", appear))
    story = Story("hostile", datetime(2026, 1, 14, tzinfo=UTC), built_in, steps)
    watcher = Watcher(tmp_path)
    with Simulator(story_scenes(story)) as simulator:
        watcher.configure(
            f'[source]\nurl = "{simulator.url}"\nrss = false\n[store]\nurl = "sqlite:///w.db"\n'
            '[announce]\nsettle = "0s"\n'
        )
        assert watcher.run("--check").code == 0
        simulator.advance()
        ran = [watcher.run("--check", "--dry-run"), watcher.run("--check", "--json")]
        ran += [watcher.run(verb) for verb in ("changes", "models")]
    dry, check, changes, models = ran
    assert {result.code for result in ran} == {0}
    for result in (dry, changes, models):
        assert not bad(result.out + result.err)
    assert "\x1b" not in check.out + check.err
    assert check.out.count("\n") == 1
    assert len(check.json["events"]) > 30
    for result in (dry, changes):
        assert "evil/1" in result.out
        assert not re.search(r"javascript:\w|@everyone", OURS.sub("", result.out))
