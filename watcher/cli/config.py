"""`watcher config`: check, show and start a configuration."""

import json
import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click

from watcher.cli.context import Context
from watcher.config import Config, check_config, find_config
from watcher.config.parse import render_duration
from watcher.errors import ConfigError, UsageError

MOST = 100_000
"""Models that are looked at."""
PATIENCE = 1.0
"""Seconds for which a database that somebody else holds is waited for."""


@click.group("config")
def config_group() -> None:
    """Check, show and start the configuration."""


@config_group.command()
@click.pass_obj
def check(state: Context) -> None:
    """Name every mistake in the configuration."""
    from watcher.delivery.channel import check_url
    from watcher.messages.template import check_channel

    config = check_config(state.find(), os.environ, check_url, check_channel)
    for warning in (*config.warnings, *_names_nothing(config)):
        click.echo(f"warning: {warning}", err=True)
    click.echo(_summary(config))


@config_group.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON; what is not set is null.")
@click.pass_obj
def show(state: Context, as_json: bool) -> None:
    """Show the settings in force, defaults included, without secrets."""
    from watcher.config import write

    config = state.load()
    click.echo(write.show_json(config) if as_json else write.show(config), nl=False)


@config_group.command()
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write there, not to stdout."
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def init(output: Path | None, force: bool) -> None:
    """Write a commented configuration that works as it is."""
    from watcher.config import write

    if output is None:
        click.echo(write.init(), nl=False)
        return
    try:
        _write_private(output, write.init(), replace=force)
    except FileExistsError:
        raise UsageError(f"{output} exists already; --force replaces it") from None
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from None
    with suppress(ConfigError):  # $WATCHER_CONFIG may name a file that is not there
        found = find_config(None, os.environ, Path.cwd())
        option = "" if found is not None and found.samefile(output) else f" --config {shlex.quote(str(output))}"
        click.echo(f"{output}: written; now name a channel in it and run `watcher{option} config check`", err=True)


@config_group.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from watcher.config import write

    click.echo(json.dumps(write.schema(), indent=2, ensure_ascii=False))


def _write_private(path: Path, text: str, *, replace: bool) -> None:
    """Write a file that will hold secrets: nobody else may read it, from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.with_name(f"{path.name}.new") if replace else path
    if replace:
        target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor has no Path
        file.write(text)
    target.replace(path)


def _names_nothing(config: Config) -> Iterator[str]:
    """Yield a sentence for each pattern that names none of the models in the database: nothing would be told of it."""
    from watcher.rules.rules import named
    from watcher.store.file import model_ids

    try:
        known = model_ids(config.store.url.reveal(), PATIENCE, "", MOST)
    except (sqlite3.Error, ValueError):
        return  # there is none yet, or it is on a server
    for channel in config.channels:
        for pattern in channel.rules.models if known else ():
            if not any(named((pattern,), model) for model in known):
                meant = any(named((f"*/{pattern}",), model) for model in known)
                hint = f'; did you mean "*/{pattern}"?' if meant else ""
                where = f'{config.path}: channel "{channel.name}": models'
                yield f'{where}: "{pattern}" names none of {len(known)} known models{hint}'


def _summary(config: Config) -> str:
    from watcher.store.store import Store

    names = ", ".join(channel.name for channel in config.channels)
    return "\n".join(
        (
            f"{config.path}: ok" if config.path else "no configuration file: the defaults hold",
            f"channels: {names or 'none, alerts go to the console'}",
            f"interval: {render_duration(config.source.interval)}",
            f"database: {Store(config.store.url.reveal()).name}",
        )
    )
