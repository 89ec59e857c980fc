"""One cycle: ask the source, decide what that means, and store observation, announcement and deliveries together.

    fetch → nothing to do? ─ yes → one row in polls
              │ no
              load → read → (count) → decide → save          decide.py is pure; save is one transaction

What is saved is saved wholly or not at all: after a crash the next cycle finds the same difference again. If another
process saved in between, everything after the fetching is done again. Whatever unexpected happens on the way is a
failed poll, so that nobody takes silence for health.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from logging import getLogger
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog.decision import Decision, Fetched, Known
from watcher.catalog.feed import FeedModel
from watcher.catalog.model import Event
from watcher.catalog.poll import needs_count
from watcher.catalog.reading import UnreadableError, read
from watcher.config.settings import Config, SourceSettings
from watcher.decide import decide, is_known_feed, is_unchanged, list_query
from watcher.errors import SourceError, WatcherError
from watcher.rules import heartbeat
from watcher.store.records import Poll, maintenance_due
from watcher.store.store import Store
from watcher.upstream.errors import TooSlowError, UnreachableError

if TYPE_CHECKING:
    from watcher.store.session import Session

_log = getLogger("watcher")

LONGEST_CACHED = timedelta(hours=1)
"""What the source says about its cache is followed so far: a cache that is set up wrongly must not end the watching."""
LONGEST_ASKED = timedelta(days=1)
"""And so far where it asks to be left alone."""


class Listing(Protocol):
    """The bodies of the pages of a list."""

    @property
    def pages(self) -> tuple[bytes, ...]:
        """In their order."""

    @property
    def max_age(self) -> int | None:
        """Seconds for which it may be cached, if the source says so."""

    @property
    def age(self) -> int | None:
        """Seconds since a cache in between got it, if one says so."""


class Upstream(Protocol):
    """Where the catalogue comes from; every method raises SourceError when it cannot answer."""

    def models(self) -> Listing:
        """Return the list."""

    def feed(self, chat_links: bool = False) -> bytes:
        """Return the RSS feed."""

    def count(self) -> int:
        """Return the API's own count of models."""


class Report(Struct, frozen=True):
    """What one cycle came to."""

    poll: Poll
    events: tuple[Event, ...] = ()
    wanted: Mapping[str, Sequence[str]] = {}
    """Channel → ids of the events queued for it."""
    problems: tuple[str, ...] = ()
    """Sentences for people about what could not be read, each told once."""
    not_before: float | None = None
    """Seconds for which the source would give the same answer again, or asked not to be called."""
    baseline: bool = False
    """Whether this showed how things are, which is no news."""
    heartbeats: tuple[str, ...] = ()
    """Channels that a heartbeat was queued for."""
    idle: bool = False
    """Whether nothing changed and no delivery waits."""
    bug: bool = False
    """Whether it failed because of a mistake in this program."""


class _Bodies(Struct, frozen=True):
    """The answers of the source as they came, and how long they were asked for."""

    pages: tuple[bytes, ...] = ()
    feed: bytes | None = None
    not_before: float | None = None
    """Seconds for which the source would give the same answer again, or asked not to be called."""
    age: int | None = None
    """Seconds since a cache got the list."""


def check(
    store: Store,
    upstream: Upstream,
    config: Config,
    *,
    now: datetime,
    monotonic: Callable[[], float] = time.monotonic,
    dry_run: bool = False,
) -> Report:
    """Run one cycle up to the queued deliveries; sending them is `delivery.outbox.drain`.

    Args:
        store: where everything is remembered.
        upstream: the source.
        config: what to watch, what counts as news, who wants it.
        now: the time of the poll (UTC).
        monotonic: a clock in seconds for the duration.
        dry_run: find out, and store nothing.
    """
    cycle = _Cycle(store, upstream, config, now, monotonic, dry_run)
    try:
        return cycle.run(*_fetch(upstream, config.source))
    except WatcherError:
        raise
    except Exception as error:
        _log.exception("this is a bug in openrouter-watcher")
        kind = type(error).__name__
        reason = f"the watcher cannot process the list ({kind}); this is a bug in openrouter-watcher"
        return replace(cycle.run(_Bodies(), Fetched(error=reason)), bug=True)


def _fetch(upstream: Upstream, source: SourceSettings) -> tuple[_Bodies, Fetched]:
    """Return what the source says, not read yet."""
    bodies, fetched = _Bodies(), Fetched()
    try:
        listing = upstream.models()
        waits = _at_most(listing.max_age, LONGEST_CACHED)
        bodies = _Bodies(listing.pages, not_before=waits, age=listing.age)
        fetched = Fetched(digest=_digest(listing.pages))
    except (UnreachableError, TooSlowError) as error:
        return bodies, Fetched(error=str(error))  # the feed is on the same host
    except SourceError as error:
        bodies = _Bodies(not_before=_at_most(getattr(error, "retry_after", None), LONGEST_ASKED))
        fetched = Fetched(error=str(error))
    if not source.rss:
        return bodies, fetched
    try:
        feed = upstream.feed(source.rss_chat_links)
        items = feed[max(feed.find(b"<item"), 0) :]  # before them is the time at which the feed was made
        return replace(bodies, feed=feed), replace(fetched, feed_digest=_digest([items]))
    except SourceError as error:
        asked = _at_most(getattr(error, "retry_after", None), LONGEST_ASKED)  # it is the same host
        both = [seconds for seconds in (bodies.not_before, asked) if seconds is not None]
        return replace(bodies, not_before=max(both, default=None)), replace(fetched, feed_error=str(error))


class _Cycle:
    """One poll after the source has answered."""

    def __init__(
        self,
        store: Store,
        upstream: Upstream,
        config: Config,
        now: datetime,
        monotonic: Callable[[], float],
        dry_run: bool,
    ) -> None:
        self._store = store
        self._upstream = upstream
        self._config = config
        self._now = now
        self._monotonic = monotonic
        self._start = monotonic()
        self._dry_run = dry_run

    def run(self, bodies: _Bodies, fetched: Fetched) -> Report:
        """Return what the cycle came to."""

        def unchanged(known: Known) -> Poll | None:
            nothing = self._nothing_to_do(known, bodies, fetched)
            return self._poll(bodies, fetched, Decision("good", known.list)) if nothing else None

        recorded = None if self._dry_run else self._store.glance(self._now, unchanged)
        if recorded is not None:
            return replace(self._report(recorded, Decision("good"), bodies), idle=True)
        while True:
            with self._store.reading() as session:
                known = self._load(session, bodies, fetched)
            understood = self._read(known, bodies, fetched)
            decision = decide(known, self._with_count(known, understood), self._config, self._now)
            poll = self._poll(bodies, understood, decision)
            if self._dry_run or self._save(known, understood, decision, poll):
                return self._report(poll, decision, bodies)

    def _nothing_to_do(self, known: Known, bodies: _Bodies, fetched: Fetched) -> bool:
        now, config = self._now, self._config
        same_feed = bodies.feed is None or is_known_feed(known, fetched, config)
        rests = not maintenance_due(known.last_pruned, now) and not heartbeat.due(
            config.channels, known.heartbeats, now
        )
        return rests and same_feed and fetched.feed_error is None and is_unchanged(known, fetched, config, now)

    def _load(self, session: "Session", bodies: _Bodies, fetched: Fetched) -> Known:
        """Return what is remembered; the models only if something has to be judged."""
        until = self._now + timedelta(seconds=self._monotonic() - self._start)
        known = session.known(self._now, until)
        same_list = fetched.error is not None or is_unchanged(known, fetched, self._config, self._now)
        same_feed = bodies.feed is None or is_known_feed(known, fetched, self._config)
        if not (same_list and same_feed):
            known = replace(known, states=session.state.model_states())
        due = heartbeat.due(self._config.channels, known.heartbeats, self._now)
        return replace(known, changes=session.changes_since_heartbeats(due, known, self._now)) if due else known

    def _read(self, known: Known, bodies: _Bodies, fetched: Fetched) -> Fetched:
        """Return what the bodies mean, as far as it is not known already."""
        if fetched.error is None and not is_unchanged(known, fetched, self._config, self._now):
            try:
                fetched = replace(fetched, snapshot=read(bodies.pages), fresh=_is_fresh(bodies, known, self._now))
            except UnreadableError as error:
                fetched = replace(fetched, error=str(error))
        if bodies.feed is None or is_known_feed(known, fetched, self._config):
            return fetched
        from watcher.upstream.feed import read_feed

        try:
            feed = read_feed(bodies.feed)
        except SourceError as error:
            return replace(fetched, feed_error=str(error))
        models = tuple(FeedModel(item.id, item.name, item.slug) for item in feed.entries)
        return replace(fetched, feed=models, feed_whole=feed.whole)

    def _with_count(self, known: Known, fetched: Fetched) -> Fetched:
        """Return the answer with the API's own count of models, if that decides whether the list is believed."""
        source = self._config.source
        if source.category or source.supported_parameters or known.list.query != list_query(source):
            return fetched  # the API counts by output modality alone, so it would count more than was asked for
        if not needs_count(known, fetched, self._config.announce):
            return fetched
        try:
            return replace(fetched, count=self._upstream.count())
        except SourceError:
            return fetched

    def _save(self, known: Known, fetched: Fetched, decision: Decision, poll: Poll) -> bool:
        """Store everything in one transaction; False if another process stored a poll since `known` was loaded."""
        with self._store.writing() as session:
            if session.version() != known.version:
                return False
            if maintenance_due(known.last_pruned, self._now):
                session.maintenance.prune(self._config.store.keep, self._now)
            entries = fetched.snapshot.entries if fetched.snapshot else {}
            session.save(known, decision, entries, poll)
            return True

    def _poll(self, bodies: _Bodies, fetched: Fetched, decision: Decision) -> Poll:
        waits = bodies.not_before
        models = decision.list.models if decision.outcome == "good" else None
        return Poll(
            at=self._now,
            outcome=decision.outcome,
            milliseconds=round((self._monotonic() - self._start) * 1000),
            models=fetched.snapshot.total if fetched.snapshot else models,
            events=len(decision.events),
            reason=decision.reason,
            feed=decision.feed_error,
            not_before=None if waits is None else self._now + timedelta(seconds=waits),
        )

    def _report(self, poll: Poll, decision: Decision, bodies: _Bodies) -> Report:
        wanted: dict[str, list[str]] = {channel.name: [] for channel in self._config.channels}
        for queued in decision.deliveries:
            if queued.event.kind != "alive":
                wanted[queued.channel].append(queued.event.id)
        return Report(
            poll=poll,
            events=decision.events,
            wanted=wanted,
            problems=decision.problems,
            not_before=bodies.not_before,
            baseline=decision.baseline,
            heartbeats=tuple(queued.channel for queued in decision.deliveries if queued.event.kind == "alive"),
        )


def _is_fresh(bodies: _Bodies, known: Known, now: datetime) -> bool:
    """Whether the answer is younger than the last poll: one that a cache had by then confirms nothing."""
    if known.last_poll is None or bodies.age is None or known.last_poll > now:
        return True
    return now - timedelta(seconds=bodies.age + 1) > known.last_poll  # an age is in whole seconds, rounded down


def _digest(bodies: Sequence[bytes]) -> bytes:
    digest = blake2b(digest_size=16)
    for body in bodies:
        digest.update(body)
    return digest.digest()


def _at_most(seconds: float | None, most: timedelta) -> float | None:
    return None if seconds is None else min(seconds, most.total_seconds())
