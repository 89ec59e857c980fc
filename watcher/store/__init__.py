"""The database of what was seen, announced and sent."""

from watcher.store.store import Session, Store

__all__ = ["Session", "Store"]
