"""Catalogues read from the store: the one of now, and those of past moments."""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from watcher.api.answer import BASE
from watcher.api.schedule import in_force
from watcher.api.selection import newest_first
from watcher.api.shapes import completed
from watcher.catalog import price
from watcher.catalog.pricing import PRICING
from watcher.catalog.reading import decode_document
from watcher.export.csv_file import exact_time
from watcher.store.past import Catalogue, Document, Past
from watcher.store.session import Session
from watcher.store.store import Store
from watcher.web.access import RefusedError

T = TypeVar("T")

_RECHECK = 1.0
"""Seconds after which the database is asked again whether something changed, where its file cannot tell."""
_LOOK_AGAIN = 0.005
"""Seconds for which a look at the file counts."""
_MAX_PAST = 2
"""Catalogues of past moments in memory; one takes about 5 MB."""
_MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
_WEEK = timedelta(weeks=1)


def unknown_moment(first: datetime | None) -> RefusedError:
    """Return the refusal of a moment before the first good poll; None: there was none yet."""
    if first is None:
        return RefusedError(503, "The watcher has not read the list yet")
    return RefusedError(404, f"Nothing is known from before {exact_time(first)}")


class Offer:
    """A catalogue, ready to be answered from."""

    def __init__(self, catalogue: Catalogue, prefix: str) -> None:
        self.polled = catalogue.polled
        self.changed = catalogue.changed
        self.raw = {document.model: document.raw for document in catalogue.documents}
        self.models = newest_first(_model(document, prefix) for document in catalogue.documents)
        """In today's schema, newest first as upstream, with the prices that hold outside of all windows."""
        self.has_benchmarks = any(document.benchmarks for document in catalogue.documents)
        self._schedules = sorted(
            {
                minute
                for document in catalogue.documents
                for schedule in _schedules(document.facets).values()
                for minute, _ in price.pieces(schedule)
            }
        )
        digest = blake2b(digest_size=12)
        for document in catalogue.documents:
            digest.update(document.raw)
            digest.update(document.benchmarks or b"-")
        self.digest = digest.hexdigest()

    def period(self, now: datetime) -> datetime:
        """Return since when the prices in force at a moment hold, as far as they depend on the time."""
        week = _MONDAY + (now - _MONDAY) // _WEEK * _WEEK
        minute = (now - week) // timedelta(minutes=1)
        last = max((start for start in self._schedules if start <= minute), default=None)
        if last is None:
            return self.changed
        return max(self.changed, week + timedelta(minutes=last))


class View:
    """What the database held when it was last looked at."""

    def __init__(self, version: tuple[Any, ...], offer: Offer, before: "View | None") -> None:
        self.version = version
        self.offer = offer
        self.since = offer.polled if offer.has_benchmarks else offer.changed
        """Since when the documents are like this. When benchmarks changed is not stored, so it may be too late."""
        if before is not None and before.offer.digest == offer.digest:
            self.since = before.since
        self.polled = offer.polled.timestamp()
        self._state = (-1, "")

    def state(self, now: datetime) -> str:
        """Return what differs when the models or their prices in force do; it is found out once a minute."""
        minute = int(now.timestamp()) // 60
        if minute != self._state[0]:
            self._state = minute, f"{self.offer.digest} {self.offer.period(now)}"
        return self._state[1]


class Latest(Generic[T]):
    """What was read from the database last. It is read again once the database may have changed; any thread may ask.

    Raises StoreError or ConfigError where the database cannot be used.
    """

    def __init__(self, store: Store, read: Callable[[Session, T | None], T]) -> None:
        """`read` gets what it returned last, or None."""
        self._store = store
        self._read = read
        self._lock = threading.Lock()
        self._found: T | None = None
        self._files: tuple[object, ...] = ()
        self._checked = self._looked = 0.0

    def known(self) -> T | None:
        """Return it if the database has not changed since; None if it must be read. Costs next to nothing."""
        now = time.monotonic()
        if now - self._looked < _LOOK_AGAIN:
            return self._found
        if now - self._checked >= _RECHECK or self._files != _state_of_files(self._store):
            return None
        self._looked = now
        return self._found

    def get(self) -> T:
        """Return it as of now."""
        with self._lock:
            found = self.known()
            if found is None:
                files, checked = _state_of_files(self._store), time.monotonic()
                with self._store.reading() as session:
                    found = self._read(session, self._found)
                self._found, self._files, self._checked = found, files, checked
            return found


class Catalogues:
    """The catalogue of now, and those of past moments, with a prefix in their links."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self._lock = threading.Lock()
        self.latest = Latest(store, self._view)
        """What the database holds now. Raises RefusedError if there was no good poll yet."""
        self._past: OrderedDict[tuple[Any, ...], Offer] = OrderedDict()

    def at(self, moment: datetime, version: tuple[Any, ...]) -> Offer:
        """Return the catalogue as the last good poll up to a moment showed it; `version` is that of the view.

        Raises RefusedError, StoreError or ConfigError.
        """
        with self._lock, self._store.reading() as session:
            past = Past(session.connection)
            polled = past.polled(moment)
            if polled is None:
                raise unknown_moment(past.first())
            key = (version, polled)
            if key not in self._past:
                self._past[key] = Offer(past.catalogue(polled), self._prefix)
                if len(self._past) > _MAX_PAST:
                    self._past.popitem(last=False)
            return self._past[key]

    def _view(self, session: Session, before: View | None) -> View:
        past = Past(session.connection)
        version = past.version()
        if before is not None and before.version == version:
            return before
        polled = past.polled()
        if polled is None:
            raise unknown_moment(None)
        return View(version, Offer(past.catalogue(polled), self._prefix), before)


def _state_of_files(store: Store) -> tuple[object, ...]:
    """Return what differs after a commit to a file; nothing for a database server."""
    return () if store.file is None else (_state(str(store.file)), _state(f"{store.file}-wal"))


def reason_of(error: Exception, store: Store) -> str:
    """Return why the store cannot be used, without its path or address: those are for whoever runs the watcher."""
    reason = str(error)
    for name in (store.name, os.path.realpath(store.name)):
        for end in ("-wal", "-shm", "-journal", ""):
            reason = reason.replace(f" {name}{end}", "")
    return reason


def _state(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - on each request
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _model(document: Document, prefix: str) -> dict[str, Any]:
    model = completed(decode_document(document.raw))
    links = model["links"]
    if prefix and isinstance(links, dict) and str(links.get("details")).startswith(f"{BASE}/"):
        model["links"] = {**links, "details": prefix + links["details"]}
    if document.benchmarks:
        model["benchmarks"] = decode_document(document.benchmarks)
    for key, schedule in _schedules(document.facets).items():
        base = _base_price(model["pricing"], key, schedule)
        if base is not None:
            model["pricing"][key] = base
    return model


def _schedules(facets: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the prices that depend on the time, by price key."""
    return {
        path.removeprefix(PRICING): value
        for path, value in (facets or {}).items()
        if path.startswith(PRICING) and "@" not in path and price.is_schedule(value)
    }


def _base_price(pricing: Mapping[str, Any], key: str, schedule: str) -> str | None:
    """Return the price that holds outside of all windows; None if they tile the week, or it is not known.

    The document came with the price that was in force then, which may be that of a window.
    """
    mark = object()
    for minute, value in price.pieces(schedule):
        moment = _MONDAY + timedelta(minutes=minute)
        if in_force({**pricing, key: mark}, moment)[key] is mark and value not in (price.UNKNOWN, price.VARIES):
            return value
    return None
