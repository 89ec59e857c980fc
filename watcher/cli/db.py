"""`watcher db`: whether the database is whole, a copy of it, its size, its schema."""

from datetime import UTC, datetime
from pathlib import Path

import click

from watcher.cli.opening import open_store
from watcher.cli.state import State
from watcher.cli.table import sized
from watcher.errors import StoreError, UsageError

DAMAGED = StoreError.exit_code


@click.group()
def db() -> None:
    """Check, copy, shrink and upgrade the database."""


@db.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Say whether the database is whole; nothing is written to it.

    Exits with 0 only if it is.
    """
    from watcher.alerts.text import visible
    from watcher.store.examine import examine

    path = _file(ctx.obj)
    found = examine(path)
    click.echo(f"{path}: {sized(found.bytes)}, schema {visible(found.revision)}")
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
def backup(state: State, file: Path | None, force: bool) -> None:
    """Copy the database, while others use it, to FILE or beside itself under the time; the name is printed.

    The copy is one file, of one moment, and is checked.
    """
    from watcher.store.backup import copy_database
    from watcher.store.examine import check_ours

    path = _file(state)
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
def vacuum(state: State) -> None:
    """Give the room of what was deleted back; for that moment nobody else can write."""
    _existing(state)
    with open_store(state.load()) as store:
        store.upgrade()
        before = store.size or 0
        store.vacuum()
        click.echo(f"{sized(before)} → {sized(store.size or 0)}")


@db.command()
@click.pass_obj
def upgrade(state: State) -> None:
    """Bring the database to this version's schema, after copying it; any other command does so, too."""
    _existing(state)
    with open_store(state.load()) as store:
        opened = store.upgrade()
    if opened.before == opened.after:
        click.echo(f"schema {opened.after} is this version's")
        return
    copied = f"; as it was: {opened.backup}" if opened.backup else ""
    click.echo(f"schema {opened.before or 'none'} → {opened.after}{copied}")


def _existing(state: State) -> Path:
    path = _file(state)
    if not path.exists():
        raise StoreError(f"The database {path} does not exist.")
    return path


def _file(state: State) -> Path:
    return Path(state.load().store.url.removeprefix("sqlite:///"))
