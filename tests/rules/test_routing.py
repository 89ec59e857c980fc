"""Who is told what, and what is remembered of it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tests.events import CHEAPER, EXPIRED, FAILING, FOLDED, NEW, RECOVERED, SUSPECT, event
from watcher.catalog.decision import Queued
from watcher.catalog.model import DEFAULT_KINDS, KINDS, Event, PriceChange
from watcher.config.settings import Channel, Rules
from watcher.rules.routing import route

NOW = datetime(2026, 1, 4, tzinfo=UTC)


def channel(name: str, **rules: Any) -> Channel:
    return Channel(name, rules=Rules(**rules))


def priced(old: str, new: str, model: str = "openai/gpt-4o", **more: Any) -> Event:
    return replace(event("repriced", model), prices={"prompt": PriceChange(old, new, None)}, **more)


class Memory(dict[tuple[str, str], Any]):
    """The prices that channels were told, from one poll to the next."""

    def route(self, channels: list[Channel], events: list[Event]) -> tuple[Queued, ...]:
        queued, changed = route(channels, events, self, NOW)
        self.update(changed)
        return queued


def heard(channels: list[Channel], events: list[Event], memory: Memory | None = None) -> list[tuple[str, str]]:
    found = (memory if memory is not None else Memory()).route(channels, events)
    return [(queued.channel, queued.event.kind) for queued in found]


def test_each_channel_hears_what_it_asks_for_in_the_order_of_the_channels() -> None:
    channels = [channel("a", events=("new",)), channel("b", models=("deepseek/*",)), channel("c", exclude=("*",))]
    assert heard(channels, [EXPIRED, NEW]) == [("a", "new"), ("b", "expired")]


def test_events_about_the_source_go_only_to_the_channels_that_ask() -> None:
    source = [FAILING, RECOVERED, SUSPECT]
    asks = channel("asks", events=("source_failing", "source_recovered", "catalog_suspect"), models=("none/*",))
    assert heard([channel("defaults"), asks], source) == [("asks", made.kind) for made in source]
    assert not {made.kind for made in source} & set(DEFAULT_KINDS)


def test_an_event_about_the_whole_catalogue_is_no_matter_of_models() -> None:
    strict = channel("strict", events=KINDS, models=("none/*",), free_only=True)
    assert heard([strict], [FOLDED]) == [("strict", "changed")]


def test_each_channel_has_a_memory_of_its_own() -> None:
    memory = Memory()
    channels = [channel("two", min_change=Decimal("0.02")), channel("five", min_change=Decimal("0.05"))]
    told = [
        [(queued.channel, queued.event.prices["prompt"].old) for queued in memory.route(channels, [priced(old, new)])]
        for old, new in (("100", "103"), ("103", "106"), ("106", "107"), ("107", "108.5"))
    ]
    assert told == [[("two", "100")], [("two", "103"), ("five", "100")], [], [("two", "106")]]


def test_each_model_is_remembered_by_itself() -> None:
    memory = Memory()
    five = [channel("five", min_change=Decimal("0.05"))]
    assert heard(five, [priced("100", "103", "a/x"), priced("100", "103", "b/y")], memory) == []
    assert heard(five, [priced("103", "106", "a/x"), priced("103", "104", "b/y")], memory) == [("five", "repriced")]


def test_what_a_channel_does_not_want_leaves_its_memory_alone() -> None:
    memory = Memory()
    memory["free", "openai/gpt-4o"] = {"prompt": "100"}
    assert heard([channel("free", free_only=True, min_change=Decimal("0.05"))], [CHEAPER], memory) == []
    assert memory == {("free", "openai/gpt-4o"): {"prompt": "100"}}


def test_the_event_itself_stays_as_it_was_made() -> None:
    memory = Memory()
    memory["five", "openai/gpt-4o"] = {"prompt": "90"}
    made = priced("100", "106")
    (queued,) = memory.route([channel("five", min_change=Decimal("0.05"))], [made])
    assert (made.prices["prompt"].old, queued.event.prices["prompt"].old) == ("100", "90")
    assert (made.id, queued.reworded) == (queued.event.id, True)


def test_no_channels_and_no_events_queue_nothing() -> None:
    assert heard([], [NEW]) == []
    assert heard([channel("a")], []) == []
