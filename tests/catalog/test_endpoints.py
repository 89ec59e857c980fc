"""The endpoints of providers: what an answer means, what settles, what is announced, and what explains a new price."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from watcher.catalog.decision import Fetched, Known
from watcher.catalog.endpoints import Asked, Endpoints, read_endpoints
from watcher.catalog.model import Event, Provider
from watcher.catalog.policy import Policy
from watcher.catalog.pricing import price_of
from watcher.catalog.reading import UnreadableError, read
from watcher.config.mine import MineSettings
from watcher.config.settings import Config, SourceSettings, StoreSettings
from watcher.decide import after, decide

START = datetime(2026, 6, 15, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)
MODEL = "z-ai/glm-5.2"


def endpoint(tag: str | None, prompt: str = "0.0000014", completion: str = "0.0000044", **more: Any) -> dict[str, Any]:
    name = (tag or "nobody").partition("/")[0].title()
    pricing = {"prompt": prompt, "completion": completion, "discount": 0}
    return {
        **{"provider_name": name, "tag": tag, "context_length": 202752, "pricing": pricing, "status": 0},
        **{"uptime_last_30m": 99.5, **more},
    }


def body(*endpoints: Any) -> bytes:
    return json.dumps({"data": {"id": MODEL, "endpoints": endpoints}}).encode()


class Days:
    """A model and its endpoints, hour by hour."""

    def __init__(self, **policy: Any) -> None:
        source = SourceSettings(rss=False, endpoints="mine")
        mine = MineSettings(models=(MODEL,))
        self.config = Config(None, source, StoreSettings("unused"), Policy(**policy), mine=mine)  # type: ignore[arg-type]
        self.known = Known()
        self.now = START
        self.decide(Fetched(self.catalogue("0.0000014")))

    def catalogue(self, prompt: str, completion: str = "0.0000044") -> Any:
        document = {"id": MODEL, "name": "Z.AI: GLM 5.2", "context_length": 202752}
        document["pricing"] = {"prompt": prompt, "completion": completion}
        return read([json.dumps({"data": [document]}).encode()])

    def decide(self, fetched: Fetched, wait: timedelta = HOUR) -> list[Event]:
        self.now += wait
        decision = decide(self.known, fetched, self.config, self.now)
        self.known = after(self.known, decision, self.now)
        self.problems = decision.problems
        return list(decision.events)

    def see(self, *endpoints: Any, hours: float = 1, listed: str = "0.0000014") -> list[Event]:
        """Show these endpoints, at the price in the list, after so many hours."""
        answers = (read_endpoints(MODEL, body(*endpoints)),)
        return self.decide(Fetched(self.catalogue(listed), endpoints=answers), hours * HOUR)

    def fail(self, error: str = "answered 503", hours: float = 1) -> list[Event]:
        return self.decide(
            Fetched(self.catalogue("0.0000014"), endpoints=(Endpoints(MODEL, error=error),)), hours * HOUR
        )


def told(events: list[Event]) -> list[str]:
    return [f"{event.kind} {event.provider.tag}" if event.provider else event.kind for event in events]


# Reading


def test_endpoints_are_read_with_their_prices_and_what_is_measured_apart() -> None:
    days = Days()
    days.see(endpoint("novita/fp8", latency_last_30m={"p50": 1}), endpoint("anthropic", quantization="bf16"))
    state = days.known.endpoints[f"{MODEL} novita/fp8"]
    assert price_of(state.model.facets, "pricing.prompt") == "0.0000014"
    assert not [path for path in state.model.facets if "_last_" in path or path == "status"]
    answer = read_endpoints(MODEL, body(endpoint("novita/fp8")))
    assert answer.measured == {"novita/fp8": {"status": 0, "uptime_last_30m": 99.5}}


def test_endpoints_of_the_same_tag_are_told_apart_by_price_whatever_their_order() -> None:
    cheap, dear = endpoint("together", "0.00000028"), endpoint("together", "0.00000039")
    for listed in ((cheap, dear), (dear, cheap), (dear | {"uptime_last_30m": 1}, cheap)):
        snapshot = read_endpoints(MODEL, body(*listed)).snapshot
        assert snapshot is not None
        prices = {key: json.loads(entry.raw)["pricing"]["prompt"] for key, entry in snapshot.entries.items()}
        assert prices == {f"{MODEL} together": "0.00000028", f"{MODEL} together#2": "0.00000039"}


@pytest.mark.parametrize(
    ("named", "tag"),
    [
        ({"tag": " Novita/FP8\n"}, "novita/fp8"),
        ({"tag": None, "provider_name": "Amazon Bedrock"}, "amazon-bedrock"),
        ({"tag": "", "provider_name": "Io Net"}, "io-net"),
        ({"tag": 7, "provider_name": "a\x1b[31m\u202eb"}, "a[31mb"),
        ({"tag": "x" * 300}, "x" * 100),
    ],
)
def test_a_tag_is_one_harmless_word(named: dict[str, Any], tag: str) -> None:
    snapshot = read_endpoints(MODEL, body({**endpoint("old"), **named})).snapshot
    assert snapshot is not None and list(snapshot.entries) == [f"{MODEL} {tag}"]


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b'{"data": {"endpoints": {}}}',
        b'{"data": []}',
        b"<html>",
        b'{"data": {"endpoints": [null]}}',
        b'{"data": {"endpoints": [{"tag": " ", "provider_name": null}]}}',
        body(*(endpoint(f"p{number}") for number in range(201))),
        b'{"data": ' + b"[" * 100_000,
    ],
)
def test_an_answer_that_is_not_promised_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_endpoints(MODEL, content)


@pytest.mark.parametrize(
    ("tag", "stated", "provider"),
    [
        ("novita/fp8", None, Provider("Novita", "novita/fp8", "fp8")),
        ("novita/fp8", "unknown", Provider("Novita", "novita/fp8", "fp8")),
        ("deepinfra/turbo", "fp4", Provider("Deepinfra", "deepinfra/turbo", "fp4")),
        ("deepinfra/turbo", None, Provider("Deepinfra", "deepinfra/turbo")),
        ("x", "nf3", Provider("X", "x", "nf3")),
    ],
)
def test_the_quantization_is_stated_or_in_the_tag(tag: str, stated: str | None, provider: Provider) -> None:
    days = Days(settle=timedelta(0))
    days.see(endpoint("first"))
    (event,) = days.see(endpoint("first"), endpoint(tag, quantization=stated))
    assert event.provider == provider


def test_twins_keep_their_places_whatever_is_measured_of_them() -> None:
    days = Days(settle=timedelta(0))
    days.see(endpoint("a", context_length=1, uptime_last_30m=1), endpoint("a", context_length=2, uptime_last_30m=2))
    before = days.known.endpoints
    days.see(endpoint("a", context_length=1, uptime_last_30m=3), endpoint("a", context_length=2, uptime_last_30m=0))
    assert days.known.endpoints == before


@pytest.mark.parametrize("odd", [True, -1, "many", [], {"a": 1}, 1e308, 10**30])
def test_a_value_of_another_kind_is_unknown_and_the_endpoint_is_there(odd: Any) -> None:
    days = Days(settle=timedelta(0))
    days.see(endpoint("first"))
    strange = endpoint("x", max_completion_tokens=odd, quantization=odd, provider_name=odd, context_length=odd)
    (event,) = days.see(endpoint("first"), strange)
    assert event == msgspec.json.decode(msgspec.json.encode(event), type=Event), "the database can hold it"
    assert event.offer is not None and event.offer.context_length == 202752


def test_names_have_an_end() -> None:
    days = Days(settle=timedelta(0))
    days.see(endpoint("first"))
    (event,) = days.see(endpoint("first"), endpoint("t" * 999, provider_name="n" * 999, quantization="q" * 999))
    assert event.provider == Provider("n" * 100, "t" * 100, "q" * 100)


def test_an_endpoint_whose_provider_has_no_name_goes_by_its_tag() -> None:
    days = Days(settle=timedelta(0))
    days.see(endpoint("first"))
    (event,) = days.see(endpoint("first"), endpoint("novita", provider_name=None))
    assert str(event.provider) == "novita (novita)"


# What is announced, and when


def test_the_first_answer_is_no_news_and_what_lasts_three_hours_is() -> None:
    days = Days()
    assert days.see(endpoint("a"), endpoint("b")) == []
    came = [days.see(endpoint("a"), endpoint("b"), endpoint("c", "0.000001")) for _ in range(6)]
    assert [told(events) for events in came] == [[], [], [], ["provider_added c"], [], []]
    (event,) = came[3]
    assert (event.model, event.name, event.url) == (MODEL, "Z.AI: GLM 5.2", f"https://openrouter.ai/{MODEL}")
    assert event.offer is not None and event.offer.prices == {"prompt": "0.000001", "completion": "0.0000044"}
    assert (event.prices, event.fields, event.detail) == ({}, {}, None)


def test_a_provider_that_goes_is_announced_with_how_many_are_left() -> None:
    days = Days()
    days.see(endpoint("a"), endpoint("b"), endpoint("c"))
    gone = [days.see(endpoint("a"), endpoint("b")) for _ in range(5)]
    assert [told(events) for events in gone] == [[], [], [], ["provider_gone c"], []]
    assert gone[3][0].detail == "2 other endpoints are left."
    (left,) = [event for _ in range(4) for event in days.see(endpoint("a"))]
    assert left.detail == "1 other endpoint is left."
    (last,) = [event for _ in range(4) for event in days.see()]
    assert (told([last]), last.detail) == (["provider_gone a"], "Nobody else offers it.")


def test_a_provider_that_is_away_for_two_hours_is_no_news() -> None:
    days = Days()
    days.see(endpoint("a"), endpoint("b"))
    seen = [days.see(endpoint("a"), *(() if number in (1, 2) else [endpoint("b")])) for number in range(8)]
    assert not any(seen)


def test_a_provider_that_comes_and_goes_is_damped_as_a_price_is() -> None:
    days = Days()
    days.see(endpoint("a"), endpoint("b"))
    events = []
    for number in range(60):
        events += days.see(endpoint("a"), *([] if number // 5 % 2 else [endpoint("b")]))
    assert told(events) == ["provider_gone b", "provider_added b"]


def test_a_new_price_of_a_provider_settles_like_that_of_a_model() -> None:
    days = Days()
    days.see(endpoint("a"), endpoint("b"))
    cheaper = endpoint("b", "0.000001")
    seen = [days.see(endpoint("a"), cheaper) for _ in range(5)]
    assert [told(events) for events in seen] == [[], [], [], ["provider_repriced b"], []]
    change = seen[3][0].prices["prompt"]
    assert (change.old, change.new, change.change) == ("0.0000014", "0.000001", "-28.57%")
    again = [event for _ in range(12) for event in days.see(endpoint("a"), endpoint("b", "0.000002"))]
    assert [event.detail for event in again] == ["2nd change in 14 days."]


def test_other_changes_of_an_endpoint_are_recorded_and_not_announced() -> None:
    days = Days()
    days.see(endpoint("a", max_completion_tokens=1000))
    changed = endpoint("a", max_completion_tokens=2000, context_length=1000, status=-5, uptime_last_30m=3)
    assert not [event for _ in range(5) for event in days.see(changed)]
    state = days.known.endpoints[f"{MODEL} a"]
    assert state.model.facets["context_length"] == 1000 and not state.pending


def test_an_event_has_the_offer_of_the_endpoint_and_the_modalities_of_the_model() -> None:
    days = Days(settle=timedelta(0))
    days.see(endpoint("a", max_completion_tokens=1000, supported_parameters=["tools"]))
    (event,) = days.see(
        endpoint("a", "0.000001", max_completion_tokens=1000, supported_parameters=["tools"], context_length=5)
    )
    offer = event.offer
    assert offer is not None
    assert (offer.context_length, offer.max_completion_tokens, offer.supported_parameters) == (5, 1000, ("tools",))


@pytest.mark.parametrize(("old", "new"), [("streamlake", "streamlake/fp8"), ("streamlake/fp8", "streamlake")])
def test_a_tag_that_gains_or_loses_its_quantization_is_the_same_endpoint(old: str, new: str) -> None:
    days = Days()
    days.see(endpoint("a"), endpoint(old))
    events = [event for _ in range(5) for event in days.see(endpoint("a"), endpoint(new, "0.000001"))]
    assert told(events) == [f"provider_repriced {new}"]
    assert not [event for _ in range(5) for event in days.see(endpoint("a"), endpoint(new, "0.000001"))]
    back = [event for _ in range(5) for event in days.see(endpoint("a"), endpoint(old, "0.000001"))]
    assert told(back) in (
        ["provider_added " + old, "provider_gone " + new],
        ["provider_gone " + new, "provider_added " + old],
    )


def test_another_quantization_is_another_endpoint() -> None:
    days = Days()
    days.see(endpoint("a"), endpoint("parasail/fp8"))
    events = [event for _ in range(5) for event in days.see(endpoint("a"), endpoint("parasail/fp4"))]
    assert sorted(told(events)) == ["provider_added parasail/fp4", "provider_gone parasail/fp8"]


# Failures, and pauses


def test_an_answer_that_fails_changes_nothing_and_is_reported_once() -> None:
    days = Days()
    days.see(endpoint("a"), endpoint("b"))
    assert days.fail() == [] and len(days.problems) == 1
    assert days.fail() == [] and days.problems == ()
    assert days.known.asked[MODEL] == Asked(days.now, days.now - 2 * HOUR, "answered 503")
    assert not days.see(endpoint("a"), endpoint("b"))
    assert days.known.asked[MODEL] == Asked(days.now, days.now)


def test_a_first_answer_after_failures_is_still_a_baseline() -> None:
    days = Days()
    days.fail()
    assert not [event for _ in range(5) for event in days.see(endpoint("a"))]


def test_where_answers_are_rare_one_is_enough() -> None:
    days = Days()
    days.see(endpoint("a"), endpoint("b"))
    events = days.see(endpoint("a", "0.000001"), endpoint("c"), hours=30)
    assert told(events) == ["provider_gone b", "provider_repriced a", "provider_added c"]


def test_what_happened_while_nobody_asked_is_no_news() -> None:
    days = Days()
    days.see(endpoint("a"), endpoint("b"), endpoint("c"))
    days.see(endpoint("a"), endpoint("b"))
    for _ in range(10):
        days.decide(Fetched(days.catalogue("0.0000014")), 24 * HOUR)
    assert not days.see(endpoint("a", "0.000001"), endpoint("d"))
    assert not [event for _ in range(5) for event in days.see(endpoint("a", "0.000001"), endpoint("d"))]


def test_what_happened_while_the_watcher_did_not_run_is_news() -> None:
    days = Days()
    days.see(endpoint("a"), endpoint("b"))
    assert told(days.see(endpoint("a", "0.000001"), endpoint("b"), hours=240)) == ["provider_repriced a"]


def test_an_answer_about_a_model_that_nobody_knows_is_left_alone() -> None:
    days = Days()
    answer = read_endpoints("x/unknown", body(endpoint("a")))
    assert not days.decide(Fetched(days.catalogue("0.0000014"), endpoints=(answer,)))
    assert days.known.endpoints == {}


# Why the price of a model moved


def moved_to(days: Days, prompt: str, *endpoints: Any) -> str | None:
    """Return the sentence about a new price of the model, while its endpoints are these."""
    events = [event for _ in range(12) for event in days.see(*endpoints, listed=prompt)]
    (detail,) = [event.detail for event in events if event.kind == "repriced"]
    return detail


def test_a_price_that_moved_because_another_provider_is_at_the_top_says_so() -> None:
    days = Days()
    offered = (endpoint("a"), endpoint("b/fp8", "0.000001"), endpoint("c", "0.000002"))
    days.see(*offered)
    assert moved_to(days, "0.000001", *offered) == (
        "Another provider is at the top now: B (b/fp8). At the old price, A (a) still offers it."
    )
    assert moved_to(days, "0.000002", *offered) == (
        "Another provider is at the top now: C (c). At the old price, B (b/fp8) still offers it. 2nd change in 14 days."
    )


def test_of_many_providers_at_the_old_price_some_are_named() -> None:
    days = Days()
    offered = (*(endpoint(f"p{number}") for number in range(5)), endpoint("b", "0.000001"))
    days.see(*offered)
    assert moved_to(days, "0.000001", *offered) == (
        "Another provider is at the top now: B (b). At the old price, P0 (p0), P1 (p1) and 3 others still offer it."
    )


def test_a_provider_that_changed_its_own_price_is_not_taken_for_another_one() -> None:
    days = Days()
    days.see(endpoint("a"), endpoint("b"))
    assert moved_to(days, "0.000001", endpoint("a", "0.000001"), endpoint("b")) is None


def test_without_recent_answers_nothing_is_said_about_the_top() -> None:
    days = Days()
    days.see(endpoint("a"), endpoint("b", "0.000001"))
    events = [event for _ in range(5) for event in days.decide(Fetched(days.catalogue("0.000001")))]
    assert [event.detail for event in events] == [None]


def test_a_price_that_nobody_offers_is_not_explained() -> None:
    days = Days()
    days.see(endpoint("a"), endpoint("b"))
    assert moved_to(days, "0.000003", endpoint("a"), endpoint("b")) is None
