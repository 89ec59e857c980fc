"""One cycle: ask the source, judge what it shows, and store observation, announcement and deliveries together.

    fetch → unchanged and nothing due? ─ yes → one row in polls
              │ no
              read → (witness) → [ judge list → judge feed → events → rules → deliveries ]   one transaction

What is in the brackets happens wholly or not at all: after a crash the next cycle finds the same difference again.
Whatever unexpected happens on the way is a failed poll, so that nobody takes silence for health.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from logging import getLogger
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from watcher.catalog import guard, poll
from watcher.catalog.feed import FeedModel, judge_feed, unknown_to
from watcher.catalog.model import Event
from watcher.catalog.policy import Policy
from watcher.catalog.reading import Snapshot, UnreadableError, read
from watcher.catalog.settle import next_due
from watcher.catalog.state import Judgement, ModelStates
from watcher.config.settings import Channel, Config, SourceSettings
from watcher.errors import SourceError, WatcherError
from watcher.rules import heartbeat
from watcher.rules.routing import route
from watcher.rules.timing import due_at
from watcher.store.glance import Glance, maintenance_due
from watcher.store.records import Poll, Queued, Source
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
    """Lines for people about what was not understood."""
    not_before: float | None = None
    """Seconds for which the source would give the same answer again, or asked not to be called."""
    baseline: bool = False
    """Whether this showed how things are, which is no news."""
    alive: tuple[str, ...] = ()
    """Channels that a sign of life was queued for."""
    bug: bool = False
    """Whether it failed for a reason that is nobody's but this program's."""


class _Fetched(Struct, frozen=True):
    """What the source said, or why it could not be heard."""

    pages: tuple[bytes, ...] = ()
    digest: bytes = b""
    error: str | None = None
    feed: bytes | None = None
    feed_digest: bytes = b""
    feed_error: str | None = None
    not_before: float | None = None
    age: int | None = None

    def again(self, now: datetime) -> datetime | None:
        """When it may be asked again, if it said so."""
        return None if self.not_before is None else now + timedelta(seconds=self.not_before)

    def unchanged(self, now: datetime, seconds: float, models: int) -> Poll:
        """The record of a poll that showed nothing new."""
        return Poll(now, "good", _milliseconds(seconds), models, not_before=self.again(now))


class _Read(Struct, frozen=True):
    """What it means."""

    snapshot: Snapshot | None
    feed: tuple[FeedModel, ...] | None
    feed_whole: bool = True
    error: str | None = None
    feed_error: str | None = None


def check(
    store: Store,
    upstream: Upstream,
    config: Config,
    *,
    now: datetime,
    monotonic: Callable[[], float] = time.monotonic,
    dry_run: bool = False,
) -> Report:
    """Run one cycle up to the queued deliveries; sending them is `alerts.outbox.drain`.

    Args:
        store: where everything is remembered.
        upstream: the source.
        config: what to watch, what counts as news, who wants it.
        now: the time of the poll (UTC).
        monotonic: a clock in seconds for the duration.
        dry_run: find out, and store nothing.
    """
    start = monotonic()
    try:
        return _check(store, upstream, config, now, lambda: monotonic() - start, dry_run=dry_run)
    except WatcherError:
        raise
    except Exception as error:
        _log.exception("this is a bug in openrouter-watcher")
        kind = type(error).__name__
        reason = f"the watcher cannot process the list ({kind}); this is a bug in openrouter-watcher"
        with store.writing(discard=dry_run) as session:
            listed = session.state.source("list") or Source("", "", b"")
            standing = session.state.standing()
            verdict = poll.judge_failure(reason, now=now, standing=standing, policy=config.announce)
            session.state.save_source("list", replace(listed, health=verdict.standing.health))
            done = Poll(now, "failed", _milliseconds(monotonic() - start), events=len(verdict.events), reason=reason)
            wanted = _store_news(session, verdict.events, done, config, now)
        return Report(done, verdict.events, wanted, bug=True)


def _check(
    store: Store,
    upstream: Upstream,
    config: Config,
    now: datetime,
    seconds: Callable[[], float],
    *,
    dry_run: bool,
) -> Report:
    fetched = _fetch(upstream, config.source)
    seen = store.glance(now)
    listed = seen.listed if seen is not None and _nothing_else_to_judge(fetched, seen, config, now) else None
    if listed is not None and listed.digest == fetched.digest:
        done = fetched.unchanged(now, seconds(), listed.models)
        if not dry_run:
            store.note(done)
        return Report(done, not_before=fetched.not_before)
    heard = _read(fetched, seen.feed if seen is not None else None, config.source)
    witness = _ask_witness(store, upstream, fetched, heard.snapshot, config, now)
    with store.writing(discard=dry_run) as session:
        if session.state.overtaken(now, now + timedelta(seconds=seconds())):
            done = Poll(now, "overtaken", _milliseconds(seconds()), not_before=fetched.again(now))
            session.state.add_poll(done)
            return Report(done, not_before=fetched.not_before)
        return _judge_and_store(session, fetched, heard, witness, config, now, seconds)


def _fetch(upstream: Upstream, source: SourceSettings) -> _Fetched:
    fetched = _Fetched()
    try:
        listing = upstream.models()
        waits = _at_most(listing.max_age, LONGEST_CACHED)
        fetched = _Fetched(listing.pages, _digest(listing.pages), not_before=waits, age=listing.age)
    except (UnreachableError, TooSlowError) as error:
        return _Fetched(error=str(error))  # the feed is on the same host
    except SourceError as error:
        asked = _at_most(getattr(error, "retry_after", None), LONGEST_ASKED)
        fetched = _Fetched(error=str(error), not_before=asked)
    if not source.rss:
        return fetched
    try:
        feed = upstream.feed(source.rss_chat_links)
        items = feed[max(feed.find(b"<item"), 0) :]  # before them is the time at which the feed was made
        return replace(fetched, feed=feed, feed_digest=_digest([items]))
    except SourceError as error:
        asked = _at_most(getattr(error, "retry_after", None), LONGEST_ASKED)  # it is the same host
        both = [seconds for seconds in (fetched.not_before, asked) if seconds is not None]
        return replace(fetched, feed_error=str(error), not_before=max(both, default=None))


def _nothing_else_to_judge(fetched: _Fetched, seen: Glance, config: Config, now: datetime) -> bool:
    """Whether there is nothing to judge if the list is as it was judged before: no time has come for anything."""
    listed = seen.listed
    if listed is None or fetched.error is not None or fetched.feed_error is not None:
        return False
    same_question = (listed.query, listed.policy) == (_query(config.source), fingerprint(config.announce))
    same_feed = fetched.feed is None or _is_known_feed(fetched, seen.feed, config.source)
    quiet = listed.health.quiet and (listed.next_due is None or now < listed.next_due)
    rests = not maintenance_due(seen.kept, now) and not heartbeat.due(config.channels, seen.alive, now)
    return same_question and same_feed and quiet and rests


def _is_known_feed(fetched: _Fetched, known: Source | None, source: SourceSettings) -> bool:
    return known is not None and (known.query, known.digest) == (_feed_query(source), fetched.feed_digest)


def _read(fetched: _Fetched, known_feed: Source | None, source: SourceSettings) -> _Read:
    error, snapshot = fetched.error, None
    if error is None:
        try:
            snapshot = read(fetched.pages)
        except UnreadableError as unreadable:
            error = str(unreadable)
    feed_error, models, whole = fetched.feed_error, None, True
    if fetched.feed is not None and not _is_known_feed(fetched, known_feed, source):
        from watcher.upstream.feed import read_feed

        try:
            feed = read_feed(fetched.feed)
            models, whole = tuple(FeedModel(item.id, item.name, item.slug) for item in feed.entries), feed.whole
        except SourceError as unreadable:
            feed_error = str(unreadable)
    return _Read(snapshot, models, whole, error, feed_error)


def _is_fresh(session: "Session", fetched: _Fetched, now: datetime) -> bool:
    """Whether the answer is younger than the last poll: one that a cache had by then confirms nothing."""
    last = session.state.last_poll()
    if last is None or fetched.age is None or last.at > now:
        return True
    return now - timedelta(seconds=fetched.age + 1) > last.at  # an age is in whole seconds, rounded down


def _ask_witness(
    store: Store, upstream: Upstream, fetched: _Fetched, snapshot: Snapshot | None, config: Config, now: datetime
) -> int | None:
    """Return the API's own count of models, if that decides whether the list is believed."""
    if snapshot is None or config.source.category or config.source.supported_parameters:
        return None  # the API counts by output modality alone, so it would count more than was asked for
    with store.reading() as session:
        listed = session.state.source("list")
        if listed is None or listed.query != _query(config.source):
            return None
        states, standing, fresh = (
            session.state.model_states(),
            session.state.standing(),
            _is_fresh(session, fetched, now),
        )
        needed = poll.needs_witness(snapshot, states, standing, config.announce, fresh=fresh)
    try:
        return upstream.count() if needed else None
    except SourceError:
        return None


def _judge_and_store(
    session: "Session",
    fetched: _Fetched,
    heard: _Read,
    witness: int | None,
    config: Config,
    now: datetime,
    seconds: Callable[[], float],
) -> Report:
    state, policy = session.state, config.announce
    if maintenance_due(session.maintenance.kept(), now):
        session.maintenance.keep(config.store.keep, now)
    listed, standing, states = state.source("list"), state.standing(), state.model_states()
    query = _query(config.source)
    baseline = listed is None or listed.query != query
    if standing.last_good is None:  # what an import knows was seen last when the import saw it last
        standing = replace(standing, last_good=session.history.watched_until())
    if heard.snapshot is None:
        reason = heard.error or "it said nothing"
        verdict = poll.judge_failure(reason, now=now, standing=standing, policy=policy)
    else:
        verdict = poll.judge_list(
            states,
            heard.snapshot,
            now=now,
            standing=standing,
            policy=policy,
            baseline=baseline,
            witness=witness,
            fresh=_is_fresh(session, fetched, now),
        )
    entries = heard.snapshot.entries if heard.snapshot else {}
    state.save_states(verdict.judgement.states, states, entries, now)
    states = {**states, **verdict.judgement.states}
    fed, feed_error = _judge_feed(session, fetched, heard, states, config, now)
    state.save_states(fed.states, states, {}, now)
    if verdict.outcome == "good" and heard.snapshot is not None:
        due = next_due(states, now, policy)
        after = Source(query, fingerprint(policy), fetched.digest, heard.snapshot.total, due, verdict.standing.health)
    else:
        after = replace(listed or Source("", "", b""), health=verdict.standing.health)
    if after != listed:
        state.save_source("list", after)
    events = verdict.events + fed.events
    done = Poll(
        at=now,
        outcome=verdict.outcome,
        milliseconds=_milliseconds(seconds()),
        models=heard.snapshot.total if heard.snapshot else None,
        events=len(events),
        reason=verdict.reason,
        feed=feed_error,
        not_before=fetched.again(now),
    )
    wanted = _store_news(session, events, done, config, now)
    models = sum(model_state.present for model_state in ({**states, **fed.states}).values())
    told_alive = heartbeat.queue(session, config.channels, models, verdict.reason, now)
    return Report(
        poll=done,
        events=events,
        wanted=wanted,
        problems=verdict.problems,
        not_before=fetched.not_before,
        baseline=baseline and verdict.outcome == "good",
        alive=told_alive,
    )


def _judge_feed(
    session: "Session", fetched: _Fetched, heard: _Read, states: ModelStates, config: Config, now: datetime
) -> tuple[Judgement, str | None]:
    """Return what the feed adds, and why it could not be used if it could not."""
    if heard.feed is None or not states:
        return Judgement({}), heard.feed_error
    query = _feed_query(config.source)
    known = session.state.source("feed")
    baseline = known is None or known.query != query
    if baseline and not (heard.feed and heard.feed_whole):  # what the rest has would be news at the next poll
        return Judgement({}), "the RSS feed is empty or was cut off, and the first one must be whole"
    unknown = unknown_to(states, heard.feed)
    refusal = None if baseline else guard.check_feed(len(unknown), len(states), config.announce)
    if refusal is not None:
        return Judgement({}), refusal.reason
    session.state.save_source("feed", Source(query, "", fetched.feed_digest, len(heard.feed)))
    return judge_feed(unknown, now=now, baseline=baseline), heard.feed_error


def _store_news(
    session: "Session", events: tuple[Event, ...], done: Poll, config: Config, now: datetime
) -> dict[str, list[str]]:
    """Store what a poll came to, and queue its events; return the ids of those queued by channel."""
    session.state.add_events(events)
    session.state.add_poll(done)
    return queue(session, events, config.channels, now)


def queue(
    session: "Session", events: Sequence[Event], channels: Sequence[Channel], now: datetime
) -> dict[str, list[str]]:
    """Queue each event for each channel that wants it, and return the ids of the events by channel."""
    wanted: dict[str, list[str]] = {channel.name: [] for channel in channels}
    due = {
        (channel.name, kind): due_at(channel.timing, kind, now)
        for channel in channels
        for kind in {event.kind for event in events}
    }
    queued = []
    for channel, event, adjusted in route(channels, events, session.outbox):
        queued.append(Queued(channel, adjusted, due[channel, event.kind], reworded=adjusted != event))
        wanted[channel].append(event.id)
    session.outbox.add(queued, now)
    return wanted


def fingerprint(policy: Policy) -> str:
    """Return what tells one policy from another: a changed one must be applied although the list is the same."""
    return blake2b(repr(policy).encode(), digest_size=8).hexdigest()


def _query(source: SourceSettings) -> str:
    return f"{source.url.reveal()}?{'&'.join(f'{key}={value}' for key, value in sorted(source.query.items()))}"


def _feed_query(source: SourceSettings) -> str:
    return _query(source) + "&use_rss=true"


def _digest(bodies: Sequence[bytes]) -> bytes:
    digest = blake2b(digest_size=16)
    for body in bodies:
        digest.update(body)
    return digest.digest()


def _at_most(seconds: float | None, most: timedelta) -> float | None:
    return None if seconds is None else min(seconds, most.total_seconds())


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
