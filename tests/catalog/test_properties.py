"""What holds for every catalogue and every history."""

import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from tests.catalog.history import DAY, HOUR, Document, World, body, model
from watcher.catalog import price
from watcher.catalog.announce import announce
from watcher.catalog.diff import announced_facets
from watcher.catalog.event import offer
from watcher.catalog.policy import Policy
from watcher.catalog.pricing import is_price, price_of
from watcher.catalog.reading import normalise
from watcher.catalog.settle import Moment, next_due

IDS = ("a/b", "a/b:free", "c/d", "~c/latest", "e/f")
ALWAYS = model("always/there")

many_examples = settings(max_examples=80)


class Shown(Struct, frozen=True):
    """One poll: when, and the documents (None: the source fails)."""

    at: datetime
    documents: tuple[Document, ...] | None

    def onto(self, world: World) -> World:
        if self.documents is None:
            return world.fail(self.at)
        return world.poll(self.at, ALWAYS, *self.documents)


prices = st.sampled_from(["0", "1", "1.004", "1.008", "1.013", "2", "-1", "unreadable"])
headline = prices.filter(lambda value: value != "unreadable")
windows = st.fixed_dictionaries(
    {"utc_start": st.sampled_from([0, 600, 2200]), "utc_end": st.sampled_from([600, 1200, 2200])},
    optional={"prompt": headline, "completion": headline},
)
tiers = st.fixed_dictionaries(
    {"min_prompt_tokens": st.sampled_from([1000, 2000])}, optional={"prompt": headline, "image": headline}
)
documents = st.fixed_dictionaries(
    {
        "prompt": headline,
        "completion": headline,
        "pricing": st.fixed_dictionaries(
            {}, optional={"request": prices, "overrides": st.lists(windows | tiers, max_size=2)}
        ),
    },
    optional={
        "context_length": st.sampled_from([1, 2, None]),
        "supported_parameters": st.lists(st.sampled_from(["x", "y", "z"]), unique=True),
        "description": st.sampled_from(["long", "short"]),
        "canonical_slug": st.sampled_from(["s/1", "s/2", None]),
        "expiration_date": st.sampled_from(["2026-03-04", "2026-03-10", "2026-03-30", None]),
        "unknown": st.dictionaries(st.sampled_from("pq"), st.integers(0, 2)),
    },
)
catalogues = st.dictionaries(st.sampled_from(IDS), documents, max_size=5)
gaps = st.sampled_from([timedelta(minutes=20), HOUR, HOUR, 2 * HOUR, 4 * HOUR, 7 * HOUR, 30 * HOUR])
policies = st.sampled_from(
    [
        Policy(),
        Policy(prices=("*",)),
        Policy(fold_models=2),
        Policy(settle_new=HOUR, settle_returned=2 * HOUR, settle_retargeted=HOUR),
    ]
)


@st.composite
def histories(draw: st.DrawFn) -> list[Shown]:
    """Polls of catalogues that change now and then, model by model, with gaps and failures."""
    at, now, shown = DAY, draw(catalogues), []
    shown.append(Shown(at, _listed(now)))
    for _ in range(draw(st.integers(1, 14))):
        at += draw(gaps)
        match draw(st.sampled_from(["same", "same", "same", "one", "one", "gone", "all", "fails"])):
            case "one":
                now = {**now, draw(st.sampled_from(IDS)): draw(documents)}
            case "gone" if now:
                now = {key: value for key, value in now.items() if key != draw(st.sampled_from(sorted(now)))}
            case "all":
                now = draw(catalogues)
            case "fails":
                shown.append(Shown(at, None))
                continue
        shown.append(Shown(at, _listed(now)))
    return shown


def _listed(catalogue: dict[str, Document]) -> tuple[Document, ...]:
    return tuple(model(model_id, **fields) for model_id, fields in catalogue.items())


def run(history: Sequence[Shown], policy: Policy, start: World | None = None) -> World:
    world = start or World(policy)
    for shown in history:
        world = shown.onto(world)
    return world


@many_examples
@given(histories(), policies)
def test_announcing_twice_without_a_change_announces_nothing(history: list[Shown], policy: Policy) -> None:
    world = World(policy)
    for shown in history:
        world = shown.onto(world)
        if world.last.outcome == "good":
            assert announce(world.states, {}, Moment(world.now, world.now, policy), baseline=False) == ({}, ())


@many_examples
@given(histories(), policies)
def test_after_two_days_of_stillness_what_was_announced_is_what_is_observed(
    history: list[Shown], policy: Policy
) -> None:
    world = run(history, policy)
    world = world.hold(world.now + timedelta(days=2))
    for state in world.states.values():
        assert bool(state.announced) == state.present
        if state.present:
            before = announced_facets(state.model.facets, state.pending)
            for path in state.pending:
                assert is_price(path)
                assert not price.is_material(
                    price_of(before, path), price_of(state.model.facets, path), policy.min_change
                )
    later = world.hold(world.now + timedelta(days=40), every=timedelta(hours=20))
    assert all(event.kind == "expiring" for event in later.events[len(world.events) :])


@many_examples
@given(histories(), policies, st.randoms(use_true_random=False))
def test_the_order_of_models_and_of_keys_never_matters(
    history: list[Shown], policy: Policy, chance: random.Random
) -> None:
    plain = shuffled = World(policy)
    for shown in history:
        plain = shown.onto(plain)
        if shown.documents is None:
            shuffled = shown.onto(shuffled)
        else:
            listed = [_shuffled(document, chance) for document in (ALWAYS, *shown.documents)]
            chance.shuffle(listed)
            shuffled = shuffled.poll(shown.at, *listed)
    assert shuffled.events == plain.events


def _shuffled(value: Any, chance: random.Random) -> Any:
    """The same JSON value with its keys in another order."""
    if not isinstance(value, dict):
        return value
    keys = list(value)
    chance.shuffle(keys)
    return {key: _shuffled(value[key], chance) for key in keys}


@many_examples
@given(histories(), policies, st.sets(st.integers(0, 14)))
def test_resumed_at_any_point_gives_the_same_events(history: list[Shown], policy: Policy, stops: set[int]) -> None:
    world = World(policy)
    for number, shown in enumerate(history):
        world = shown.onto(world.resumed() if number in stops else world)
    once = run(history, policy)
    assert world.events == once.events
    assert world.states == once.states


@many_examples
@given(histories(), policies)
def test_a_poll_of_the_same_bytes_before_anything_is_due_need_not_be_judged(
    history: list[Shown], policy: Policy
) -> None:
    judged, skipping = World(policy), World(policy)
    known: tuple[bytes, datetime | None] | None = None
    for shown in history:
        judged = shown.onto(judged)
        page = b"" if shown.documents is None else body(ALWAYS, *shown.documents)
        quiet = skipping.health == World().health
        if page and known and known[0] == page and quiet and (known[1] is None or shown.at < known[1]):
            skipping = replace(skipping, now=shown.at, known=replace(skipping.known, last_good=shown.at))
            continue
        skipping = shown.onto(skipping)
        if page:
            known = page, next_due(skipping.states, skipping.now, policy)
    assert skipping.events == judged.events


unsettled_fields = st.fixed_dictionaries(
    {"prompt": headline, "completion": headline, "context_length": st.integers(1, 5)},
    optional={"supported_parameters": st.just(["x"]), "unknown": st.integers()},
)


@many_examples
@given(documents, headline, st.lists(st.none() | unsettled_fields, min_size=1, max_size=8))
def test_what_ends_where_it_began_and_never_settled_announces_nothing(
    start: Document, earlier: str, between: list[Document | None]
) -> None:
    """Less than three hours of anything that settles; a model that is missing (None) is never so twice in a row.

    Time windows are left out: where the price of one is also that in force, the price outside of it cannot be told.
    """
    start = _without_overrides(start)
    home = model("a/b", **{**start, "expiration_date": None})
    world = World().poll(DAY, ALWAYS, {**home, "pricing": {**home["pricing"], "prompt": earlier}})
    world = world.poll("01:00", ALWAYS, home).hold("05:00")  # a drift that is not material may be pending
    before, at, missing = world.events, DAY + 6 * HOUR, False
    for fields in between:
        missing = fields is None and not missing
        there = [] if missing else [model("a/b", **{**start, "expiration_date": None, **(fields or {})})]
        world, at = world.poll(at, ALWAYS, *there), at + timedelta(minutes=20)
    assert world.poll(at, ALWAYS, home).hold("2 00:00").events == before


@many_examples
@given(st.lists(headline, min_size=2, max_size=20))
def test_a_price_that_never_holds_still_is_never_news(values: list[str]) -> None:
    moves = [value for number, value in enumerate(values) if number == 0 or _is_move(values[number - 1], value)]
    world = World()
    for number, value in enumerate(moves):
        world = world.poll(DAY + 2 * number * HOUR, model("a/b", prompt=value))
    assert world.events == ()


def _is_move(old: str, new: str) -> bool:
    """Whether the values are far apart: further than all that are near to each other."""
    return round(float(old)) != round(float(new))


@many_examples
@given(histories(), policies)
def test_every_reprice_starts_from_what_was_announced_before(history: list[Shown], policy: Policy) -> None:
    """Somebody who reads every event knows at any time what was announced."""
    history = [
        replace(shown, documents=shown.documents and tuple(map(_without_overrides, shown.documents)))
        for shown in history
    ]
    first = next(shown for shown in history if shown.documents is not None)
    believed = {document["id"]: _prices(document) for document in first.documents or ()}
    for event in run(history, policy).events:
        if event.kind in ("new", "returned") and event.offer is not None:
            believed[event.model or ""] = dict(event.offer.prices)
        for key, change in event.prices.items() if event.kind in ("repriced", "retargeted") else ():
            if key in ("prompt", "completion"):  # others may come, go, or not be readable
                assert believed[event.model or ""].get(key) == change.old
            believed[event.model or ""][key] = change.new or ""


def _without_overrides(document: Document) -> Document:
    return {**document, "pricing": {key: value for key, value in document["pricing"].items() if key != "overrides"}}


def _prices(document: Document) -> dict[str, str]:
    return dict(offer(normalise(json.dumps(document).encode(), DAY).model.facets).prices)
