"""One cycle: ask the source, decide, and store observation, announcement and deliveries together.

    fetch → nothing to do? ─ yes → one row in polls
              │ no
              load → read → (count, endpoints) → decide → save      decide.py is pure; save is one transaction

A crash stores nothing, so the next cycle finds the same difference again. If another process stored a poll in between,
everything after the fetching is done again. Any unexpected error makes a failed poll, so that silence is not taken
for health.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from logging import getLogger
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from watcher.asking import LONGEST_ASKED, ask, due
from watcher.catalog.decision import Decision, Fetched, Known
from watcher.catalog.model import Event
from watcher.catalog.poll import needs_count
from watcher.catalog.reading import UnreadableError, read
from watcher.config.settings import Config
from watcher.decide import decide, is_known_feed, is_unchanged, list_query
from watcher.errors import SourceError, WatcherError, machine_error
from watcher.redaction import redact
from watcher.rules import heartbeat
from watcher.store.records import Poll, maintenance_due
from watcher.store.store import Store
from watcher.upstream.errors import TooSlowError, UnreachableError

if TYPE_CHECKING:
    from watcher.mine.beside import PathScanner
    from watcher.store.session import Session
    from watcher.upstream.client import Client

_log = getLogger("watcher")

LONGEST_CACHED = timedelta(hours=1)
"""The source's cache lifetime is respected up to this: a wrong setting there must not end the watching."""


class Report(Struct, frozen=True):
    """The outcome of one cycle."""

    poll: Poll
    decision: Decision
    previous: Poll | None = None
    """The poll before; None if there was none, or if this one is `idle`."""
    not_before: float | None = None
    """Seconds for which the source would give the same answer again, or asked not to be called."""
    scan_problem: str | None = None
    """Why a scan of `[mine] paths` did not look at everything."""
    idle: bool = False
    """Whether nothing changed and no delivery waits."""
    bug: bool = False
    """Whether it failed because of a mistake in this program."""

    @property
    def events(self) -> tuple[Event, ...]:
        """What is announced."""
        return self.decision.events


class _Answer(Fetched, frozen=True):
    """The answer of the source, with the bodies as they came."""

    pages: tuple[bytes, ...] = ()
    feed_body: bytes | None = None
    not_before: float | None = None
    """As in `Report`."""
    age: int | None = None
    """Seconds since a cache in between got the list."""


def check(
    store: Store,
    upstream: "Client",
    config: Config,
    *,
    now: datetime,
    monotonic: Callable[[], float] = time.monotonic,
    dry_run: bool = False,
    scanner: "PathScanner | None" = None,
) -> Report:
    """Run one cycle at `now` (UTC), up to the queued deliveries; `delivery.outbox.drain` sends them.

    `monotonic` is a clock in seconds, for the duration. A `dry_run` stores nothing. Keep the `scanner` from one cycle
    to the next, so that it knows a scan that hangs.
    """
    scanner = _start_scan(store, config, scanner)
    cycle = _Cycle(store, upstream, config, now, monotonic, monotonic(), dry_run, scanner)
    try:
        return cycle.run(cycle.fetch())
    except WatcherError:
        raise
    except Exception as error:
        if machine := machine_error(error):
            raise machine from error
        kind = type(error).__name__
        reason = f"the watcher cannot process the list ({kind}); this is a bug in openrouter-watcher"
        report = cycle.run(_Answer(error=reason))  # it fails, too, where the cause is that no memory is left
        _log.exception("this is a bug in openrouter-watcher")
        return replace(report, bug=True)


def _start_scan(store: Store, config: Config, scanner: "PathScanner | None") -> "PathScanner | None":
    """Begin to look for ids in `[mine] paths`, if there are any; the source is asked meanwhile."""
    if not config.mine.paths:
        return None
    from watcher.mine.beside import PathScanner

    with store.reading() as session:
        models = session.state.hugging_face_ids()
    scanner = scanner or PathScanner()
    scanner.start(config.mine.paths, models)
    return scanner


class _Cycle(Struct, frozen=True):
    store: Store
    upstream: "Client"
    config: Config
    now: datetime
    monotonic: Callable[[], float]
    start: float
    dry_run: bool
    scanner: "PathScanner | None"

    def fetch(self) -> _Answer:
        """Ask for the list and the feed; read neither."""
        try:
            listing = self.upstream.models()
            answer = _Answer(
                digest=_digest(listing.pages),
                pages=listing.pages,
                not_before=_at_most(listing.max_age, LONGEST_CACHED),
                age=listing.age,
            )
        except (UnreachableError, TooSlowError) as error:
            return _Answer(error=str(error))  # the feed is on the same host
        except SourceError as error:
            answer = _Answer(error=str(error), not_before=_retry_after(error))
        if not self.config.source.rss or self.config.source.account:  # the feed is that of the public list
            return answer
        try:
            feed = self.upstream.feed(self.config.source.rss_chat_links)
        except SourceError as error:
            waits = [wait for wait in (answer.not_before, _retry_after(error)) if wait is not None]
            return replace(answer, feed_error=str(error), not_before=max(waits, default=None))
        items = feed[max(feed.find(b"<item"), 0) :]  # before them is the time at which the feed was made
        return replace(answer, feed_body=feed, feed_digest=_digest([items]))

    def run(self, answer: _Answer) -> Report:
        """Decide about an answer and store what follows."""

        def unchanged(known: Known) -> Poll | None:
            if not self._has_nothing_to_do(known, answer):
                return None
            return self._poll(answer, Decision("good", known.list))

        recorded = None if self.dry_run else self.store.glance(self.now, unchanged)
        if recorded is not None:
            return Report(recorded, Decision("good"), None, answer.not_before, self._scan_problem(), idle=True)
        asked = False
        while True:
            with self.store.reading() as session:
                known, previous = self._load(session, answer), session.state.last_poll()
            if self._watches_endpoints and answer.error is None and not asked:
                endpoints, again = ask(
                    self.upstream, due(known, self.config, self.now), known, self.now, self.monotonic
                )
                answer, asked = replace(answer, endpoints=endpoints, endpoints_not_before=again), True
            fetched = self._with_count(known, self._read(known, answer))
            decision = decide(known, fetched, self.config, self.now)
            poll = self._poll(fetched, decision)
            if self.dry_run or self._save(known, fetched, decision, poll):
                return Report(poll, decision, previous, answer.not_before, self._scan_problem())

    def _has_nothing_to_do(self, known: Known, answer: _Answer) -> bool:
        return (
            answer.error is None
            and answer.feed_error is None
            and self._skips_list(known, answer)
            and self._skips_feed(known, answer)
            and not self._watches_endpoints
            and not maintenance_due(known.last_pruned, self.now)
            and not heartbeat.due(self.config.channels, known.heartbeats, self.now)
            and self._found(known) == known.mine
        )

    @property
    def _watches_endpoints(self) -> bool:
        return self.config.source.endpoints == "mine"

    def _found(self, known: Known) -> frozenset[str]:
        """Return the ids in `[mine] paths`."""
        return frozenset() if self.scanner is None else self.scanner.found(known.mine)

    def _scan_problem(self) -> str | None:
        return None if self.scanner is None else self.scanner.problem()

    def _skips_list(self, known: Known, answer: _Answer) -> bool:
        """Whether there is no list to read, or one that was read before."""
        return answer.error is not None or is_unchanged(known, answer, self.config, self.now)

    def _skips_feed(self, known: Known, answer: _Answer) -> bool:
        return answer.feed_body is None or is_known_feed(known, answer, self.config)

    def _load(self, session: "Session", answer: _Answer) -> Known:
        """Load what is remembered; the models only if something has to be judged."""
        known = session.known(self.now, self.now + timedelta(seconds=self.monotonic() - self.start))
        known = replace(known, mine=self._found(known))
        if self._watches_endpoints:
            endpoints = session.endpoints
            known = replace(known, endpoints=endpoints.model_states(), asked=endpoints.asked())
        if self._watches_endpoints or not (self._skips_list(known, answer) and self._skips_feed(known, answer)):
            known = replace(known, states=session.state.model_states())
        due = heartbeat.due(self.config.channels, known.heartbeats, self.now)
        return replace(known, changes=session.changes_since_heartbeats(due, known, self.now)) if due else known

    def _read(self, known: Known, answer: _Answer) -> _Answer:
        """Read the bodies that were not read before."""
        if not self._skips_list(known, answer):
            try:
                answer = replace(answer, snapshot=read(answer.pages), fresh=self._is_fresh(known, answer))
            except UnreadableError as error:
                answer = replace(answer, error=redact(str(error)))
        if answer.feed_body is None or self._skips_feed(known, answer):
            return answer
        from watcher.upstream.feed import read_feed

        try:
            feed = read_feed(answer.feed_body)
        except SourceError as error:
            return replace(answer, feed_error=str(error))
        return replace(answer, feed=feed.models, feed_whole=feed.whole)

    def _is_fresh(self, known: Known, answer: _Answer) -> bool:
        """Whether the list is younger than the last poll: one that a cache had by then confirms nothing."""
        if known.last_poll is None or answer.age is None or known.last_poll > self.now:
            return True
        return self.now - timedelta(seconds=answer.age + 1) > known.last_poll  # an age is rounded down

    def _with_count(self, known: Known, answer: _Answer) -> _Answer:
        """Ask for the API's own count of models if that decides whether the list is believed."""
        source = self.config.source
        # The API counts by output modality alone, so it would count more than was asked for.
        narrowed = (
            source.account or source.category or source.supported_parameters or known.list.query != list_query(source)
        )
        if narrowed or not needs_count(known, answer, self.config.announce):
            return answer
        try:
            return replace(answer, count=self.upstream.count())
        except SourceError:
            return answer

    def _save(self, known: Known, fetched: Fetched, decision: Decision, poll: Poll) -> bool:
        """Store everything in one transaction; False if another process stored a poll since `known` was loaded."""
        with self.store.writing() as session:
            if session.version() != known.version:
                return False
            if maintenance_due(known.last_pruned, self.now):
                session.maintenance.prune(self.config.store.keep, self.now)
            session.save(known, fetched, decision, poll)
            return True

    def _poll(self, answer: _Answer, decision: Decision) -> Poll:
        known_models = decision.list.models if decision.outcome == "good" else None
        wait = answer.not_before
        return Poll(
            at=self.now,
            outcome=decision.outcome,
            milliseconds=round((self.monotonic() - self.start) * 1000),
            models=answer.snapshot.total if answer.snapshot else known_models,
            events=len(decision.events),
            reason=decision.reason,
            feed=decision.feed_error,
            not_before=None if wait is None else self.now + timedelta(seconds=wait),
        )


def _digest(bodies: Sequence[bytes]) -> bytes:
    return blake2b(b"".join(bodies), digest_size=16).digest()


def _retry_after(error: SourceError) -> float | None:
    return _at_most(getattr(error, "retry_after", None), LONGEST_ASKED)


def _at_most(seconds: float | None, most: timedelta) -> float | None:
    return None if seconds is None else min(seconds, most.total_seconds())
