"""Who is told what, and what is remembered of it."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tests.events import CHEAPER, EXPIRED, FAILING, FOLDED, NEW, RECOVERED, SUSPECT, event
from watcher.catalog.model import DEFAULT_KINDS, KINDS, Event, PriceChange
from watcher.config.settings import Channel, Rules
from watcher.rules.routing import Told, route


def channel(name: str, **rules: Any) -> Channel:
    return Channel(name, rules=Rules(**rules))


def priced(old: str, new: str, model: str = "openai/gpt-4o", **more: Any) -> Event:
    return replace(event("repriced", model), prices={"prompt": PriceChange(old, new, None)}, **more)


def heard(channels: list[Channel], events: list[Event], memory: Told | None = None) -> list[tuple[str, str]]:
    return [(name, event.kind) for name, event, _ in route(channels, events, memory or Told())]


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
    memory = Told()
    channels = [channel("two", min_change=Decimal("0.02")), channel("five", min_change=Decimal("0.05"))]
    told = [
        [(name, adjusted.prices["prompt"].old) for name, _, adjusted in route(channels, [priced(old, new)], memory)]
        for old, new in (("100", "103"), ("103", "106"), ("106", "107"), ("107", "108.5"))
    ]
    assert told == [[("two", "100")], [("two", "103"), ("five", "100")], [], [("two", "106")]]


def test_each_model_is_remembered_by_itself() -> None:
    memory = Told()
    five = [channel("five", min_change=Decimal("0.05"))]
    assert heard(five, [priced("100", "103", "a/x"), priced("100", "103", "b/y")], memory) == []
    assert heard(five, [priced("103", "106", "a/x"), priced("103", "104", "b/y")], memory) == [("five", "repriced")]


def test_what_a_channel_does_not_want_leaves_its_memory_alone() -> None:
    memory = Told()
    memory.save_told("free", "openai/gpt-4o", {"prompt": "100"})
    assert heard([channel("free", free_only=True, min_change=Decimal("0.05"))], [CHEAPER], memory) == []
    assert memory.told("free", "openai/gpt-4o") == {"prompt": "100"}


def test_the_event_itself_stays_as_it_was_made() -> None:
    memory = Told()
    memory.save_told("five", "openai/gpt-4o", {"prompt": "90"})
    ((_, event, adjusted),) = route([channel("five", min_change=Decimal("0.05"))], [priced("100", "106")], memory)
    assert (event.prices["prompt"].old, adjusted.prices["prompt"].old) == ("100", "90")
    assert event.id == adjusted.id


def test_nobody_to_tell_and_nothing_to_tell() -> None:
    assert heard([], [NEW]) == []
    assert heard([channel("a")], []) == []
