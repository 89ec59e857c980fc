"""Sending, to real servers on loopback."""

import json
import logging
import re
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from testkit.receivers import MailServer, Sink, send_events
from tests.events import ALL, CHEAPER, EXPIRED, NEW
from tests.messages.test_builder import many
from watcher.delivery.channel import Result, check_url, send
from watcher.messages.builder import Message, compose
from watcher.messages.document import Format

SECRET = "hUnTeR2-t0k3n"


# --- web hooks ------------------------------------------------------------------------------------------------------


def test_a_web_hook_gets_the_message_and_the_events_in_their_one_shape(sink: Sink) -> None:
    result = send_events(f"json://{sink.address}/hook", [CHEAPER, NEW])
    assert result == Result(True, "sent", (CHEAPER.id, NEW.id))
    payload = sink.json()
    assert payload["title"] == "GPT-4o −17 %, 1 new"
    assert payload["message"].strip() == compose([CHEAPER, NEW], Format.TEXT).body.strip()
    first = payload["events"][0]
    assert (first["id"], first["kind"], first["at"]) == (CHEAPER.id, "repriced", "2026-01-04T20:13:29Z")
    assert first["prices"]["prompt"] == {"old": "0.000003", "new": "0.0000025", "change": "-16.67%"}


def test_a_field_that_the_url_renames_or_sets_itself_stays_the_users(sink: Sink) -> None:
    assert send_events(f"json://{sink.address}/?:events=mine&:message=text", [CHEAPER]).ok
    assert sink.json()["events"] == "mine"
    assert "GPT-4o" in sink.json()["text"]


@pytest.mark.parametrize("scheme", ["xml", "form", "json", "ntfy", "gotify", "mmost"])
def test_services_on_loopback_get_the_news(sink: Sink, scheme: str) -> None:
    path = {"ntfy": "topic", "gotify": "AbCdEf123", "mmost": "3ccdd113474722377935511fc85d3dd4"}.get(scheme, "hook")
    assert send_events(f"{scheme}://{sink.address}/{path}", [EXPIRED]).ok
    assert b"deepseek-r1-0528" in sink.requests[-1].body


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "HTTP 500: Failed to send JSON POST notification: Internal server error"),
        (404, "HTTP 404: Failed to send JSON POST notification: Page not found"),
        (429, "HTTP 429: Failed to send JSON POST notification"),
        (302, "HTTP 302: Failed to send JSON POST notification"),
        (307, "HTTP 307: Failed to send JSON POST notification"),
    ],
)
def test_anything_but_success_is_a_failure_with_its_status(sink: Sink, status: int, said: str) -> None:
    sink.status = status
    result = send_events(f"json://{sink.address}/hook", [CHEAPER])
    assert (result.ok, result.delivered, result.status) == (False, (), status)
    assert result.detail.startswith(said)
    assert len(sink.requests) == 1  # a redirect is not followed, a failure not repeated


def test_a_redirect_is_not_followed_even_if_the_url_asks_for_it(sink: Sink) -> None:
    sink.statuses = [302]
    assert not send_events(f"json://{sink.address}/hook?redirect=yes", [CHEAPER]).ok
    assert len(sink.requests) == 1


def test_a_server_that_hangs_up_is_a_failure(sink: Sink) -> None:
    sink.status = 0
    result = send_events(f"json://{sink.address}/hook", [CHEAPER])
    assert not result.ok
    assert result.detail.startswith("connection lost")


def test_a_server_that_is_not_there_is_a_failure() -> None:
    result = send_events("json://127.0.0.1:1/hook", [CHEAPER])
    assert not result.ok
    assert result.detail.startswith("connection refused")


def test_a_server_that_never_answers_is_cut_off_in_time(sink: Sink) -> None:
    sink.status = -1
    start = time.monotonic()
    result = send_events(f"json://{sink.address}/hook", [CHEAPER], timeout=0.5)
    assert time.monotonic() - start < 3
    assert not result.ok
    assert "timed out" in result.detail or "no answer within 0.5 s" in result.detail


def test_words_that_never_come_are_cut_off_in_time(sink: Sink) -> None:
    """A template could be stuck in one step that its own deadline does not see."""
    over = threading.Event()

    def stuck(format: Format, limit: int) -> list[Message]:
        over.wait(30)
        return []

    result = send(f"json://{sink.address}/hook", stuck, timeout=0.3)
    over.set()
    assert (result.ok, result.permanent, result.delivered) == (False, False, ())
    assert "no answer within 0.3 s" in result.detail
    assert sink.requests == []


def test_a_hanging_service_does_not_hold_up_the_end_of_the_process(sink: Sink) -> None:
    sink.status = -1
    program = (
        "from tests.events import CHEAPER\nfrom testkit.receivers import send_events\n"
        # Whatever a plugin does with its timeouts:
        "from apprise.plugins.custom_json import NotifyJSON\nimport time\n"
        "NotifyJSON.send = lambda *_, **__: time.sleep(60)\n"
        f"print(send_events('json://{sink.address}/', [CHEAPER], timeout=0.5).detail)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "no answer within 0.5 s; it may still arrive"


def test_channels_can_be_served_at_the_same_time_and_each_says_its_own(sink: Sink) -> None:
    other = Sink()
    other.status = 503
    results: dict[str, Result] = {}
    threads = [
        threading.Thread(target=lambda a=at: results.__setitem__(a, send_events(f"json://{a}/x", [CHEAPER])))
        for at in (sink.address, other.address)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert results[sink.address].ok
    assert results[other.address].status == 503


# --- chats, by the addresses of their plugins -----------------------------------------------------------------------


def said(chat: str, payload: dict[str, Any]) -> str:
    """Return the text that a chat would show."""
    if chat == "slack":
        attachment = payload["attachments"][0]
        return f"{attachment['title']}\n{attachment['text']}"
    return str(payload["content" if chat == "discord" else "text"])


def test_each_chat_gets_its_own_markup_byte_for_byte(sink: Sink, chats: dict[str, str]) -> None:
    for chat, format in (("slack", Format.SLACK), ("discord", Format.MARKDOWN), ("telegram", Format.TELEGRAM)):
        result = send_events(chats[chat], [CHEAPER, NEW])
        assert result.ok, result.detail
        message = compose([CHEAPER, NEW], format)
        title = message.title if chat == "slack" else message.heading
        assert said(chat, sink.json()).startswith(title)
        assert message.body.strip() in said(chat, sink.json())


@pytest.mark.parametrize(
    ("chat", "limit"), [("slack", 35_000), ("discord", 2_000), ("telegram", 4_096), ("mattermost", 4_000)]
)
def test_a_long_message_goes_in_numbered_parts_within_the_limit(
    sink: Sink, chats: dict[str, str], chat: str, limit: int
) -> None:  # fmt: skip
    events = many({"slack": 150, "discord": 8}.get(chat, 12))
    result = send_events(chats[chat], events, timeout=60)
    assert result.ok, result.detail
    assert result.detail == f"sent in {len(sink.requests)} parts"
    assert len(sink.requests) > 1
    assert sorted(result.delivered) == [event.id for event in events]
    texts = [said(chat, json.loads(request.body)) for request in sink.requests]
    assert all(len(text) <= limit for text in texts)
    assert f"(2/{len(texts)})" in texts[1].splitlines()[0]


def test_what_was_accepted_before_a_part_failed_is_known(sink: Sink, chats: dict[str, str]) -> None:
    sink.statuses = [200, 503]
    result = send_events(chats["discord"], many(12))
    assert not result.ok
    assert result.status == 503
    assert 0 < len(result.delivered) < 12
    assert re.search(r"\(1 of \d+ parts were sent\)$", result.detail)


# --- mail -----------------------------------------------------------------------------------------------------------


def test_a_mail_has_a_subject_with_the_news_a_text_and_an_html_part(mail_server: MailServer) -> None:
    assert send_events(mail_server.url, ALL).ok
    mail = mail_server.mail()
    message = compose(ALL, Format.HTML)
    assert mail["Subject"] == message.title
    assert mail["From"] == "OpenRouter Watcher <watcher@example.org>"
    assert mail["To"] == "ann@example.org"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == message.text.splitlines()
    assert html.get_content().splitlines() == message.body.splitlines()


def test_a_repeated_mail_has_the_same_message_id_and_another_mail_another(mail_server: MailServer) -> None:
    for events in ([CHEAPER, NEW], [NEW, CHEAPER], [CHEAPER]):
        assert send_events(mail_server.url, events).ok
    first, again, other = (mail_server.mail(at)["Message-ID"] for at in range(3))
    assert re.fullmatch(r"<[0-9a-f]{32}@openrouter-watcher>", first)
    assert first == again != other


def test_several_people_get_a_mail_each_and_copies_go_out_once(mail_server: MailServer) -> None:
    url = mail_server.url + ",bob@example.org&cc=carol@example.org&bcc=dan@example.org&+X-List=models"
    assert send_events(url, [NEW]).ok
    assert [sorted(envelope.rcpt_tos) for envelope in mail_server.envelopes] == [
        ["ann@example.org", "carol@example.org", "dan@example.org"],
        ["bob@example.org"],
    ]
    assert mail_server.mail(0)["Cc"] == "carol@example.org"
    assert mail_server.mail(0)["X-List"] == "models"
    assert b"dan@" not in mail_server.envelopes[0].content


def test_a_refused_recipient_is_a_failure_that_says_why_and_not_who(mail_server: MailServer) -> None:
    result = send_events(mail_server.url.replace("ann@", "nobody@"), [NEW])
    assert not result.ok
    assert result.detail == "The recipient was refused: 550 5.1.1 ***@*** is not known here"


def test_a_login_or_encryption_that_the_server_does_not_have_is_a_failure(mail_server: MailServer) -> None:
    for url in (
        mail_server.url.replace("mailto://", f"mailto://ann:{SECRET}@"),
        mail_server.url.replace("mode=insecure", "mode=starttls"),
    ):
        result = send_events(url, [NEW])
        assert not result.ok
        assert result.detail == "The mail server does not support the encryption or login that the URL asks for"


def test_a_mail_server_that_is_not_there_is_a_failure() -> None:
    result = send_events("mailto://127.0.0.1:1?mode=insecure&smtp=127.0.0.1&from=a@example.org", [NEW])
    assert not result.ok
    assert result.detail == "connection refused: The mail server could not be reached"


# --- secrets and URLs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 302, 403, 500, 0])
def test_no_secret_is_in_the_result_or_in_any_log(
    sink: Sink, mail_server: MailServer, chats: dict[str, str], caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("apprise", "urllib3", "urllib3.connectionpool", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    sink.status = status
    urls = [
        f"json://user:{SECRET}@{sink.address}/{SECRET}/?-key={SECRET}&+X-Key={SECRET}",
        f"form://user:{SECRET}@{sink.address}/{SECRET}",
        f"ntfy://user:{SECRET}@{sink.address}/topic",
        mail_server.url.replace("mailto://", f"mailto://ann:{SECRET}@"),
        *chats.values(),
        f"slack://{SECRET}/x",
        f"tgram://{SECRET}",
        f"nosuch://{SECRET}",
        SECRET,
    ]
    secrets = [
        SECRET,
        "TIiajkdnlazkcOXrIdevi7",
        "JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "abcdefghijklmnopqrstuvwxyz",
        "3ccdd113",
    ]
    for url in urls:
        told = [send_events(url, [CHEAPER]).detail, check_url(url) or "", caplog.text]
        assert not [secret for secret in secrets if any(secret in text for text in told)]


@pytest.mark.parametrize(
    "url",
    [
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7/#general",
        "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
        "mailto://user:password@example.org",
        "mailtos://user:password@example.org?to=ann@example.org",
        "json://localhost/hook",
        "ntfy://topic",
        "gotify://localhost/AbCdEf123",
    ],
)
def test_a_good_url_has_no_problem(url: str) -> None:
    assert check_url(url) is None


INCOMPLETE = "it is not complete, or a part of it is mistyped; expected"
SLASH = "a /, ? or # in the user name or the password has to be written as %2F, %3F or %23"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "it is not a URL such as mailto://… or slack://…"),
        ("hello", "it is not a URL such as mailto://… or slack://…"),
        ("slakc://x/y/z", "Apprise knows no service slakc://; did you mean slack://?"),
        ("json://", "it is not a complete json:// URL"),
        ("tgram://x", f"{INCOMPLETE} tgram://BotToken/ChatID"),
        ("mailto://a:b@example.org?pgp=encrypt", "mail encrypted or signed with PGP (pgp=, wkd=) is not supported"),
        ("slack://abc/def", f"{INCOMPLETE} slack://TokenA/TokenB/TokenC/#channel"),
        ("discord://x", f"{INCOMPLETE} discord://WebhookID/WebhookToken"),
        ("https://hooks.slack.com/services/T1JJ3T3L2", f"{INCOMPLETE} https://hooks.slack.com/services/T…/B…/…"),
        (
            "https://example.org/hook",
            "no service is known by this https:// address, or it is not complete; see https://appriseit.com/services/, "
            "and for a program of yours that takes JSON write jsons://",
        ),
        ("mailtos://ann:pa/ss@example.org", SLASH),
        ("mailto://ann:pa#ss@gmail.com?to=bob@example.org", SLASH),
        ("json://ann:p?w@localhost", SLASH),
        ("mailtos://ann:p@ss@example.org", "a @ in the user name or the password has to be written as %40"),
        (
            "mailtos://ann@example.org:secret@smtp.example.org?to=ann@example.org",
            "a @ in the user name or the password has to be written as %40",
        ),
    ],
)
def test_a_bad_url_is_explained_without_quoting_it(url: str, problem: str) -> None:
    assert check_url(url) == problem
    assert send_events(url, [NEW]).detail == f"the channel's URL is unusable: {problem}"
