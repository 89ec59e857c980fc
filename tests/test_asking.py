"""Asking for the endpoints of my models: over real sockets, spread over the polls, politely; and an account's list."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.samples import HOUR, MINUTE, START, document, rows
from tests.test_cycle import World, many, news
from watcher.catalog.model import KINDS, Bill, Event, Tokens
from watcher.config.mine import MineSettings
from watcher.config.secret import DatabaseURL, SourceURL
from watcher.config.settings import Config, Rules, SourceSettings, StoreSettings
from watcher.cycle import Report, check
from watcher.errors import SourceError
from watcher.simulator import Fault, Scene, Simulator, story_by_name, story_scenes
from watcher.store.store import Store
from watcher.upstream.client import Client
from watcher.upstream.errors import StatusError
from watcher.upstream.key import ApiKey

HAIKU, DEEPSEEK = "anthropic/claude-haiku-4.5", "deepseek/deepseek-v3.2"


def settings(url: str, *models: str, **more: Any) -> Config:
    source = SourceSettings(SourceURL(url), rss=False, endpoints="mine", **more)
    return Config(None, source, StoreSettings(DatabaseURL("unused")), mine=MineSettings(models=models))


class Asking:
    """A watcher of a simulated OpenRouter."""

    def __init__(self, simulator: Simulator, store: Store, client: Client, config: Config) -> None:
        self.simulator, self.store, self.client, self.config = simulator, store, client, config
        self.now = simulator.scene.at

    def check(self, after: timedelta = HOUR) -> Report:
        self.now += after
        return check(self.store, self.client, self.config, now=self.now)

    @property
    def asked(self) -> list[str]:
        """The models that were asked about so far."""
        paths = [request.path for request in self.simulator.requests if request.path.endswith("/endpoints")]
        return [path.removeprefix("/api/v1/models/").removesuffix("/endpoints") for path in paths]

    def errors(self) -> dict[str, str | None]:
        with self.store.reading() as session:
            return {model: one.error for model, one in session.endpoints.asked().items()}


@pytest.fixture
def asking(database: str) -> Iterator[Callable[..., Asking]]:
    with ExitStack() as stack:

        def start(scenes: Iterable[Scene], *models: str, **more: Any) -> Asking:
            simulator = stack.enter_context(Simulator(scenes))
            store = stack.enter_context(Store.open(database))
            config = settings(simulator.url, *models, **more)
            client = stack.enter_context(Client(simulator.url, config.source.query))
            return Asking(simulator, store, client, config)

        yield start


def story() -> Iterator[Scene]:
    return story_scenes(story_by_name("demo"))


def test_over_the_built_in_story_the_providers_of_my_models_are_announced(asking: Callable[..., Asking]) -> None:
    watcher = asking(story(), HAIKU, DEEPSEEK)
    events: list[Event] = []
    while True:
        events += watcher.check().events
        if watcher.simulator.advance() is None:
            break
    told = [(event.kind, event.model, event.provider.tag) for event in events if event.provider]
    assert told == [
        ("provider_repriced", HAIKU, "anthropic"),
        ("provider_gone", DEEPSEEK, "atlas-cloud/fp8"),
    ]
    assert not [event for event in events if event.kind == "repriced" and "top now" in (event.detail or "")]
    assert set(watcher.asked) == {HAIKU, DEEPSEEK}


def test_only_models_of_mine_that_are_listed_are_asked_about(asking: Callable[..., Asking]) -> None:
    watcher = asking(story(), "qwen/qwen3-coder*", "unknown/model")
    for _ in range(3):
        watcher.check()
    assert watcher.asked == ["qwen/qwen3-coder", "qwen/qwen3-coder:free"] * 2, "the first poll knows no models yet"
    watcher.config = replace(watcher.config, source=replace(watcher.config.source, endpoints="off"))
    watcher.check()
    assert len(watcher.asked) == 4


@pytest.mark.parametrize("number", [7, 50, 120])
def test_calls_are_spread_over_the_polls_and_never_more_than_50_in_an_hour(number: int, world: World) -> None:
    calls: list[tuple[str, datetime]] = []

    def endpoints(model: str, link: object = None) -> bytes:
        calls.append((model, world.now))
        return b'{"data": {"endpoints": []}}'

    world.endpoints = endpoints  # type: ignore[attr-defined]
    world.config = replace(settings("http://h/", "many/*"), announce=world.config.announce)
    world.shows(*many(number))
    for turn in range(36):
        before = len(calls)
        world.check((4 + turn % 3) * MINUTE)
        assert len(calls) - before <= -(-min(number, 50) * 6 // 60), "a share for each poll"
    for _, at in calls:
        assert sum(at - HOUR < other <= at for _, other in calls) <= 50
    by_model = {model: [at for other, at in calls if other == model] for model, _ in calls}
    assert len(by_model) == number, "nobody waits for ever"
    assert all(later - at >= HOUR for ats in by_model.values() for at, later in pairwise(ats))


def test_a_rare_check_asks_about_as_many_as_an_hour_allows(world: World) -> None:
    asked: list[str] = []
    world.endpoints = lambda model, link=None: asked.append(model) or b'{"data": {"endpoints": []}}'  # type: ignore[attr-defined]
    world.config = settings("http://h/", "many/*", endpoints_per_hour=20)
    world.shows(*many(30))
    for total in (20, 40, 60):
        world.check(24 * HOUR)
        assert len(asked) == total
    world.check(-30 * HOUR)  # the clock is put back: nothing is asked twice within the hour for that
    assert len(asked) <= 80


@pytest.mark.parametrize(("named", "wait"), [({"retry_after": "7200"}, 120), ({"retry_after": None}, 60)])
def test_a_429_ends_the_asking_for_as_long_as_it_says(asking: Callable[..., Asking], named: Any, wait: int) -> None:
    watcher = asking(story(), HAIKU, DEEPSEEK)
    watcher.check()
    watcher.simulator.set_fault(Fault.named("429", path="*/endpoints", times=1, **named))
    report = watcher.check()
    assert report.poll.outcome == "good" and report.not_before == 120, "the list may be asked for as before"
    assert report.decision.problems[0].startswith(f"the endpoints of {HAIKU} were not read: ")
    assert len(watcher.asked) == 1, "neither again nor about another model"
    watcher.check((wait - 1) * MINUTE)
    assert len(watcher.asked) == 1
    watcher.check(2 * MINUTE)
    assert len(watcher.asked) >= 2
    assert watcher.errors()[DEEPSEEK] is None


@pytest.mark.parametrize(
    ("fault", "goes_on"),
    [("404", True), ("html", True), ("wrong-type", True), ("500", False), ("403", False), ("cut", False)],
)
def test_a_failure_costs_neither_the_poll_nor_what_is_known(
    fault: str, goes_on: bool, asking: Callable[..., Asking]
) -> None:
    watcher = asking(story(), HAIKU, DEEPSEEK)
    watcher.check()
    watcher.check()
    watcher.simulator.set_fault(Fault.named(fault, path=f"*{HAIKU}/endpoints"))
    report = watcher.check()
    assert report.poll.outcome == "good" and not report.bug
    assert watcher.asked[2:] == ([HAIKU, DEEPSEEK] if goes_on else [HAIKU]), "each is asked once: not again at once"
    with watcher.store.reading() as session:
        states = session.endpoints.model_states(f"{HAIKU} ")
    assert len(states) == 3 and all(state.present for state in states.values())
    assert (watcher.errors()[HAIKU] is None) == (fault == "wrong-type"), "the type is not looked at, as for the list"
    assert watcher.check().decision.problems == (), "it is reported once"


def test_when_the_list_fails_nobody_is_asked_about_endpoints(asking: Callable[..., Asking]) -> None:
    watcher = asking(story(), HAIKU)
    watcher.check()
    watcher.simulator.set_fault(Fault.named("404", path="*"))
    assert watcher.check().poll.outcome == "failed"
    assert watcher.asked == []


def scenes(*shown: tuple[list[Any], dict[str, Any]]) -> Iterator[Scene]:
    return (
        Scene(number, "", START + number * HOUR, models, endpoints=endpoints)
        for number, (models, endpoints) in enumerate(shown)
    )


def offered(tag: str, prompt: str) -> dict[str, Any]:
    return {"provider_name": tag.title(), "tag": tag, "pricing": {"prompt": prompt, "completion": "0.000004"}}


def test_a_model_is_asked_about_by_its_link_and_a_variant_by_its_id(asking: Callable[..., Asking]) -> None:
    link = "/api/v1/models/a/one-20260101/endpoints"
    one = document("a/one", canonical_slug="a/one-20260101", links={"details": link})
    free = document("a/one:free", "0", canonical_slug="a/one-20260101", links={"details": link})
    away = document("b/away", links={"details": "http://127.0.0.1:9/steal"})
    watcher = asking(scenes(([one, free, away], {})), "*")
    for _ in range(2):
        watcher.check()
    assert watcher.asked == ["a/one-20260101", "a/one:free"]
    error = watcher.errors()["b/away"]
    assert error is not None and "links.details leads to http://127.0.0.1:9/steal, which is not the same host" in error


def test_a_list_that_did_not_change_hides_no_news_of_endpoints(asking: Callable[..., Asking]) -> None:
    models = [document("a/one")]
    before, cheaper = (
        {"a/one": [offered("x", "0.000001"), offered("y", price)]} for price in ("0.000002", "0.0000015")
    )
    watcher = asking(scenes((models, before), (models, before), (models, cheaper)), "*")
    watcher.check()
    watcher.simulator.advance()
    watcher.check()
    watcher.simulator.advance()
    events = [event for _ in range(5) for event in watcher.check().events]
    assert [(event.kind, str(event.provider)) for event in events] == [("provider_repriced", "Y (y)")]
    with watcher.store.reading() as session:
        assert session.history.events() == events


def test_a_dry_run_asks_and_stores_nothing(asking: Callable[..., Asking]) -> None:
    watcher = asking(story(), HAIKU)
    watcher.check()
    check(watcher.store, watcher.client, watcher.config, now=watcher.now + HOUR, dry_run=True)
    assert watcher.asked == [HAIKU] and watcher.errors() == {}


def test_what_is_measured_is_kept_in_its_latest_form_only(asking: Callable[..., Asking]) -> None:
    models = [document("a/one")]
    shown = [(models, {"a/one": [offered("x", "0.000001") | {"uptime_last_30m": number}]}) for number in range(20)]
    watcher = asking(scenes(*shown), "*")
    for _ in shown:
        watcher.check()
        watcher.simulator.advance()
    assert rows(watcher.store, "SELECT count(*) FROM endpoint_versions") == [(1,)]
    with watcher.store.reading() as session:
        assert session.endpoints.measured("a/one")["x"]["uptime_last_30m"] == 19


# Channels that name their providers


class Priced:
    """A model of mine at a price, with two providers at theirs, and channels."""

    def __init__(self, world: World, **rules: Rules) -> None:
        self.world = world
        self.offered: dict[str, str] | SourceError = {}
        world.endpoints = self.endpoints  # type: ignore[attr-defined]
        source = replace(world.config.source, endpoints="mine", interval=HOUR)
        world.config = replace(world.config, source=source, mine=MineSettings(models=("a/*",)))
        world.channels(**rules)
        self.see("10", x="10", y="20", hours=2)

    def endpoints(self, model: str, link: object = None) -> bytes:
        if isinstance(self.offered, SourceError):
            raise self.offered
        found = [offered(tag, price) for tag, price in self.offered.items()] if model == "a/one" else []
        return json.dumps({"data": {"endpoints": found}}).encode()

    def see(self, listed: str, hours: int = 1, **prices: str) -> None:
        """Poll at these prices; an hour later than before, so that everything is asked for."""
        self.offered = prices
        for _ in range(hours):
            self.world.now += HOUR
            self.world.shows(document("a/one", listed), document("b/two", listed))

    def told(self, channel: str) -> list[tuple[str, str | None, str | None]]:
        """Return who changed to which price, and from which."""
        return [
            (str(event.provider.tag if event.provider else event.model), change.old, change.new)
            for event in self.world.queued(channel)
            for change in event.prices.values()
        ]


def test_a_channel_that_names_its_providers_gets_their_prices_and_no_others(world: World) -> None:
    priced = Priced(world, all=Rules(), pinned=Rules(providers=("y",)), other=Rules(providers=("z",)))
    priced.see("11", x="11", y="20")
    priced.see("11", x="11", y="22")
    assert priced.told("all") == [("a/one", "10", "11"), ("b/two", "10", "11")]
    assert priced.told("pinned") == [("b/two", "10", "11"), ("y", "20", "22")], "of b/two, no endpoint is theirs"
    assert priced.told("other") == priced.told("all"), "nobody offers it there: its own price is better than silence"


def test_the_bill_of_a_channel_is_that_of_the_endpoint_it_names(world: World) -> None:
    priced = Priced(world, pinned=Rules(providers=("y",)), all=Rules(events=("repriced", "provider_repriced")))
    mine = MineSettings(models=("a/*",), tokens={"a/one": Tokens(prompt=3)})
    world.config = replace(world.config, mine=mine)
    priced.see("10", x="10", y="22")
    (pinned,), (other,) = world.queued("pinned"), world.queued("all")
    assert pinned.bill == Bill("60", "66") and not other.bill, "who does not use it pays no more for it"
    priced.world.channels(pinned=Rules(providers=("y",), min_impact=Decimal(10)))
    for price in ("23", "24"):
        priced.see("10", x="10", y=price)
    assert priced.told("pinned") == [("y", "20", "22")]
    priced.see("10", x="10", y="26")
    assert priced.told("pinned")[1:] == [("y", "22", "26")], "the steps add up"


def test_small_steps_of_a_provider_add_up_apart_from_those_of_the_model_and_of_others(world: World) -> None:
    rules = Rules(events=("repriced", "provider_repriced"), min_change=Decimal("0.05"), models=("a/*",))
    priced = Priced(world, coarse=rules)
    for listed, x, y in (("103", "103", "200"), ("103", "106", "204"), ("106", "106", "212"), ("100", "100", "212")):
        priced.see(listed, x=x, y=y)
    told = priced.told("coarse")
    assert ("y", "20", "200") in told and ("y", "200", "212") in told
    assert ("y", "200", "204") not in told and ("y", "204", "212") not in told


def test_when_endpoints_cannot_be_read_for_long_the_models_own_price_is_told_again(world: World) -> None:
    priced = Priced(world, pinned=Rules(providers=("y",), models=("a/*",)))
    priced.see("11", x="11", y="20")
    assert priced.told("pinned") == []
    priced.see("11", x="11", y="20")
    priced.offered = StatusError("answered 503", 503)
    world.now += 49 * HOUR
    world.shows(document("a/one", "12"), document("b/two", "12"))
    assert priced.told("pinned") == [("a/one", "11", "12")]


def test_a_channel_gets_news_of_providers_only_if_it_asks(world: World) -> None:
    asks = Rules(events=("provider_added", "provider_gone", "provider_repriced"))
    priced = Priced(
        world, default=Rules(models=("a/*",)), asks=asks, free=replace(asks, free_only=True), every=Rules(KINDS)
    )
    priced.see("10", x="10", y="21")
    priced.see("10", x="10", z="5", hours=2)
    assert world.queued("default") == [] == world.queued("free")
    kinds = [event.kind for event in world.queued("asks")]
    assert sorted(kinds) == ["provider_added", "provider_gone", "provider_repriced"]
    assert [event.kind for event in world.queued("every")] == kinds


@pytest.fixture
def world(database: str) -> Iterator[World]:
    with Store.open(database) as store:
        yield World(store)


# The list of an account


def account(simulator: Simulator, key: str | None = "sk-or-v1-secret", where: str = "OPENROUTER_API_KEY") -> Client:
    return Client(
        simulator.url, {"output_modalities": "all"}, key=None if key is None else ApiKey(key, where), account=True
    )


def test_the_list_of_an_account_is_read_with_its_key_and_the_public_one_not_at_all(database: str) -> None:
    with Simulator(story()) as simulator, Store.open(database) as store, account(simulator) as client:
        config = Config(
            None, SourceSettings(SourceURL(simulator.url), account=True), StoreSettings(DatabaseURL("unused"))
        )
        report = check(store, client, config, now=START)
        assert report.poll.outcome == "good" and report.poll.models
        assert {request.path for request in simulator.requests} == {"/api/v1/models/user"}, "nor is the public feed"
        assert all(request.headers["authorization"] == "Bearer sk-or-v1-secret" for request in simulator.requests)


def test_another_list_is_a_new_baseline_and_not_news(database: str) -> None:
    shown = [document(f"many/m{number}") for number in range(20)]
    with Simulator(scenes((shown, {}), (shown[:5], {}))) as simulator, Store.open(database) as store:
        public = SourceSettings(SourceURL(simulator.url), rss=False)
        config = Config(None, public, StoreSettings(DatabaseURL("unused")))
        with Client(simulator.url, config.source.query) as client:
            check(store, client, config, now=START)
        simulator.advance()
        config = replace(config, source=replace(public, account=True))
        with account(simulator) as client:
            reports = [check(store, client, config, now=START + number * HOUR) for number in range(1, 8)]
        assert reports[0].decision.baseline and not any(report.events for report in reports)


def test_a_setting_that_hides_many_models_is_suspect_and_then_believed(database: str) -> None:
    shown = [document(f"many/m{number}") for number in range(20)]
    with (
        Simulator(scenes((shown, {}), (shown[:10], {}))) as simulator,
        Store.open(database) as store,
        account(simulator) as client,
    ):
        source = SourceSettings(SourceURL(simulator.url), account=True)
        config = Config(None, source, StoreSettings(DatabaseURL("unused")))
        check(store, client, config, now=START)
        simulator.advance()
        reports = [check(store, client, config, now=START + number * HOUR) for number in range(1, 8)]
    assert [report.poll.outcome for report in reports[:4]] == ["refused", "refused", "good", "good"]
    assert news(reports[0]) == ["catalog_suspect *"]
    assert sorted(
        event.model or "" for report in reports for event in report.events if event.kind == "expired"
    ) == sorted(model["id"] for model in shown[10:])
    assert not any(request.path.endswith("/count") for request in simulator.requests), "it counts the public list"


@pytest.mark.parametrize("where", ["OPENROUTER_API_KEY", "source.api_key_file '/etc/key'"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_named_by_its_place_and_not_shown(status: int, where: str, database: str) -> None:
    with Simulator(story()) as simulator, Store.open(database) as store, account(simulator, where=where) as client:
        simulator.set_fault(Fault.named(str(status)))
        source = SourceSettings(SourceURL(simulator.url), account=True)
        report = check(store, client, Config(None, source, StoreSettings(DatabaseURL("unused"))), now=START)
    reason = report.poll.reason or ""
    assert report.poll.outcome == "failed" and f"{status}" in reason and f"API key in {where}" in reason
    assert "secret" not in reason
