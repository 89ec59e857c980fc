"""What is said of a sending that failed: whether to try again, and when. Over real sockets."""

import re
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from testkit.receivers import MailServer, Sink, send_events
from tests.delivery.conftest import divert, urls_of
from tests.events import CHEAPER
from watcher.delivery.channel import Result
from watcher.delivery.statuses import LONGEST_PAUSE, SLOW_PAUSE, after_reply, after_status, requested_pause

DOC = Path(__file__).parent.parent.parent / "docs" / "delivery.md"
NOW = datetime(2026, 1, 4, 12, tzinfo=UTC)


def rows() -> list[tuple[str, str]]:
    """Return the first two cells of each row of the table in the docs: on what, and what follows."""
    lines = DOC.read_text(encoding="utf-8").partition("<!-- statuses")[2].partition("|---|---|---|\n")[2].splitlines()
    cells = [line.split("|") for line in lines[: lines.index("")]]
    return [(row[1].strip(), row[2].strip(" *")) for row in cells]


def first_row_for(code: int, table: list[tuple[str, str]]) -> str:
    """Return what follows from a code by the first row that names it."""
    for on, then in table:
        if any(int(first) <= code <= int(last or first) for first, last in re.findall(r"(\d{3})(?:–(\d{3}))?", on)):
            return then
    raise AssertionError(f"no row names {code}")


def test_the_code_does_what_the_table_in_the_docs_says() -> None:
    mail = [(on, then) for on, then in rows() if on.startswith("mail")]
    http = [row for row in rows() if row not in mail]
    for status in range(200, 600):
        assert first_row_for(status, http) == ("sent" if status < 300 else after_status(status)), status
    for reply in range(400, 600):
        assert first_row_for(reply, mail) == after_reply(reply), reply
    without_answer = [then for on, then in http if not re.search(r"\d{3}", on)]
    assert {*without_answer, after_status(None), after_reply(None)} == {"again"}


# --- HTTP -----------------------------------------------------------------------------------------------------------

STATUSES = (
    *(200, 201, 202, 203, 204, 205, 206, 207, 208, 226),
    *(300, 301, 302, 303, 304, 305, 307, 308),
    *range(400, 419),
    *(421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499),
    *(500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 520, 521, 522, 523, 524, 525, 526, 527, 530, 598, 599),
)


def test_each_status_is_treated_as_the_table_says(web: Sink) -> None:
    for status in STATUSES:
        web.status, before = status, len(web.requests)
        result = send_events(f"json://{web.address}/hook", [CHEAPER])
        accepted = status < 300
        assert result.ok == accepted, status
        assert result.permanent == (after_status(status) == "never"), status
        assert result.retry_after == (SLOW_PAUSE if after_status(status) == "slowly" else None), status
        assert result.status == (None if accepted else status)
        assert len(web.requests) == before + 1, "nothing is tried again by itself"


@pytest.mark.parametrize("kind", urls_of("x", {"slack": "", "discord": "", "telegram": "", "mattermost": ""}))
@pytest.mark.parametrize("status", [302, 401, 404, 410, 429, 503])
def test_every_kind_of_service_is_treated_so(
    web: Sink, monkeypatch: pytest.MonkeyPatch, kind: str, status: int
) -> None:
    url = urls_of(web.address, divert(web.address, monkeypatch))[kind]
    web.status, web.headers = status, {"Retry-After": "90", "Location": "/elsewhere"}
    result = send_events(url, [CHEAPER])
    assert (result.ok, result.delivered, result.status) == (False, (), status)
    assert result.permanent == (after_status(status) == "never")
    assert result.retry_after == (SLOW_PAUSE if after_status(status) == "slowly" else 90)
    assert len(web.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("asked", ["", "?redirect=yes"])
def test_a_redirect_is_followed_nowhere(web: Sink, sink: Sink, status: int, asked: str) -> None:
    for location in (f"http://{sink.address}/taken", f"http://{web.address}/other", "/other", "//evil.example/"):
        web.status, web.headers = status, {"Location": location}
        result = send_events(f"json://{web.address}/hook{asked}", [CHEAPER])
        assert (result.ok, result.status, result.permanent) == (False, status, False)
    assert sink.requests == []
    assert {request.path for request in web.requests} == {f"/hook{asked and '?redirect=yes'}".partition("?")[0]}


def test_not_even_a_plugin_that_follows_or_accepts_redirects_counts_as_sent(
    web: Sink, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apprise.plugins import custom_json

    def careless(self: Any, **_: Any) -> bool:
        return bool(custom_json.requests.post(f"http://{web.address}/", data=b"x", timeout=5).status_code < 400)

    monkeypatch.setattr(custom_json.NotifyJSON, "send", careless)
    web.status, web.headers = 302, {"Location": f"http://{sink.address}/"}
    result = send_events(f"json://{web.address}/", [CHEAPER])
    assert (result.ok, result.detail) == (False, "HTTP 302")
    assert sink.requests == []


# --- Retry-After ----------------------------------------------------------------------------------------------------


def test_what_a_service_asks_for_is_passed_on(web: Sink) -> None:
    web.status, url = 429, f"json://{web.address}/hook"
    for asked, seconds in (("7", 7.0), ("1.5", 1.5), ("999999999", LONGEST_PAUSE), ("soon", None)):
        web.headers = {"Retry-After": asked}
        assert send_events(url, [CHEAPER]).retry_after == seconds
    web.headers = {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)}
    pause = send_events(url, [CHEAPER]).retry_after
    assert pause is not None
    assert 590 < pause <= 600


def test_a_success_asks_for_nothing(web: Sink) -> None:
    web.headers = {"Retry-After": "7"}
    assert send_events(f"json://{web.address}/hook", [CHEAPER]) == Result(True, "sent", (CHEAPER.id,))


def test_telegram_says_it_in_its_answer(web: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    web.status, web.answer = 429, b'{"ok": false, "error_code": 429, "parameters": {"retry_after": 35}}'
    result = send_events(divert(web.address, monkeypatch)["telegram"], [CHEAPER])
    assert (result.status, result.retry_after) == (429, 35)


def test_what_was_asked_for_is_known_even_if_the_plugin_goes_on_waiting(
    web: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apprise.plugins.custom_json import NotifyJSON

    plain: Any = NotifyJSON.send
    over = threading.Event()

    def patient(self: Any, **arguments: Any) -> bool:
        plain(self, **arguments)
        return over.wait(20)

    monkeypatch.setattr(NotifyJSON, "send", patient)
    web.status, web.headers = 429, {"Retry-After": "12"}
    result = send_events(f"json://{web.address}/", [CHEAPER], timeout=1)
    over.set()
    assert (result.ok, result.status, result.retry_after) == (False, 429, 12)


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        (None, None, None),
        ("0", None, 0),
        (" 30 ", None, 30),
        ("-5", None, 0),
        ("nan", None, None),
        ("inf", None, LONGEST_PAUSE),
        ("Sun, 04 Jan 2026 12:01:00 GMT", None, 60),
        ("Sunday, 04-Jan-26 12:01:00 GMT", None, 60),
        ("Sun, 04 Jan 2026 11:00:00 GMT", None, 0),
        ("Sun, 04 Jan 2126 11:00:00 GMT", None, LONGEST_PAUSE),
        ("", None, None),
        ("1", {"retry_after": 2.5}, 2.5),
        (None, {"retry_after_ms": 1500}, 1.5),
        (None, {"parameters": {"retry_after": "8"}}, 8),
        (None, {"parameters": [1], "retry_after": True}, None),
        (None, ["retry_after"], None),
    ],
)
def test_the_pause_that_an_answer_asks_for(header: str | None, body: Any, seconds: float | None) -> None:
    assert requested_pause({"Retry-After": header} if header is not None else {}, body, NOW) == seconds


@given(
    st.text(), st.dictionaries(st.sampled_from(["retry_after", "parameters"]), st.integers() | st.text() | st.none())
)
def test_no_answer_is_too_strange(header: str, body: Any) -> None:
    seconds = requested_pause({"Retry-After": header}, body, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_PAUSE


def test_requests_of_anybody_else_are_their_own_affair(web: Sink, sink: Sink) -> None:
    from apprise.plugins import custom_json

    send_events(f"json://{web.address}/", [CHEAPER])  # from here on the plugin's requests are observed
    web.status, web.headers = 302, {"Location": f"http://{sink.address}/"}
    assert requests.get(f"http://{web.address}/", timeout=5).status_code == 200
    assert custom_json.requests.get(f"http://{web.address}/", timeout=5).status_code == 200, "in another thread"
    assert len(sink.requests) == 2


def test_every_plugin_sends_by_what_is_observed() -> None:
    """By the functions of `requests`, under that name; a session of its own would not be seen."""
    import apprise.plugins

    folder = Path(apprise.plugins.__file__).parent
    sources = {file.name: file.read_text(encoding="utf-8") for file in folder.rglob("*.py")}
    assert sum("requests.post(" in source for source in sources.values()) > 100
    own = r"(?m)requests\.(Session|session|adapters|api)\b|^ *from requests( |\.(?!auth|exceptions))|import requests as"
    assert [name for name, source in sources.items() if re.search(own, source)] == []


# --- no answer ------------------------------------------------------------------------------------------------------


def unheard() -> str:
    """Return an address of this machine at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_what_gets_no_answer_is_tried_again(web: Sink, secure_web: Sink) -> None:
    found: list[tuple[str, Result]] = [
        ("connection refused", send_events(f"json://{unheard()}/", [CHEAPER])),
        ("unknown host", send_events("json://nowhere.invalid/", [CHEAPER])),
        ("its TLS certificate was not accepted", send_events(f"jsons://{secure_web.address}/", [CHEAPER])),
        ("no TLS connection", send_events(f"jsons://{web.address}/", [CHEAPER])),
    ]
    for status, reason in ((0, "connection lost"), (-2, "connection lost")):
        web.status = status
        found.append((reason, send_events(f"json://{web.address}/", [CHEAPER])))
    web.status = -1
    found.append(("timed out", send_events(f"json://{web.address}/", [CHEAPER], timeout=0.4)))
    for reason, result in found:
        assert reason in result.detail or "no answer within 0.4 s" in result.detail
        assert (result.ok, result.permanent, result.retry_after, result.status) == (False, False, None, None)
        assert result.delivered == ()


def test_an_unusable_url_is_looked_at_again(web: Sink) -> None:
    for url in ("nonsense", "slack://x", "json://", "https://example.org/hook"):
        result = send_events(url, [CHEAPER])
        assert (result.ok, result.permanent, result.retry_after) == (False, False, None)


# --- mail -----------------------------------------------------------------------------------------------------------


class Answering:
    """Replaces a mail server's answer to a recipient."""

    def __init__(self, server: MailServer, answers: dict[str, str]) -> None:
        self.answers = answers
        server.handle_RCPT = self.handle  # type: ignore[method-assign]

    async def handle(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        answer = self.answers.get(address.partition("@")[0], "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer


@pytest.mark.parametrize(
    ("answer", "slowly"), [("450 4.2.0 greylisted", False), ("451 later", False), ("550 5.1.1 unknown", True)]
)
def test_a_refusing_mail_server_is_asked_again(mail_server: MailServer, answer: str, slowly: bool) -> None:
    Answering(mail_server, {"ann": answer})
    result = send_events(mail_server.url, [CHEAPER])
    assert (result.ok, result.permanent) == (False, False)
    assert result.retry_after == (SLOW_PAUSE if slowly else None)
    assert answer in result.detail


def test_who_has_a_mail_does_not_get_it_again_because_another_never_will(mail_server: MailServer) -> None:
    Answering(mail_server, {"bob": "550 5.1.1 unknown"})
    result = send_events(f"{mail_server.url},bob@example.org", [CHEAPER])
    assert (result.ok, result.delivered) == (True, (CHEAPER.id,))
    assert result.detail == "sent; A recipient was refused: 550 5.1.1 unknown"
    assert len(mail_server.envelopes) == 1


def test_a_recipient_who_is_greylisted_gets_the_mail_later(mail_server: MailServer) -> None:
    Answering(mail_server, {"bob": "450 4.2.0 greylisted"})
    result = send_events(f"{mail_server.url},bob@example.org", [CHEAPER])
    assert (result.ok, result.permanent, result.retry_after) == (False, False, None)


def test_the_pauses_are_as_the_docs_say() -> None:
    assert (SLOW_PAUSE, LONGEST_PAUSE) == (3_600, 86_400)
