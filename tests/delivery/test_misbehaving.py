"""Servers that misbehave at any step of the dialogue: nothing is lost, and nothing repeated that was said to be taken.

Each server misbehaves once and then behaves. Events that did not arrive are sent again, as the outbox does.
"""

from typing import NamedTuple

import pytest

from testkit.misbehaving import (
    Answer,
    MisbehavingMail,
    MisbehavingWeb,
    drip,
    endless,
    hang_up,
    reset,
    silence,
    then,
)
from testkit.receivers import send_events
from tests.events import CHEAPER, NEW
from watcher.delivery import diagnosis
from watcher.delivery.channel import Result

TIMEOUT = 1.6


@pytest.fixture(autouse=True)
def short_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "_BODY_SECONDS", 0.3)


def until_sent(url: str) -> list[Result]:
    """Send as often as it takes, and return the results."""
    results: list[Result] = []
    for _ in range(3):
        results.append(send_events(url, [CHEAPER, NEW], timeout=TIMEOUT))
        if results[-1].ok:
            return results
        assert (results[-1].delivered, results[-1].refused) == ((), ())
    raise AssertionError(results)


# --- mail -----------------------------------------------------------------------------------------------------------


class MailCase(NamedTuple):
    step: str
    fault: Answer
    said: str | None
    """What the first result says; None: the mail is sent."""
    arrives: int = 1
    """How many mails the server has in the end."""
    unsure: bool = False
    """Whether it could have arrived at the first time."""


SILENT = "The mail server did not answer in "
BROKEN = "The connection to the mail server broke in the middle"
NONSENSE = "The mail server's answer makes no sense"
ENDED = "The mail server ended the dialogue: 421 "
ARRIVED = "; the mail may have arrived"
GARBAGE = b"\x00\xff\x16 what?\r\n"

MAIL_CASES = {
    "says nothing at first": MailCase("greeting", silence, SILENT),
    "has no time": MailCase("greeting", b"421 later\r\n", ENDED),
    "is not for us": MailCase("greeting", b"554 go away\r\n", "The mail server refused the connection: 554 go away"),
    "is no mail server": MailCase("greeting", GARBAGE, NONSENSE),
    "hangs up at once": MailCase("greeting", hang_up, BROKEN),
    "drips its greeting": MailCase("greeting", drip(b"220 " + b"x" * 100, 0.05), SILENT),
    "greets without end": MailCase("greeting", endless(b"220-" + b"x" * 8000 + b"\r\n"), "The mail server does not st"),
    "resets at EHLO": MailCase("EHLO", reset, BROKEN),
    "knows no EHLO": MailCase("EHLO", b"502 what?\r\n", None),
    "says two things to EHLO": MailCase("EHLO", b"250 here\r\n250 fine\r\n", "The mail server answered unasked"),
    "breaks off at MAIL": MailCase("MAIL", hang_up, BROKEN),
    "wants no mail for now": MailCase("MAIL", b"451 later\r\n", "The sender was refused: 451 later"),
    "greylists": MailCase("RCPT", b"450 greylisted\r\n", "The recipient was refused: 450 greylisted"),
    "ends the dialogue at RCPT": MailCase("RCPT", b"421 too many\r\n", ENDED),
    "says nothing to RCPT": MailCase("RCPT", silence, SILENT),
    "is full at DATA": MailCase("DATA", b"452 full\r\n", "The mail was refused: 452 full"),
    "takes DATA for the mail": MailCase("DATA", b"250 fine\r\n", "The mail server's answer to DATA makes no sense"),
    "says nothing to DATA": MailCase("DATA", silence, SILENT),
    "hangs up in the text": MailCase("text", reset, BROKEN + ARRIVED, unsure=True),
    "answers DATA twice": MailCase("DATA", b"354 go\r\n250 fine\r\n", "The mail server answered before the mail was"),
    "refuses the text for now": MailCase("dot", b"451 later\r\n", "The mail was refused: 451 later", 2),
    "hangs up after the dot": MailCase("dot", hang_up, BROKEN + ARRIVED, 2, unsure=True),
    "says nothing to the dot": MailCase("dot", silence, SILENT, 2, unsure=True),
    "answers the dot with nonsense": MailCase("dot", GARBAGE, NONSENSE, 2, unsure=True),
    "asks for more after the dot": MailCase("dot", b"354 go on\r\n", NONSENSE, 2, unsure=True),
    "cuts its answer to the dot off": MailCase("dot", then(b"250 fi", hang_up), BROKEN, 2, unsure=True),
    "is slow after the dot": MailCase("dot", drip(b"250 fine\r\n", 0.02), None),
    "answers the dot with 2xx": MailCase("dot", b"252 perhaps\r\n", None),
    "says 250 to QUIT": MailCase("QUIT", b"250 bye\r\n", None),
    "says 421 to QUIT": MailCase("QUIT", b"421 bye\r\n", None),
    "says 500 to QUIT": MailCase("QUIT", b"500 what?\r\n", None),
    "says nonsense to QUIT": MailCase("QUIT", GARBAGE, None),
    "says nothing to QUIT": MailCase("QUIT", silence, None),
    "resets at QUIT": MailCase("QUIT", reset, None),
    "hangs up at QUIT": MailCase("QUIT", hang_up, None),
}


@pytest.mark.parametrize("case", MAIL_CASES.values(), ids=MAIL_CASES)
def test_a_mail_server_that_misbehaves_loses_nothing(case: MailCase) -> None:
    server = MisbehavingMail({case.step: case.fault})
    url = f"mailto://{server.address}?mode=insecure&smtp=127.0.0.1&from=w@example.org&to=ann@example.org"
    results = until_sent(url)
    server.finish()
    server.close()
    assert server.faults == {}, "it has misbehaved"
    assert len(server.mails) == case.arrives
    assert len(results) == (1 if case.said is None else 2)
    if case.said is not None:
        assert results[0].detail.startswith(case.said)
        assert results[0].detail.endswith(ARRIVED) == case.unsure
        assert results[0].status is None or not case.unsure, "it comes again as the same message"
    ids = [line for mail in server.mails for line in mail.split(b"\r\n") if line.startswith(b"Message-ID")]
    assert len(set(ids)) == 1
    assert len(ids) == case.arrives


# --- HTTP -----------------------------------------------------------------------------------------------------------


class WebCase(NamedTuple):
    fault: Answer
    said: str | None
    arrives: int = 2
    before: bool = False


OK = b"HTTP/1.1 200 OK\r\n"
LOST = "the connection broke in the middle, it may have arrived"
UNHEARD = "no answer in time, it may have arrived"


BODY_OF_100 = OK + b"Content-Length: 100\r\n\r\n"

WEB_CASES = {
    "hangs up before the request": WebCase(hang_up, LOST, 1, before=True),
    "resets before the request": WebCase(reset, LOST, 1, before=True),
    "says nothing": WebCase(silence, UNHEARD),
    "hangs up": WebCase(hang_up, LOST),
    "resets": WebCase(reset, LOST),
    "is no web server": WebCase(b"220 mail here\r\n", LOST),
    "cuts its status off": WebCase(b"HTTP/1.1 2", LOST),
    "drips its status": WebCase(drip(b"HTTP/1.1 200 " + b"x" * 100, 0.05), f"no answer within {TIMEOUT:g} s"),
    "sends headers without end": WebCase(then(OK, endless(b"X-A: b\r\n")), ""),
    "is broken for now": WebCase(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", "HTTP 503"),
    "is broken and cut off": WebCase(b"HTTP/1.1 503 Later\r\nContent-Length: 100\r\n\r\nsorry", "HTTP 503"),
    "is too busy": WebCase(b"HTTP/1.1 429 Slow\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", "HTTP 429"),
    "sends it elsewhere": WebCase(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", "HTTP 302"),
    "has nothing to say": WebCase(b"HTTP/1.1 204 No Content\r\n\r\n", None, 1),
    "says go on first": WebCase(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n", None, 1),
    "cuts its body off": WebCase(then(BODY_OF_100, b"fine"), None, 1),
    "resets in its body": WebCase(then(BODY_OF_100, reset), None, 1),
    "never sends its body": WebCase(then(BODY_OF_100, silence), None, 1),
    "drips its body": WebCase(then(BODY_OF_100, drip(b"x" * 100, 0.05)), None, 1),
    "does not end its body": WebCase(then(OK + b"\r\n", endless(b"x" * 4096)), None, 1),
    "breaks its chunks": WebCase(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nfine", None, 1),
    "packs its body badly": WebCase(OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nfine", None, 1),
}


@pytest.mark.parametrize("case", WEB_CASES.values(), ids=WEB_CASES)
def test_a_web_server_that_misbehaves_loses_nothing(case: WebCase) -> None:
    server = MisbehavingWeb(case.fault, before=case.before)
    results = until_sent(f"json://{server.address}/hook")
    server.close()
    assert len(server.bodies) == case.arrives
    assert len(results) == (1 if case.said is None else 2)
    if case.said is not None:
        assert results[0].detail.startswith(case.said)


def test_the_matrix_is_as_large_as_promised() -> None:
    assert len(MAIL_CASES) + len(WEB_CASES) >= 40
