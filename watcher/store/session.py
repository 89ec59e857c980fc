"""What can be done inside one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain

from sqlalchemy import Connection

from watcher.catalog.decision import Decision, Known
from watcher.catalog.reading import Entry
from watcher.config.settings import Channel
from watcher.store.history import History
from watcher.store.imported import Imported
from watcher.store.maintenance import Maintenance
from watcher.store.outbox import Outbox
from watcher.store.records import Poll
from watcher.store.state import State


class Session:
    """The parts of the store on one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.state = State(connection)
        self.outbox = Outbox(connection)
        self.history = History(connection)
        self.imported = Imported(connection)
        self.maintenance = Maintenance(connection)

    def known(self, now: datetime, until: datetime | None = None) -> Known:
        """Return what is remembered before a poll, without the models.

        Args:
            now: the time of the poll (UTC).
            until: the present, where the poll has taken some time already.
        """
        heartbeats = self.maintenance.heartbeats()
        last_poll = self.state.last_poll()
        return Known(
            list=self.state.source("list"),
            feed=self.state.source("feed"),
            # What an import knows was seen last when the import saw it last.
            last_good=self.state.last_good() or self.history.watched_until(),
            last_poll=last_poll.at if last_poll is not None else None,
            overtaken=self.state.overtaken(now, until or now),
            prices=self.outbox.prices(),
            heartbeats=heartbeats,
            heartbeats_waiting=self.outbox.heartbeats_waiting() if heartbeats else (),
            last_pruned=self.maintenance.last_pruned(),
            waiting=self.outbox.waiting(now),
            version=self.version(),
        )

    def changes_since_heartbeats(self, due: Sequence[Channel], known: Known, now: datetime) -> dict[str, int]:
        """Return how many changes of models were announced since the last heartbeat of each channel."""
        return {
            channel.name: self.history.changes(known.heartbeats[channel.name].since, now)
            for channel in due
            if channel.name in known.heartbeats
        }

    def version(self) -> int:
        """Return what tells this moment of the database from one after another poll or import."""
        return self.state.newest_poll()

    def save(self, known: Known, decision: Decision, entries: Mapping[str, Entry], poll: Poll) -> None:
        """Store a poll and everything that was decided at it.

        Args:
            known: what was remembered before.
            decision: what follows from the poll.
            entries: the documents of the list as they came.
            poll: its record.
        """
        self.state.save_states(decision.states, known.states, entries, poll.at)
        for name, before, after in (
            ("list", known.list, decision.list),
            ("feed", known.feed, decision.feed),
        ):
            if after != before:
                self.state.save_source(name, after)
        heartbeats = [queued.event for queued in decision.deliveries if queued.event.kind == "alive"]
        self.state.add_events(tuple(chain(decision.events, heartbeats)))
        self.state.add_poll(poll)
        self.outbox.add(decision.deliveries, poll.at)
        for (channel, model), prices in decision.prices.items():
            self.outbox.save_prices(channel, model, prices)
        for channel, heartbeat in decision.heartbeats.items():
            self.maintenance.save_heartbeat(channel, heartbeat)
