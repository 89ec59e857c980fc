"""Sending, to real servers on loopback."""

import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from testkit.receivers import MailServer, Sink, send_events
from testkit.shown import title_and_text
from tests.delivery.test_limits import mixed
from tests.events import ALL, CHANGED, CHEAPER, EXPIRED, EXPIRING, FAILING, NEW, RETARGETED
from tests.messages.test_builder import many
from watcher.catalog.model import Event
from watcher.config.settings import Channel, Template
from watcher.delivery.channel import Result, check_url, send
from watcher.messages.builder import Message, compose
from watcher.messages.document import HTML_START, Format, Item, write
from watcher.messages.telegram import find_problem
from watcher.messages.template import compose_for

SECRET = "hUnTeR2-t0k3n"


# --- web hooks ------------------------------------------------------------------------------------------------------


def test_a_web_hook_gets_the_message_and_the_events_in_their_one_shape(sink: Sink) -> None:
    result = send_events(f"json://{sink.address}/hook", [CHEAPER, NEW])
    assert result == Result(True, "sent", (CHEAPER.id, NEW.id))
    payload = sink.json()
    assert payload["title"] == "GPT-4o −17%, Claude Sonnet 4.5 new"
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
    assert result.detail.startswith("the connection broke in the middle, it may have arrived")


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
    assert result.detail.startswith("no answer in time, it may have arrived: ")


def test_words_that_never_come_are_cut_off_in_time(sink: Sink) -> None:
    """A template could be stuck in one step that its own deadline does not see."""
    over = threading.Event()

    def stuck(events: Sequence[Event], format: Format, limit: int) -> list[Message]:
        over.wait(30)
        return []

    result = send(f"json://{sink.address}/hook", stuck, [CHEAPER], timeout=0.3)
    over.set()
    assert (result.ok, result.refused, result.delivered) == (False, (), ())
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
    return "\n".join(filter(None, title_and_text(chat, payload)))


def test_each_chat_gets_its_own_markup(sink: Sink, chats: dict[str, str]) -> None:
    for chat, format in (("slack", Format.SLACK), ("discord", Format.MARKDOWN), ("telegram", Format.TELEGRAM)):
        result = send_events(chats[chat], [CHEAPER, NEW])
        assert result.ok, result.detail
        message = compose([CHEAPER, NEW], format)
        assert message.title in said(chat, sink.json()).splitlines()[0]
        for block in message.blocks:
            assert (block.text if chat == "discord" and not isinstance(block, Item) else write(block, format)) in said(
                chat, sink.json()
            )


def test_slack_shows_the_headline_on_phones_and_hides_nothing_behind_show_more(
    sink: Sink, chats: dict[str, str]
) -> None:
    assert send_events(chats["slack"], [replace(CHEAPER, name="A & <B>"), *mixed(60)]).ok
    for request in sink.requests:
        payload = json.loads(request.body)
        header, *sections = payload["blocks"]
        assert payload["text"] == header["text"]["text"].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        assert "attachments" not in payload
        assert all(section["expand"] and len(section["text"]["text"]) <= 3_000 for section in sections)
        assert len(sections) > 1


def test_slack_takes_a_template_longer_than_a_section_without_losing_a_character(
    sink: Sink, chats: dict[str, str]
) -> None:
    body = "\n\n".join("word " * words for words in (10, 590, 580, 2))
    channel = Channel("slack", template=Template(body_template=body))
    assert send(chats["slack"], partial(compose_for, channel), [CHEAPER]).ok
    _, *sections = sink.json()["blocks"]
    texts = [section["text"]["text"] for section in sections]
    assert all(0 < len(text) <= 3_000 for text in texts)
    assert " ".join(texts).split() == body.split()


def test_slack_gets_no_section_that_ends_in_the_middle_of_a_word() -> None:
    body = ", ".join(["A&amp;B"] * 2_000)
    from watcher.delivery.slack import content

    sections = content(Message("t", body, Format.SLACK, (CHEAPER,)))["blocks"][1:]
    assert " ".join(section["text"]["text"] for section in sections).split() == body.split()


def test_discord_colours_an_embed_by_its_kind_and_mentions_nobody(sink: Sink, chats: dict[str, str]) -> None:
    assert send_events(chats["discord"], [EXPIRED, CHEAPER, FAILING]).ok
    payload = sink.json()
    assert payload["content"] == "**R1 0528 gone, GPT-4o −17%, source failing**"
    assert payload["allowed_mentions"] == {"parse": []}
    assert [(embed["title"], embed["color"]) for embed in payload["embeds"]] == [
        ("Expired", 0xCF222E),
        ("Repriced", 0x2DA44E),
        ("Source failing", 0xCF222E),
    ]
    assert payload["embeds"][-1]["footer"]["text"].endswith("ref 00000b78 00000814 0000075a")
    assert send_events(chats["discord"] + "?ping=@everyone", [CHEAPER]).ok
    assert sink.json()["content"].startswith("**GPT-4o −17%**")
    assert "@everyone" in sink.json()["content"]
    assert "allowed_mentions" not in sink.json()


def test_discord_gets_all_kinds_in_at_most_ten_embeds(sink: Sink, chats: dict[str, str]) -> None:
    assert send_events(chats["discord"], ALL).ok
    for request in sink.requests:
        payload = json.loads(request.body)
        assert 1 <= len(payload["embeds"]) <= 10
        assert all(0 < len(embed["description"]) <= 4_096 for embed in payload["embeds"])
    shown = "\n".join(said("discord", json.loads(request.body)) for request in sink.requests)
    assert all(event.name.rpartition(": ")[2] in shown for event in ALL if event.model and event.model != "z-ai/glm-5")


def test_discord_gets_the_words_of_a_template(sink: Sink, chats: dict[str, str]) -> None:
    channel = Channel("discord", template=Template(body_template="{{ count }} **changes**"))
    assert send(chats["discord"], partial(compose_for, channel), [CHEAPER, NEW]).ok
    assert [embed["description"] for embed in sink.json()["embeds"]] == ["2 **changes**"]


def test_teams_gets_a_card_with_the_colour_of_the_news_and_links(secure_web: Sink) -> None:
    url = f"workflow://{secure_web.address}/workflow/signature?verify=no"
    assert send_events(url, [CHEAPER, RETARGETED]).ok
    title, heading, first, *_ = secure_web.json()["attachments"][0]["content"]["body"]
    assert title["inlines"][0]["text"] == "GPT-4o −17%, Claude Sonnet Latest → claude-sonnet-4.5"
    assert heading["inlines"] == [{"type": "TextRun", "text": "Repriced", "weight": "Bolder", "color": "Good"}]
    assert first["items"][0]["inlines"][0] == {
        "type": "TextRun",
        "text": "OpenAI: GPT-4o",
        "weight": "Bolder",
        "selectAction": {"type": "Action.OpenUrl", "url": "https://openrouter.ai/openai/gpt-4o"},
    }
    assert {"type": "TextRun", "text": "↓ −16.67%", "color": "Good"} in first["items"][1]["inlines"]


def test_teams_gets_plain_text_where_a_card_would_be_too_long(secure_web: Sink) -> None:
    url = f"workflow://{secure_web.address}/workflow/signature?verify=no"
    assert send_events(url, mixed(100), timeout=60).ok
    assert all(len(request.body) <= 28_000 for request in secure_web.requests)
    assert any(b'"RichTextBlock"' not in request.body for request in secure_web.requests)


@pytest.mark.parametrize(
    ("event", "silent", "tags"),
    [(CHEAPER, False, "#repriced"), (CHANGED, True, "#changed"), (EXPIRED, False, "#expired")],
)
def test_telegram_makes_a_sound_for_what_matters_links_its_title_and_has_tags(
    sink: Sink, chats: dict[str, str], event: Event, silent: bool, tags: str
) -> None:
    assert send_events(chats["telegram"], [event]).ok
    payload = sink.json()
    assert payload["disable_notification"] is silent
    assert payload["text"].startswith(f'<a href="{event.url}"><b>')
    assert payload["text"].endswith(f"\n\n{tags}")
    assert find_problem(payload["text"]) is None


@pytest.mark.parametrize(
    ("events", "priority", "tags", "click"),
    [
        ([CHEAPER], None, "moneybag,repriced", CHEAPER.url),
        ([CHANGED], "low", "pencil2,changed", CHANGED.url),
        ([EXPIRED, NEW], "high", "wastebasket,sparkles,expired,new", "https://openrouter.ai/models"),
    ],
)
def test_ntfy_gets_title_priority_tags_and_a_page_to_open(
    sink: Sink, events: list[Event], priority: str | None, tags: str, click: str
) -> None:
    assert send_events(f"ntfy://{sink.address}/topic", events).ok
    headers = sink.requests[-1].headers
    assert (headers.get("X-Priority"), headers["X-Tags"], headers["X-Click"]) == (priority, tags, click)
    assert sink.json()["title"] == compose(events, Format.TEXT).title


def test_what_the_url_of_an_ntfy_topic_sets_itself_wins(sink: Sink) -> None:
    click = "https%3A%2F%2Fexample.org/"
    assert send_events(f"ntfy://{sink.address}/topic?priority=max&tags=mine&click={click}", [CHANGED]).ok
    headers = sink.requests[-1].headers
    assert (headers["X-Priority"], headers["X-Tags"], headers["X-Click"]) == ("max", "mine", "https://example.org/")


def test_an_address_as_the_service_shows_it_is_the_same_channel(sink: Sink, chats: dict[str, str]) -> None:
    assert send_events("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7", [CHEAPER]).ok
    assert sink.json()["text"] == "GPT-4o −17%"


@pytest.mark.parametrize(
    ("chat", "limit"), [("slack", 35_000), ("discord", 6_000), ("telegram", 4_096), ("mattermost", 4_000)]
)
def test_a_long_message_goes_in_numbered_parts_within_the_limit(
    sink: Sink, chats: dict[str, str], chat: str, limit: int
) -> None:  # fmt: skip
    events = many({"slack": 320, "mattermost": 60}.get(chat, 40))
    result = send_events(chats[chat], events, timeout=60)
    assert result.ok, result.detail
    assert result.detail == f"sent in {len(sink.requests)} parts"
    assert len(sink.requests) > 1
    assert sorted(result.delivered) == [event.id for event in events]
    texts = [said(chat, json.loads(request.body)) for request in sink.requests]
    assert all(len(text) <= limit for text in texts)
    assert f"(2/{len(texts)})" in texts[1].splitlines()[0].replace("\\", "")


def test_what_was_accepted_before_a_part_failed_is_known(sink: Sink, chats: dict[str, str]) -> None:
    sink.statuses = [200, 503]
    result = send_events(chats["discord"], many(40))
    assert not result.ok
    assert result.status == 503
    assert 0 < len(result.delivered) < 40
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
    hidden, _, shown = html.get_content().partition("<h1")
    assert shown.partition("</h1>")[0].endswith(f">{message.title}")
    assert shown.partition("</h1>")[2].split() == message.body.removeprefix(HTML_START).split()
    assert "R1 0528: No longer in the catalogue, last price: prompt $0.28/M" in hidden


def test_a_repeated_mail_has_the_same_message_id_and_another_mail_another(mail_server: MailServer) -> None:
    for events in ([CHEAPER, NEW], [NEW, CHEAPER], [CHEAPER]):
        assert send_events(mail_server.url, events).ok
    first, again, other = (mail_server.mail(at)["Message-ID"] for at in range(3))
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.org>", first)
    assert first == again != other


def test_a_mail_belongs_to_a_list_and_to_the_conversation_of_its_model(mail_server: MailServer) -> None:
    batch = replace(CHEAPER, id="b", model=f"{CHEAPER.model}:batch")
    expiring = replace(EXPIRING, model=CHEAPER.model)
    for events in ([CHEAPER], [CHEAPER, batch], [expiring], [NEW], [CHEAPER, NEW], [FAILING]):
        assert send_events(mail_server.url, events).ok
    assert send_events(mail_server.url + "&thread=no", [CHEAPER]).ok
    mails = [mail_server.mail(at) for at in range(7)]
    assert {mail["List-Id"] for mail in mails} == {"OpenRouter Watcher <openrouter-watcher.example.org>"}
    first, *same, other, several, source, off = [mail["In-Reply-To"] for mail in mails]
    assert re.fullmatch(r"<model-[0-9a-f]{32}@example\.org>", first)
    assert [*same, mails[0]["References"]] == [first] * 3
    assert other not in (None, first)
    assert (several, source, off) == (None, None, None)


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
WRITTEN = "a {} in the user name or the password has to be written as {}"


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
        ("mailtos://ann:pa/ss@example.org", WRITTEN.format("/", "%2F")),
        ("mailto://ann:pa#ss@gmail.com?to=bob@example.org", WRITTEN.format("#", "%23")),
        ("json://ann:p?w@localhost", WRITTEN.format("?", "%3F")),
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
