"""Histories that read like timelines: documents as the API writes them, polls of them, and the news they make.

    world = World().poll("00:00", model("a/b", prompt="3")).poll("01:00", model("a/b", prompt="2"))
    assert world.hold("05:00").news == ["04:00 repriced a/b prompt 3→2"]

A time is `HH:MM` of the first day, or `N HH:MM` of the Nth day after it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog.decision import Decision, Fetched, Known, SourceState
from watcher.catalog.feed import FeedModel, decide_feed, unknown_to
from watcher.catalog.health import Health
from watcher.catalog.model import Event
from watcher.catalog.policy import Policy
from watcher.catalog.poll import decide_list
from watcher.catalog.reading import read
from watcher.catalog.state import ModelState, ModelStates

DAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)

Document = dict[str, Any]

UNDAMPED = Policy(damping=1)
"""The defaults, but that what changes again and again is told as soon as what does so for the first time."""


def moment(at: str) -> datetime:
    """The time that `HH:MM` or `N HH:MM` stands for."""
    days, _, clock = at.rpartition(" ")
    hours, minutes = clock.split(":")
    return DAY + timedelta(days=int(days or 0), hours=int(hours), minutes=int(minutes))


def clock(when: datetime) -> str:
    """The text that `moment` reads."""
    days = (when - DAY).days
    return (f"{days} " if days else "") + f"{when:%H:%M}"


def model(
    model_id: str, *, prompt: Any = "3", completion: Any = "15", pricing: Document | None = None, **fields: Any
) -> Document:
    """A document of the API; a field of None is `null` in it."""
    return {
        "id": model_id,
        "name": f"Name of {model_id}",
        "context_length": 1000,
        **fields,
        "pricing": {"prompt": prompt, "completion": completion, **(pricing or {})},
    }


def many(count: int, **fields: Any) -> list[Document]:
    """A catalogue of that many models that all have these fields."""
    return [model(f"many/m{number}", **fields) for number in range(count)]


def body(*documents: Any, **page: Any) -> bytes:
    """A response of the list endpoint."""
    return json.dumps({"data": list(documents), **page}).encode()


class World(Struct, frozen=True):
    """All that is known after a history, and everything that was told in it."""

    policy: Policy = UNDAMPED
    known: Known = Known()
    events: tuple[Event, ...] = ()
    decisions: tuple[Decision, ...] = ()
    shown: tuple[bytes, ...] = ()
    """The pages of the last poll."""
    now: datetime = DAY

    @property
    def states(self) -> ModelStates:
        """Every model known."""
        return self.known.states

    @property
    def health(self) -> Health:
        """That of the source."""
        return self.known.list.health

    def poll(
        self,
        at: str | datetime,
        *documents: Any,
        witness: int | None = None,
        baseline: bool | None = None,
        **page: Any,
    ) -> "World":
        """The list shows these documents; the first list of all is the baseline."""
        return self.read(at, body(*documents, **page), witness=witness, baseline=baseline)

    def read(
        self, at: str | datetime, *pages: bytes, witness: int | None = None, baseline: bool | None = None
    ) -> "World":
        """The source answers with these bodies."""
        first = self.known.last_good is None if baseline is None else baseline
        return replace(self._decide(at, Fetched(read(pages), count=witness), baseline=first), shown=pages)

    def fail(self, at: str | datetime, reason: str = "it does not answer") -> "World":
        """The source cannot be read."""
        return self._decide(at, Fetched(error=reason))

    def _decide(self, at: str | datetime, fetched: Fetched, *, baseline: bool = False) -> "World":
        now = moment(at) if isinstance(at, str) else at
        decision = decide_list(self.known, fetched, self.policy, now, baseline=baseline)
        last_good = now if decision.outcome == "good" else self.known.last_good
        states = {**self.states, **decision.states}
        return replace(
            self,
            known=replace(self.known, list=decision.list, last_good=last_good, states=states),
            events=self.events + decision.events,
            decisions=(*self.decisions, decision),
            now=now,
        )

    def feed(self, at: str, *items: str, baseline: bool = False) -> "World":
        """The RSS feed has these items: an id, or an id, a space and its canonical slug."""
        now = moment(at)
        named = [(model_id, slug or None) for model_id, _, slug in (item.partition(" ") for item in items)]
        feed = [FeedModel(model_id, f"Name of {model_id}", slug) for model_id, slug in named]
        states, events = decide_feed(unknown_to(self.states, feed), now=now, baseline=baseline)
        known = replace(self.known, states={**self.states, **states})
        return replace(self, known=known, events=self.events + events, now=now)

    def hold(self, until: str | datetime, every: timedelta = HOUR) -> "World":
        """The source goes on showing what it showed last."""
        world, end = self, moment(until) if isinstance(until, str) else until
        while world.now + every <= end:
            world = world.read(world.now + every, *self.shown)
        return world

    def resumed(self) -> "World":
        """Everything is written down, forgotten, and read again."""
        states = msgspec.json.decode(msgspec.json.encode(self.states), type=dict[str, ModelState])
        state = msgspec.json.decode(msgspec.json.encode(self.known.list), type=SourceState)
        return replace(self, known=replace(self.known, states=states, list=state))

    def under(self, policy: Policy) -> "World":
        """The settings change."""
        return replace(self, policy=policy)

    @property
    def last(self) -> Decision:
        """What the last poll of the list came to."""
        return self.decisions[-1]

    @property
    def news(self) -> list[str]:
        """One line an event: when, kind, model, and what changed."""
        return [" ".join(_line(event)) for event in self.events]


def _line(event: Event) -> Iterator[str]:
    yield clock(event.at)
    yield event.kind
    yield event.model or "*"
    for key, price in event.prices.items():
        yield f"{key} {price.old}→{price.new}"
    for name, change in event.fields.items():
        yield f"{name} {change.old}→{change.new}"
    yield from event.marks
