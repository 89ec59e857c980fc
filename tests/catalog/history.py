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

from watcher.catalog import poll
from watcher.catalog.feed import FeedModel, judge_feed, unknown_to
from watcher.catalog.model import Event
from watcher.catalog.policy import Policy
from watcher.catalog.poll import Standing, Verdict
from watcher.catalog.reading import read
from watcher.catalog.state import Judgement, ModelState

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
    states: dict[str, ModelState] = {}
    standing: Standing = Standing()
    events: tuple[Event, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    shown: tuple[bytes, ...] = ()
    """The pages of the last poll."""
    now: datetime = DAY

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
        now = moment(at) if isinstance(at, str) else at
        verdict = poll.judge_list(
            self.states,
            read(pages),
            now=now,
            standing=self.standing,
            policy=self.policy,
            baseline=self.standing.last_good is None if baseline is None else baseline,
            witness=witness,
        )
        return replace(self._after(now, verdict.judgement, verdict), shown=pages)

    def fail(self, at: str | datetime, reason: str = "it does not answer") -> "World":
        """The source cannot be read."""
        now = moment(at) if isinstance(at, str) else at
        verdict = poll.judge_failure(reason, now=now, standing=self.standing, policy=self.policy)
        return self._after(now, verdict.judgement, verdict)

    def feed(self, at: str, *items: str, baseline: bool = False) -> "World":
        """The RSS feed has these items: an id, or an id, a space and its canonical slug."""
        now = moment(at)
        named = [(model_id, slug or None) for model_id, _, slug in (item.partition(" ") for item in items)]
        feed = [FeedModel(model_id, f"Name of {model_id}", slug) for model_id, slug in named]
        unknown = unknown_to(self.states, feed)
        return self._after(now, judge_feed(unknown, now=now, baseline=baseline), None)

    def hold(self, until: str | datetime, every: timedelta = HOUR) -> "World":
        """The source goes on showing what it showed last."""
        world, end = self, moment(until) if isinstance(until, str) else until
        while world.now + every <= end:
            world = world.read(world.now + every, *self.shown)
        return world

    def resumed(self) -> "World":
        """Everything is written down, forgotten, and read again."""
        states = msgspec.json.decode(msgspec.json.encode(self.states), type=dict[str, ModelState])
        standing = msgspec.json.decode(msgspec.json.encode(self.standing), type=Standing)
        return replace(self, states=states, standing=standing)

    def under(self, policy: Policy) -> "World":
        """The settings change."""
        return replace(self, policy=policy)

    def _after(self, now: datetime, judgement: Judgement, verdict: Verdict | None) -> "World":
        return replace(
            self,
            states={**self.states, **judgement.states},
            standing=verdict.standing if verdict else self.standing,
            events=self.events + (verdict.events if verdict else judgement.events),
            verdicts=(*self.verdicts, verdict) if verdict else self.verdicts,
            now=now,
        )

    @property
    def last(self) -> Verdict:
        """What the last poll came to."""
        return self.verdicts[-1]

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
