"""Alembic's entry: the watcher hands over an open connection; nobody runs this from a command line."""

from alembic import context

from watcher.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
