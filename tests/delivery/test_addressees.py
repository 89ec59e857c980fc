"""Exactly those whom a channel's URL names get its messages, or it is refused."""

import re
from pathlib import Path

import pytest

from testkit.command import Command
from testkit.receivers import MailServer, send_events
from tests.events import NEW
from watcher.delivery.channel import check_url
from watcher.delivery.plugins import open_plugin

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7"
MAIL = "mailto://ann:secret@example.org"
CUT_OFF = "is cut off at an & or a ;, which have to be written as %26 and %3B; put a comma between several values"
ALTERED = "cannot be used as it stands: Apprise drops or changes it"
SERVER_ALONE = "smtp= has to be the name of a server alone; its port stands before the ?"
NO_ADDRESS = "is not a mail address; put a comma between several"
TWO_URLS = "it holds more than one URL: give each a [[channels]] of its own; in a parameter, write :// as %3A%2F%2F"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (f"{MAIL}?to=a@example.org;b@example.org", f"to= {CUT_OFF}"),
        (f"{MAIL}?to=a@example.org&b@example.org", f"to= {CUT_OFF}"),
        (f"{MAIL}?to=a@example.org%3Bb@example.org", f'"a@example.org;b@example.org" {NO_ADDRESS}'),
        (f"{MAIL}?cc=boss_at_example.org", f'"boss_at_example.org" {NO_ADDRESS}'),
        (f"{MAIL}?bcc=boss@", f'"boss@" {NO_ADDRESS}'),
        (f"{MAIL}?reply=boss", f'"boss" {NO_ADDRESS}'),
        (f"{MAIL}?to=me@example.org,jo doe@example.org", f'"jo doe@example.org" {NO_ADDRESS}'),
        (f"{MAIL}/me@example.org/jo doe@example.org", f'"jo doe@example.org" {NO_ADDRESS}'),
        (f"{MAIL}?to=jörg@example.org", f'"jörg@example.org" {NO_ADDRESS}'),
        (f"{MAIL}?to=a@ex..ample.org", f'"a@ex..ample.org" {NO_ADDRESS}'),
        (f"{MAIL}?to=a@☃.example", '"☃.example" is not a domain'),
        (
            f"{MAIL}?from=a@müller.example&name=Jo",
            "beside name=, from= has to be ASCII; write from=Name <address> instead",
        ),
        (f"{MAIL}?to=,", "a list of addresses in it is empty"),
        (
            f"{MAIL}?to=a@example.org&to=b@example.org",
            "to= stands in it more than once; put a comma between several values",
        ),
        (f"{MAIL}?too=a@example.org", "too= is no parameter of this service"),
        (f"{MAIL}?to=", "to= is empty"),
        (f"{MAIL}?to=a@example.org&smtp=mail.example.org:587", SERVER_ALONE),
        (f"{MAIL}?to=a@example.org&smtp=mail example", SERVER_ALONE),
        (
            "json://h.example/hook?token=1",
            "token= is no parameter of this service; -token= would be sent in the address",
        ),
        ("ntfy://h.example/good?priorty=high", "priorty= is no parameter of this service"),
        ("jsons://h.example/hook?verify=maybe", "verify= has to be yes or no"),
        ("json://h.example:99999/hook", "its port is none: they go from 1 to 65535"),
        ("json:///hook/a", "the name of the server is missing after ://"),
        ("json://h/a, json://h/b", TWO_URLS),
        ("json://h/a json://h/b", TWO_URLS),
        ("ntfy://h.example/a?click=https://x.example", TWO_URLS),
        ("ntfy://h.example/good/bad topic!", f'"bad topic!" {ALTERED}'),
        ("ntfy://h.example/good/bad!", f'"bad!" {ALTERED}'),
        ("ntfy://h.example/good?to=two words", f'"two words" {ALTERED}'),
        ("ntfy://h.example/good#cut", f"part 1 of its path {ALTERED}"),
        ("json://h.example/a;b", f"part 1 of its path {ALTERED}"),
        (f"{SLACK}/#general/#bad channel!!", f'"#bad channel!!" {ALTERED}'),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/%$a", f'"%$a" {ALTERED}'),
        ("tgram://123456789:abcdefg_hijklmnop/", "it names no chat; write its id or @name behind the token"),
        ("viber://token/?to=team,boss", f'"team" {ALTERED}'),
        ("join://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/My Device", f'"My Device" {ALTERED}'),
        ("sendgrid://abcd:user@example.com/o'brien@example.org", f'"o\'brien@example.org" {ALTERED}'),
        ("opsgenie://apikey/#team/a", f'"a" {ALTERED}'),
        ("kodi://localhost/forgotten", f"part 1 of its path {ALTERED}"),
        (
            "mailtos://ann:sec/ret@example.org?to=a@example.org",
            "a / in the user name or the password has to be written as %2F",
        ),
        (
            "mailtos://ann:sec#ret@example.org?to=a@example.org",
            "a # in the user name or the password has to be written as %23",
        ),
        (
            "mailtos://ann:sec?ret@example.org?to=a@example.org",
            "a ? in the user name or the password has to be written as %3F",
        ),
        ("json://ann:sec/ret@h.example/", "a / in the user name or the password has to be written as %2F"),
        ("json://ann:sec:ret@h.example/", "a : in the user name or the password has to be written as %3A"),
        ("bark://h.example/device_key/?sound=nosuch", "The specified Bark *** *** was not found"),
    ],
)
def test_what_apprise_would_drop_split_or_add_is_refused_naming_the_part(url: str, problem: str) -> None:
    assert check_url(url) == problem
    assert send_events(url, [NEW]).detail == f"the channel's URL is unusable: {problem}"


@pytest.mark.parametrize(
    "url",
    [
        "ntfy://h.example/one,two",
        "ntfy://h.example/one?to=two, three",
        "ntfy://h.example/one?click=https%3A%2F%2Fx.example%2Fa%3Bb",
        f"{SLACK}/#general/@someone/+C0123456",
        f"slack://bot@{SLACK.removeprefix('slack://')}/?to=general,random",
        "tgram://123456789:abcdefg_hijklmnop/@channel/-1001234567890/?topic=5",
        "rockets://web/token@localhost/@user/#channel/roomid",
        "twilio://AC" + "a" * 32 + ":" + "b" * 32 + "@+49 (30) 1234567/+49-30-7654321",
        "signal://localhost:8080/+11111111111/group.abcdef/",
        "sendpulse://user@example.com/id/secret/?to=Chris<chris@example.com>",
        "hassio://localhost/living_room/tv/?token=long.lived.token",
        "line://a/very/long/token=/target",
        "matrixs://user:token@h.example/#general/!roomid:h.example",
        "mmosts://bot@h.example/3ccdd113474722377935511fc85d3dd4?channel=general",
        "twist://password:user@example.com",
        "gotify://h.example/path/AbCdEf123",
        "xmls://ann:a%3Ab%40c@h.example/a%20b?-from=x",
    ],
)
def test_what_reaches_all_that_it_names_is_taken_however_the_service_spells_it(url: str) -> None:
    assert check_url(url) is None


def test_a_token_is_named_by_its_place_alone() -> None:
    assert "TIiajkdnlazkcOXrIdevi7" not in (check_url(f"{SLACK}#cut/#general") or "TIiajkdnlazkcOXrIdevi7")


def recipients(server: MailServer) -> list[str]:
    return sorted(address for envelope in server.envelopes for address in envelope.rcpt_tos)


def test_mail_reaches_each_address_and_nobody_else_in_the_letters_of_dns(mail_server: MailServer) -> None:
    to = """,o'brien@example.org,"Doe, Jo" <jo@straße.example>,Kim:kim@müller.example,sub+tag@example.org"""
    url = f"{mail_server.url}{to}&cc=Bo <bo@example.org>&bcc=%C3%BCx@example.org".replace("%C3%BCx", "dan")
    assert send_events(url, [NEW]).ok
    assert recipients(mail_server) == [
        *("ann@example.org", "bo@example.org", "dan@example.org", "jo@xn--strae-oqa.example"),
        *("kim@xn--mller-kva.example", "o'brien@example.org", "sub+tag@example.org"),
    ]
    assert [mail_server.mail(at)["To"] for at in (2, 3)] == [
        '"Doe, Jo" <jo@xn--strae-oqa.example>',
        "Kim <kim@xn--mller-kva.example>",
    ]
    assert mail_server.mail(0)["Cc"] == "Bo <bo@example.org>"


def test_the_sender_is_who_the_url_says(mail_server: MailServer) -> None:
    for sender, shown in (
        ("from=Jo <jo@müller.example>", "Jo <jo@xn--mller-kva.example>"),
        ("from=jo@example.org&name=Jörg", "Jörg <jo@example.org>"),
    ):
        assert send_events(mail_server.url.replace("from=watcher@example.org", sender), [NEW]).ok
        assert mail_server.mail()["From"] == shown
    plugin = open_plugin("mailtos://ann%40example.org:secret@smtp.example.net")
    assert (plugin.from_addr[1], plugin.targets) == ("ann@example.org", [("", "ann@example.org")])


def test_hosts_go_in_the_letters_of_dns() -> None:
    assert open_plugin("json://user:pass@müller.example:81/hook").host == "xn--mller-kva.example"
    assert open_plugin("json://m%C3%BCller.example/hook").host == "xn--mller-kva.example"
    assert (
        open_plugin("mailto://ann:secret@example.org?smtp=mail.straße.example").smtp_host
        == "mail.xn--strae-oqa.example"
    )


@pytest.mark.parametrize(
    "url", ["mailto://[::1]:{}?", "mailto://example.org:{}?smtp=[::1]&", "mailto://example.org:{}?smtp=::1&"]
)
def test_a_mail_server_by_ipv6_literal_works(url: str) -> None:
    try:
        server = MailServer("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    address = url.format(server.controller.port)
    result = send_events(f"{address}mode=insecure&from=watcher@example.org&to=ann@example.org", [NEW])
    server.close()
    assert (result.detail, recipients(server)) == ("sent", ["ann@example.org"])


def test_config_check_and_the_daemon_refuse_it_and_a_check_sends_to_nobody(
    tmp_path: Path, mail_server: MailServer
) -> None:
    command = Command(tmp_path)
    command.configure(f'[[channels]]\nname = "team"\nurl = "{mail_server.url},jo doe@example.org"\n')
    for arguments in (("config", "check"), ("run",)):
        ran = command.run(*arguments)
        assert ran.code == 78
        assert re.search(f'channel "team": "jo doe@example.org" {NO_ADDRESS}', ran.err)
    ran = command.run("channels", "test")
    assert (ran.code, "jo doe@example.org" in ran.out, mail_server.envelopes) == (75, True, [])
