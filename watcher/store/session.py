"""What can be done inside one transaction."""

from datetime import datetime

from sqlalchemy import Connection

from watcher.store.glance import Glance
from watcher.store.history import History
from watcher.store.imported import Imported
from watcher.store.maintenance import Maintenance
from watcher.store.outbox import Outbox
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

    def glance(self, now: datetime) -> Glance:
        """Return what an unchanged check needs to know, as `watcher.store.glance` does without SQLAlchemy."""
        return Glance(
            listed=self.state.source("list"),
            feed=self.state.source("feed"),
            waiting=self.outbox.waiting(now),
            alive=self.maintenance.alive(),
            kept=self.maintenance.kept(),
        )
