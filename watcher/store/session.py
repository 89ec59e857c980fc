"""What can be done inside one transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from watcher.catalog.decision import Decision, Fetched, Known
from watcher.config.settings import Channel
from watcher.store.endpoints import Endpoints
from watcher.store.history import History
from watcher.store.imported import Imported
from watcher.store.maintenance import ENDPOINTS, PRUNED, Maintenance
from watcher.store.outbox import Outbox
from watcher.store.personal import Personal
from watcher.store.records import Poll
from watcher.store.schema import polls
from watcher.store.state import State


class Session:
    """The parts of the store on one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.state = State(connection)
        self.endpoints = Endpoints(connection)
        self.outbox = Outbox(connection)
        self.history = History(connection)
        self.imported = Imported(connection)
        self.maintenance = Maintenance(connection)
        self.personal = Personal(connection)

    def known(self, now: datetime, until: datetime | None = None) -> Known:
        """Return what is remembered before a poll at `now`, without the models. `until`: the present."""
        last_poll = self.state.last_poll()
        return Known(
            list=self.state.source("list"),
            feed=self.state.source("feed"),
            last_good=self.state.last_good() or self.history.watched_until(),  # an import saw its models then
            last_poll=last_poll.at if last_poll is not None else None,
            overtaken=self.state.overtaken(now, until or now),
            endpoints_not_before=self.maintenance.noted(ENDPOINTS),
            prices=self.outbox.prices(),
            acknowledged=self.personal.acknowledged(),
            usage=self.personal.usage(),
            heartbeats=self.maintenance.heartbeats(),
            heartbeats_waiting=self.outbox.heartbeats_waiting(),
            mine=self.state.found_models(),
            last_pruned=self.maintenance.noted(PRUNED),
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
        """Return a number that changes with every poll or import that is stored."""
        return self.connection.execute(select(func.max(polls.c.id))).scalar() or 0

    def save(self, known: Known, fetched: Fetched, decision: Decision, poll: Poll) -> None:
        """Store a poll: what was remembered before it, the source's answer, and what was decided."""
        entries = fetched.snapshot.entries if fetched.snapshot else {}
        self.state.save_states(decision.states, known.states, entries, poll.at)
        self.endpoints.save(known, fetched, decision, poll.at)
        if fetched.endpoints_not_before is not None:
            self.maintenance.note(ENDPOINTS, fetched.endpoints_not_before)
        if decision.list != known.list:
            self.state.save_source("list", decision.list)
        if decision.feed != known.feed:
            self.state.save_source("feed", decision.feed)
        heartbeats = tuple(queued.event for queued in decision.deliveries if queued.event.kind == "alive")
        self.state.add_events(decision.events + heartbeats)
        self.state.save_found_models(known.mine)
        self.state.add_poll(poll)
        self.outbox.add(decision.deliveries, poll.at)
        for (channel, model), prices in decision.prices.items():
            self.outbox.save_prices(channel, model, prices)
        for channel, heartbeat in decision.heartbeats.items():
            self.maintenance.save_heartbeat(channel, heartbeat)
