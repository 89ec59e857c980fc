"""What a service refuses costs as little as can be: the guilty event alone, the target that refuses alone."""

import json
import re
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from testkit.receivers import MailServer, Sink, send_events
from tests.delivery.conftest import divert
from tests.delivery.test_outbox import ALL as RULES
from tests.delivery.test_outbox import World
from tests.events import NEW
from watcher.catalog.model import Event
from watcher.config.secret import Secret
from watcher.config.settings import Channel
from watcher.delivery.statuses import SLOW_PAUSE


def new(count: int, *, name: str = "Model", start: int = 0) -> list[Event]:
    return [replace(NEW, id=f"{n:08x}", model=f"a/m{n:03}", name=f"{name} {n}") for n in range(start, start + count)]


def taken(web: Sink, status: int = 200) -> list[list[str]]:
    """Return the events of the requests that the judge accepted."""
    assert web.judge is not None
    bodies = [request.body for request in web.requests if web.judge(request.body) == status]
    return [[event["id"] for event in json.loads(body)["events"]] for body in bodies]


def flat(groups: Sequence[Sequence[str]]) -> list[str]:
    return [each for group in groups for each in group]


def ids(events: Sequence[Event]) -> list[str]:
    return [event.id for event in events]


# --- too large ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [100_000, 20_000, 5_000])
def test_what_is_too_large_goes_in_halves(web: Sink, limit: int) -> None:
    web.judge = lambda body: 413 if len(body) > limit else 200
    events = new(120)
    result = send_events(f"json://{web.address}/hook", events)
    assert result.ok, result.detail
    assert sorted(flat(taken(web))) == sorted(result.delivered) == ids(events)


def test_only_the_event_that_is_too_large_alone_is_given_up(web: Sink) -> None:
    web.judge = lambda body: 413 if len(body) > 10_000 else 200
    events = [*new(40), replace(NEW, id="large", name="x" * 20_000)]
    result = send_events(f"json://{web.address}/hook", events)
    assert sorted(flat(taken(web))) == sorted(result.delivered) == ids(events[:-1])
    assert (result.ok, result.refused, result.retry_after) == (False, ("large",), None)
    assert result.detail.startswith("HTTP 413")


def test_the_whole_body_of_a_web_hook_is_bounded_whatever_the_letters(web: Sink) -> None:
    web.judge = lambda _: 200
    for name in ("Model", "Модель " * 20, "😀" * 40):  # plain, and with as many escapes as there can be
        web.requests.clear()
        events = new(250, name=name)
        assert send_events(f"json://{web.address}/hook?:mine=1", events, timeout=60).ok
        assert max(len(request.body) for request in web.requests) <= 95_000
        assert flat(taken(web)) == ids(events), "each once, in order"


def test_a_card_for_teams_is_bounded_as_it_is_posted(secure_web: Sink) -> None:
    for name in ("Модель " * 25, "😀" * 60, '"\\' * 80):
        secure_web.requests.clear()
        events = new(40, name=name)
        url = f"workflow://{secure_web.address}/workflow/signature?verify=no"
        result = send_events(url, events, timeout=60)
        assert result.ok, result.detail
        assert sorted(result.delivered) == ids(events)
        assert max(len(request.body) for request in secure_web.requests) <= 28_000


def test_a_mail_that_is_too_large_goes_in_halves(mail_server: MailServer) -> None:
    taken = mail_server.handle_DATA

    async def handle(server: Any, session: Any, envelope: Any) -> str:
        return "552 5.3.4 too large" if len(envelope.content) > 40_000 else await taken(server, session, envelope)

    mail_server.handle_DATA = handle  # type: ignore[method-assign]
    result = send_events(mail_server.url, new(40))
    assert (result.ok, sorted(result.delivered)) == (True, ids(new(40)))
    assert 1 < len(mail_server.envelopes) < 20
    mail_server.handle_DATA = taken  # type: ignore[method-assign]


def test_no_message_is_begun_that_could_not_end_in_time(web: Sink) -> None:
    """A slow service: what there is no time for comes later, not twice."""
    over = threading.Event()

    def slow(body: bytes) -> int:
        over.wait(0.4)
        return 200

    web.judge = slow
    events = new(600)
    result = send_events(f"json://{web.address}/hook", events, timeout=1.5)
    received = [event["id"] for request in web.requests for event in json.loads(request.body)["events"]]
    assert 0 < len(result.delivered) < 600
    assert tuple(received) == result.delivered
    assert re.fullmatch(r"there was no time for more \(\d of \d parts were sent\)", result.detail)


# --- one guilty event -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 422])
def test_the_guilty_event_is_found_and_the_rest_sent(web: Sink, status: int) -> None:
    web.judge = lambda body: status if b"a/m005" in body or b"a/m077" in body or b"a/m078" in body else 200
    events = new(100)
    result = send_events(f"json://{web.address}/hook", events)
    assert sorted(result.refused) == [f"{n:08x}" for n in (5, 77, 78)]
    assert sorted(flat(taken(web))) == sorted(result.delivered)
    assert sorted([*result.delivered, *result.refused]) == sorted(ids(events))
    assert result.detail.startswith(f"HTTP {status}")


def test_if_nothing_is_taken_it_is_not_about_the_events(web: Sink) -> None:
    web.judge = lambda _: 400
    for count in (1, 3, 200):
        web.requests.clear()
        result = send_events(f"json://{web.address}/hook", new(count))
        assert (result.ok, result.delivered, result.refused) == (False, (), ())
        assert (result.status, result.retry_after) == (400, SLOW_PAUSE)
        assert len(web.requests) <= 16


def test_what_stops_the_search_is_gone_on_with_later(web: Sink) -> None:
    web.statuses = [400, 200, 429]
    web.headers = {"Retry-After": "7"}
    events = new(4)
    result = send_events(f"json://{web.address}/hook", events)
    assert (result.delivered, result.refused) == (tuple(ids(events)[:2]), ())
    assert (result.status, result.retry_after) == (429, 7)


def test_a_guilty_event_that_was_found_is_given_up_though_the_search_stops(web: Sink) -> None:
    answers = iter([400, 200, 400, 400, 503])
    web.judge = lambda _: next(answers)
    events = new(4)
    result = send_events(f"json://{web.address}/hook", events)
    assert (result.delivered, result.refused) == (tuple(ids(events)[:2]), (events[2].id,))
    assert (result.status, result.retry_after) == (503, None)


def test_the_outbox_gives_up_the_guilty_event_alone_with_its_reason(web: Sink, database: str) -> None:
    web.judge = lambda body: 422 if b"a/m002" in body else 200
    world = World(
        database, Channel("a", Secret("json://x"), rules=RULES), Channel("b", Secret("json://y"), rules=RULES)
    )
    url = f"json://{web.address}/hook"
    world.answers["a"] = lambda events: send_events(url, events)
    attempts = world.queue(*new(5)).drain()
    assert {event: state for event, state in world.states().items() if state != "sent"} == {f"{2:08x}": "given up"}
    (lost,) = [attempt for attempt in attempts if attempt.state == "given up"]
    assert lost.detail.startswith("HTTP 422")
    with world.store.reading() as session:
        (alert,) = session.history.events(kinds=["undelivered"])
    assert (alert.detail or "").startswith("1 alert could not be delivered: HTTP 422")
    world.queue(*new(1, start=9)).drain()
    assert world.states()[f"{9:08x}"] == "sent", "the channel is not held"
    world.store.close()


# --- several targets ------------------------------------------------------------------------------------------------


def chat_urls(web: Sink, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    return {
        "telegram": divert(web.address, monkeypatch)["telegram"] + "/999999",
        "ntfy": f"ntfy://{web.address}/12315544/999999",
    }


def targets(web: Sink) -> list[str]:
    found = [json.loads(request.body) for request in web.requests]
    return sorted(str(body.get("chat_id") or body.get("topic")) for body in found)


@pytest.mark.parametrize("service", ["telegram", "ntfy"])
@pytest.mark.parametrize("status", [400, 403, 404, 410, 413])
def test_a_target_that_always_refuses_repeats_nothing_at_the_others(
    web: Sink, monkeypatch: pytest.MonkeyPatch, service: str, status: int
) -> None:
    url = chat_urls(web, monkeypatch)[service]
    web.judge = lambda body: status if b"999999" in body else 200
    result = send_events(url, new(2))
    assert (result.ok, sorted(result.delivered)) == (True, ids(new(2)))
    assert f"HTTP {status}" in result.detail
    assert targets(web) == ["12315544", "999999"]


@pytest.mark.parametrize("service", ["telegram", "ntfy"])
@pytest.mark.parametrize("status", [503, 429, 0])
def test_a_target_that_fails_for_now_alone_gets_it_again(
    web: Sink, monkeypatch: pytest.MonkeyPatch, service: str, status: int
) -> None:
    url = chat_urls(web, monkeypatch)[service]
    web.judge = lambda body: status if b"999999" in body else 200
    for _ in range(3):
        result = send_events(url, new(2))
        assert (result.ok, result.delivered, result.status) == (False, (), None)
    web.judge = None
    assert send_events(url, new(2)).ok
    assert targets(web) == ["12315544", "999999", "999999", "999999", "999999"]
    assert send_events(url, new(2)).ok, "and if they are asked for once more, both get them"
    assert targets(web).count("12315544") == 2
