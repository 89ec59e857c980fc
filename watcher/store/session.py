"""What can be done inside one transaction."""

from sqlalchemy import Connection

from watcher.store.history import History
from watcher.store.outbox import Outbox
from watcher.store.past import Imported
from watcher.store.state import State
from watcher.store.upkeep import Upkeep


class Session:
    """The parts of the store on one connection."""

    def __init__(self, connection: Connection) -> None:
        self.state = State(connection)
        self.outbox = Outbox(connection)
        self.history = History(connection)
        self.imported = Imported(connection)
        self.upkeep = Upkeep(connection)
