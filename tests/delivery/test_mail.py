"""The dialogue with a mail server: logins, encryption, deadlines, and who gets what when somebody is refused."""

import base64
import hmac
import re
import ssl
import time
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from testkit.misbehaving import MisbehavingMail, drip, hang_up, silence
from testkit.receivers import MailServer, send_events
from tests.delivery.test_statuses import Answering
from tests.events import CHEAPER, NEW
from watcher.delivery import smtp
from watcher.delivery.channel import Result
from watcher.delivery.mail import headers
from watcher.messages.builder import compose
from watcher.messages.document import Format

NAME, PASSWORD = "änn", "pä:ss wörd/€&"
LOGIN = "%C3%A4nn:p%C3%A4%3Ass%20w%C3%B6rd%2F%E2%82%AC%26@"


def url_of(server: MisbehavingMail, login: str = "", mode: str = "insecure") -> str:
    return (
        f"mailto://{login}{server.address}?mode={mode}&smtp=127.0.0.1&from=w@example.org&to=ann@example.org&verify=no"
    )


def sent_to(server: MisbehavingMail, login: str = "", mode: str = "insecure", timeout: float = 5) -> Result:
    result = send_events(url_of(server, login, mode), [NEW], timeout=timeout)
    server.finish()
    server.close()
    return result


def offering(*ways: str) -> MisbehavingMail:
    server = MisbehavingMail()
    server.answers["EHLO"] = f"250-here\r\n250-AUTH {' '.join(ways)}\r\n250 STARTTLS\r\n".encode()
    return server


def asked(text: bytes) -> bytes:
    return b"334 " + base64.b64encode(text) + b"\r\n"


# --- logging in -----------------------------------------------------------------------------------------------------


def test_a_password_may_be_any_text() -> None:
    server = offering("XOAUTH2", "PLAIN", "LOGIN")
    assert sent_to(server, LOGIN).ok
    (login,) = [line for line in server.said if line.startswith("AUTH")]
    assert base64.b64decode(login.removeprefix("AUTH PLAIN ")).decode() == f"\0{NAME}\0{PASSWORD}"


def test_a_long_password_has_a_line_of_its_own() -> None:
    server = offering("PLAIN")
    server.answers["AUTH"] = asked(b"")
    long = "x" * 1500
    server.answers[base64.b64encode(f"\0ann\0{long}".encode()).decode().upper()] = b"235 welcome\r\n"
    assert sent_to(server, f"ann:{long}@").ok
    assert max(map(len, server.said[: server.said.index("AUTH PLAIN") + 1])) < 500


def test_the_old_ways_to_log_in_work_too() -> None:
    server = offering("LOGIN")
    server.answers["AUTH"] = asked(b"Username:")
    name, password = (base64.b64encode(text.encode()).decode() for text in (NAME, PASSWORD))
    server.answers |= {name.upper(): asked(b"Password:"), password.upper(): b"235 welcome\r\n"}
    assert sent_to(server, LOGIN).ok
    assert [name, password] == server.said[server.said.index("AUTH LOGIN") + 1 :][:2]

    server = offering("CRAM-MD5")
    server.answers["AUTH"] = asked(b"<1@here>")
    digest = hmac.new(PASSWORD.encode(), b"<1@here>", "md5").hexdigest()
    answer = base64.b64encode(f"{NAME} {digest}".encode()).decode()
    server.answers[answer.upper()] = b"235 welcome\r\n"
    assert sent_to(server, LOGIN).ok


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        (("XOAUTH2", "NTLM"), "No usable login (the server offers XOAUTH2, NTLM)"),
        ((), "No usable login (the server offers none)"),
    ],
)
def test_a_login_that_nobody_can_use_is_told_with_what_the_server_offers(ways: tuple[str, ...], said: str) -> None:
    assert sent_to(offering(*ways), LOGIN).detail == said


def test_a_refused_login_says_why_and_is_tried_again_slowly() -> None:
    server = offering("PLAIN")
    server.answers["AUTH"] = b"535 5.7.8 wrong for \xc3\xa4nn\r\n"
    result = sent_to(server, LOGIN)
    assert result.detail == "The login was refused: 535 5.7.8 wrong for ***"
    assert (result.status, result.retry_after) == (535, 3600)
    assert server.mails == []


def test_a_server_that_asks_for_ever_is_told_to_stop() -> None:
    server = offering("PLAIN")
    server.answers["AUTH"] = asked(b"and?")
    server.answers["*"] = b"501 as you like\r\n"
    server.answers[base64.b64encode(f"\0{NAME}\0{PASSWORD}".encode()).decode().upper()] = asked(b"more?")
    assert sent_to(server, LOGIN).detail == "The login was refused: 501 as you like"


# --- encryption -----------------------------------------------------------------------------------------------------


def test_a_mail_goes_encrypted(certificate: Path) -> None:
    server = MisbehavingMail(certificate=certificate)
    assert sent_to(server, LOGIN, mode="starttls").ok
    at = server.said.index("STARTTLS")
    assert [line.split()[0] for line in server.said[at : at + 3]] == ["STARTTLS", "EHLO", "AUTH"]
    assert len(server.mails) == 1


def test_a_server_without_encryption_gets_neither_password_nor_mail() -> None:
    server = MisbehavingMail()
    server.answers["EHLO"] = b"250-here\r\n250 AUTH PLAIN\r\n"
    result = sent_to(server, LOGIN, mode="starttls")
    assert result.detail == "The mail server offers no encryption (STARTTLS), which the URL asks for"
    assert not [line for line in server.said if line.startswith(("AUTH", "MAIL"))]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"454 not now\r\n", "The mail server refused encryption: 454 not now"),
        (b"220 go on\r\n250 injected\r\n", "The mail server answered before the encryption"),
        (hang_up, "The connection to the mail server broke in the middle"),
        (silence, "The mail server did not answer in "),
    ],
    ids=["refused", "injected", "hung up", "silent"],
)
def test_encryption_that_fails_sends_nothing(answer: bytes, said: str) -> None:
    server = MisbehavingMail({"STARTTLS": answer})
    assert sent_to(server, LOGIN, mode="starttls", timeout=1).detail.startswith(said)
    assert not [line for line in server.said if line.startswith(("AUTH", "MAIL"))]


def test_a_certificate_that_nobody_signed_is_told(certificate: Path) -> None:
    server = MisbehavingMail(certificate=certificate)
    result = send_events(url_of(server, LOGIN, "starttls").removesuffix("&verify=no"), [NEW])
    server.close()
    assert result.detail == "its TLS certificate was not accepted: The mail server could not be reached"


# --- time -----------------------------------------------------------------------------------------------------------


def test_the_time_to_connect_does_not_bound_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that took 18 s after the dot was cut off at 15, and got the mail twice, under a timeout of 60."""
    monkeypatch.setattr(smtp, "CONNECT_SECONDS", 0.2)
    server = MisbehavingMail({"dot": drip(b"250 fine\r\n", 0.1)})
    assert sent_to(server).ok


def test_a_server_that_never_answers_is_told_with_the_seconds() -> None:
    result = sent_to(MisbehavingMail({"RCPT": silence}), timeout=1)
    assert re.fullmatch(r"The mail server did not answer in 0\.[5-9] s", result.detail)


def test_no_mail_goes_after_the_deadline() -> None:
    """Else it would arrive, and be sent again, since the outbox has its result already."""
    server = MisbehavingMail({"DATA": drip(b"354 go on\r\n", 0.1)})
    result = sent_to(server, timeout=0.8)
    assert result.detail.startswith("The mail server did not answer in ")
    assert server.mails == []


# --- the message ----------------------------------------------------------------------------------------------------


def test_the_id_of_a_mail_has_a_domain_with_a_dot() -> None:
    message = compose([NEW], Format.HTML)
    for sender, domain in (("w@example.org", "example.org"), ("w@localhost", "openrouter-watcher.invalid")):
        found = dict(headers(message, sender, threads=True))
        assert all(found[name].endswith(f"@{domain}>") for name in ("Message-ID", "In-Reply-To", "References"))


def test_a_long_header_is_folded_and_whole() -> None:
    words = " ".join(f"word{n}" for n in range(200))
    server = MisbehavingMail()
    result = send_events(f"{url_of(server)}&+X-Long={words.replace(' ', '%20')}", [NEW])
    server.finish()
    server.close()
    assert result.ok
    (mail,) = server.mails
    assert message_from_bytes(mail, policy=policy.default)["X-Long"] == words
    assert max(map(len, mail.splitlines())) <= 998


# --- several people -------------------------------------------------------------------------------------------------


def test_a_greylisted_recipient_alone_gets_the_mail_again(mail_server: MailServer) -> None:
    url = f"{mail_server.url},bob@example.org&cc=carol@example.org"
    answering = Answering(mail_server, {"bob": "450 4.2.0 greylisted", "carol": "450 4.2.0 greylisted"})
    result = send_events(url, [CHEAPER])
    assert (result.ok, result.status, result.delivered) == (False, None, ())
    answering.answers = {}
    assert send_events(url, [CHEAPER]).ok
    assert [envelope.rcpt_tos for envelope in mail_server.envelopes] == [
        ["ann@example.org"],
        ["carol@example.org"],
        ["bob@example.org"],
    ]
    assert {mail_server.mail(at)["To"] for at in (0, 1)} == {"ann@example.org"}


def test_who_has_the_events_does_not_get_them_with_others_but_gets_the_others(mail_server: MailServer) -> None:
    url = f"{mail_server.url},bob@example.org"
    answering = Answering(mail_server, {"bob": "450 4.2.0 greylisted"})
    send_events(url, [CHEAPER])
    answering.answers = {}
    assert send_events(url, [CHEAPER, NEW]).ok
    assert [envelope.rcpt_tos for envelope in mail_server.envelopes] == [
        ["ann@example.org"],
        ["ann@example.org"],
        ["bob@example.org"],
    ]


def test_a_mail_that_is_refused_for_one_goes_to_the_next(mail_server: MailServer) -> None:
    Answering(mail_server, {"ann": "550 5.1.1 unknown"})
    result = send_events(f"{mail_server.url},bob@example.org", [CHEAPER])
    assert (result.ok, result.detail) == (True, "sent; A recipient was refused: 550 5.1.1 unknown")
    assert [envelope.rcpt_tos for envelope in mail_server.envelopes] == [["bob@example.org"]]


def test_a_line_that_is_a_dot_does_not_end_the_mail() -> None:
    server = MisbehavingMail()
    host, _, port = server.address.partition(":")
    deadline = time.monotonic() + 5
    with smtp.Dialogue(host, int(port), "insecure", ssl.create_default_context, deadline) as dialogue:
        assert dialogue.send("w@example.org", ["ann@example.org"], b"Subject: x\r\n\r\n.\r\n..two\r\nend\r\n") == {}
    server.finish()
    server.close()
    assert server.mails == [b"Subject: x\r\n\r\n..\r\n...two\r\nend\r\n.\r\n"]
