"""`watcher db`: check, copy, restore, shrink and upgrade the database."""

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import click

from watcher.cli.arguments import argument
from watcher.cli.output import format_count, format_size
from watcher.cli.setup import Context, open_store
from watcher.config.parse import STORE_URL
from watcher.config.secret import DatabaseURL
from watcher.errors import StoreError, UsageError
from watcher.messages.text import visible
from watcher.store.file import copy_database, move_aside, restore_database

_TIME = "%Y-%m-%dT%H-%M-%SZ"
"""How the time stands in the name of a copy."""


@click.group(epilog="Example: watcher db check")
def db() -> None:
    """Check, copy, restore, shrink and upgrade the database."""


@db.command(epilog="Example: watcher db check")
@click.pass_obj
def check(context: Context) -> int:
    """Check whether the database is intact. Nothing is written to it.

    Exits with 0 only if it is intact.
    """
    from watcher.store.examine import examine

    config = context.load()
    found = examine(config.store.url.reveal())
    click.echo(f"{open_store(config).name}: {format_size(found.bytes)}, schema {visible(found.revision)}")
    for part in found.parts:
        size = f"{part.size} " if part.size else ""
        click.echo(f"{part.name}: {size}{'damaged' if part.problems else 'ok'}")
        for problem in part.problems:
            click.echo(f"  {visible(problem, 500)}")
    if found.whole:
        return 0
    click.echo("The database is damaged. Stop the watcher, and restore a backup or move the file away to start anew.")
    return StoreError.exit_code


@db.command(epilog="Example: watcher db backup /var/backups/watcher.db --force")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.pass_obj
def backup(context: Context, file: Path | None, force: bool) -> None:
    """Copy the database to FILE, while others use it. The copy is checked.

    Without FILE the copy is made beside the database and named by the time; its name is printed.
    """
    from watcher.store.examine import check_ours

    path = open_store(context.load()).file
    if path is None:
        raise UsageError("the database is not a file; pg_dump makes backups of PostgreSQL's")
    check_ours(path)
    target = file or path.with_name(f"{path.name}.backup-{datetime.now(UTC):{_TIME}}")
    if target.exists():
        if target.samefile(path):
            raise UsageError(f"{target} is the database itself")
        if not force:
            raise UsageError(f"{target} exists already; --force replaces it")
    click.echo(copy_database(path, target))


@db.command(epilog="Example: watcher db restore /var/backups/watcher.db")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def restore(context: Context, file: Path) -> None:
    """Put the backup FILE in the place of the database.

    FILE is checked before anything is written, and the database is kept beside itself. Stop the watcher first. What was
    stored after the backup is gone, and the next check announces what differs from it.
    """
    from watcher.store.examine import examine

    store = open_store(context.load())
    path = store.file
    if path is None:
        raise UsageError("the database is not a file; pg_restore restores PostgreSQL's")
    if path.exists() and file.samefile(path):
        raise UsageError(f"{file} is the database itself")
    if not examine(f"sqlite:///{file}").whole:
        raise StoreError(f"The backup {file} is damaged; nothing was restored. Use an older one.")
    like = path
    # What is on its way to a channel would be sent again.
    with store.sending() if path.parent.is_dir() else nullcontext():
        if path.exists() and path.stat().st_size:
            whole = examine(f"sqlite:///{path}").whole
            keep = path.with_name(f"{path.name}.{'replaced' if whole else 'damaged'}-{datetime.now(UTC):{_TIME}}")
            like = copy_database(path, keep) if whole else move_aside(path, keep)
            click.echo(f"the database as it was: {like}")
        restore_database(file, path, like)
    with store:
        store.upgrade()
    click.echo(f"restored: {path}")


@db.command(epilog="Example: watcher db vacuum")
@click.pass_obj
def vacuum(context: Context) -> None:
    """Release the space of deleted rows. Nothing else can write meanwhile."""
    with open_store(context.load()) as store:
        if not store.exists:
            raise StoreError(f"The database {store.name} does not exist.")
        store.upgrade()
        before = store.size or 0
        store.vacuum()
        click.echo(f"{format_size(before)} → {format_size(store.size or 0)}")


@db.command(epilog="Example: watcher db upgrade")
@click.pass_obj
def upgrade(context: Context) -> None:
    """Create the database, or bring its schema up to date after a copy."""
    with open_store(context.load()) as store:
        opened = store.upgrade()
    if opened.before == opened.after:
        click.echo(f"schema {opened.after} is this version's")
        return
    copied = f"; as it was: {opened.backup}" if opened.backup else ""
    click.echo(f"schema {opened.before or 'none'} → {opened.after}{copied}")


@db.command(epilog="Example: watcher db copy sqlite:///watcher.db postgresql://watcher@db.example.com/watcher")
@click.argument("source", type=argument(STORE_URL.parse), metavar="FROM")
@click.argument("target", type=argument(STORE_URL.parse), metavar="TO")
def copy(source: DatabaseURL, target: DatabaseURL) -> None:
    """Copy a database into another one, and compare the two.

    FROM and TO are URLs as in `[store] url`. TO must be empty. Stop the watcher first: what it stores later is not
    copied.
    """
    from watcher.store.copying import copy_store

    for name, rows in copy_store(source.reveal(), target.reveal()).items():
        click.echo(f"{name}: {format_count(rows, 'row')}")
    click.echo("All rows were read back and are the same. Now set [store] url, and start the watcher.")
