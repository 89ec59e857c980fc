"""`watcher db`: whether the database is whole, a copy of it, its size, its schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watcher.cli.context import Context
from watcher.cli.setup import open_store
from watcher.cli.table import counted, sized
from watcher.config.parse import STORE_URL, WrongValueError
from watcher.errors import StoreError, UsageError

if TYPE_CHECKING:
    from watcher.store.store import Store

DAMAGED = StoreError.exit_code


class StoreUrl(click.ParamType[str]):
    """A database, as `[store] url` has it."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the URL, or end with what was expected."""
        try:
            return STORE_URL.parse(value).reveal()
        except WrongValueError as error:
            self.fail(str(error), param, ctx)


@click.group()
def db() -> None:
    """Check, copy, shrink and upgrade the database."""


@db.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Say whether the database is whole; nothing is written to it.

    Exits with 0 only if it is.
    """
    from watcher.messages.text import visible
    from watcher.store.examine import examine
    from watcher.store.store import Store

    url = ctx.obj.load().store.url.reveal()
    found = examine(url)
    click.echo(f"{Store(url).name}: {sized(found.bytes)}, schema {visible(found.revision)}")
    for part in found.parts:
        size = f"{part.size} " if part.size else ""
        click.echo(f"{part.name}: {size}{'damaged' if part.problems else 'ok'}")
        for problem in part.problems:
            click.echo(f"  {visible(problem, 500)}")
    if not found.whole:
        click.echo(
            "The database is damaged. Stop the watcher, and restore a backup or move the file away to start anew."
        )
        ctx.exit(DAMAGED)


@db.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.pass_obj
def backup(state: Context, file: Path | None, force: bool) -> None:
    """Copy the database to FILE, while others use it.

    Without FILE the copy lies beside the database and is named by the time; its name is printed.

    The copy is one file, shows one moment, and is checked.
    """
    from watcher.store.examine import check_ours
    from watcher.store.file import copy_database
    from watcher.store.store import Store

    path = Store(state.load().store.url.reveal()).file
    if path is None:
        raise UsageError("the database is not a file; pg_dump makes backups of PostgreSQL's")
    check_ours(path)
    target = file or path.with_name(f"{path.name}.backup-{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}")
    if target.exists():
        if target.samefile(path):
            raise UsageError(f"{target} is the database itself")
        if not force:
            raise UsageError(f"{target} exists already; --force replaces it")
    click.echo(copy_database(path, target))


@db.command()
@click.pass_obj
def vacuum(state: Context) -> None:
    """Shrink the database by what was deleted. Nobody else can write meanwhile."""
    with _existing(state) as store:
        store.upgrade()
        before = store.size or 0
        store.vacuum()
        click.echo(f"{sized(before)} → {sized(store.size or 0)}")


@db.command()
@click.pass_obj
def upgrade(state: Context) -> None:
    """Bring the database to this version's schema. It is copied before; any other command does so, too."""
    with open_store(state.load()) as store:
        opened = store.upgrade()
    if opened.before == opened.after:
        click.echo(f"schema {opened.after} is this version's")
        return
    copied = f"; as it was: {opened.backup}" if opened.backup else ""
    click.echo(f"schema {opened.before or 'none'} → {opened.after}{copied}")


@db.command()
@click.argument("source", type=StoreUrl(), metavar="FROM")
@click.argument("target", type=StoreUrl(), metavar="TO")
def copy(source: str, target: str) -> None:
    """Copy a database into another one, and compare the two.

    FROM and TO are URLs as in `[store] url`. TO must be empty. Stop the watcher first: what it stores in the old
    database afterwards is not in the new one.
    """
    from watcher.store.copying import copy_store

    for name, rows in copy_store(source, target).items():
        click.echo(f"{name}: {counted(rows, 'row')}")
    click.echo("All rows were read back and are the same. Now set [store] url, and start the watcher.")


@contextmanager
def _existing(state: Context) -> "Iterator[Store]":
    """Open the database of the configuration. Raises StoreError if there is none."""
    with open_store(state.load()) as store:
        if not store.exists:
            raise StoreError(f"The database {store.name} does not exist.")
        yield store
