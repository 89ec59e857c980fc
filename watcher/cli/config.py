"""`watcher config`: check, show and start a configuration."""

import json
import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click

from watcher.cli.setup import Context, open_store
from watcher.config import Config, check_config, find_config, write
from watcher.config.mine import MINE
from watcher.config.parse import CHANNEL_URL, WrongValueError, render_duration
from watcher.delivery.channel import check_url
from watcher.errors import ConfigError, UsageError
from watcher.files import create
from watcher.messages.template import check_channel
from watcher.rules.rules import named
from watcher.store.file import model_ids

MOST_IDS = 100_000
"""Models that patterns are compared with."""
PATIENCE = 1.0
"""Seconds to wait for a database that another process holds."""


@click.group("config", epilog="Example: watcher config check")
def config_group() -> None:
    """Check, show and start the configuration."""


@config_group.command(epilog="Example: watcher config check")
@click.pass_obj
def check(context: Context) -> None:
    """Print every mistake in the configuration."""
    config = check_config(context.find_config(), os.environ, check_url, check_channel)
    for warning in (*config.warnings, *_unused_patterns(config)):
        click.echo(f"warning: {warning}", err=True)
    names = ", ".join(channel.name for channel in config.channels)
    click.echo(f"{config.path}: ok" if config.path else "no configuration file: the defaults hold")
    click.echo(f"channels: {names or 'none, alerts go to the console'}")
    click.echo(f"interval: {render_duration(config.source.interval)}")
    click.echo(f"database: {open_store(config).name}")


@config_group.command(epilog="Example: watcher config show --json")
@click.option("--json", "as_json", is_flag=True, help="As JSON; what is not set is null.")
@click.pass_obj
def show(context: Context, as_json: bool) -> None:
    """Show the settings in use, defaults included, without secrets."""
    config = context.load()
    click.echo(write.show_json(config) if as_json else write.show(config), nl=False)


@config_group.command(epilog="Example: watcher config init --output config.toml")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write there, not to stdout."
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option("--models", metavar="ID,…", help="Watch only these models, or patterns such as openai/gpt-*.")
@click.option("--channel", "url", metavar="URL", help="Send alerts to this Apprise URL.")
@click.option("--all", "every", is_flag=True, help="Every option, with its default or an example.")
def init(output: Path | None, force: bool, models: str | None, url: str | None, every: bool) -> None:
    """Write a short configuration that works as it is."""
    patterns = [pattern.strip() for pattern in (models or "").split(",") if pattern.strip()]
    text = write.full() if every else write.init(patterns, _checked(url))
    if every and (models or url):
        raise UsageError("--all writes the defaults; it excludes --models and --channel")
    if models and not url:
        raise UsageError("--models belongs to a channel; name its URL with --channel")
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        _write_private(output, text, replace=force)
    except FileExistsError:
        raise UsageError(f"{output} exists already; --force replaces it") from None
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from None
    with suppress(ConfigError):  # $WATCHER_CONFIG may name a file that does not exist
        found = find_config(None, os.environ, Path.cwd())
        option = "" if found is not None and found.samefile(output) else f" --config {shlex.quote(str(output))}"
        todo = "now" if url else "now name a channel in it and"
        click.echo(f"{output}: written; {todo} run `watcher{option} config check`", err=True)


@config_group.command(epilog="Example: watcher config schema")
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    click.echo(json.dumps(write.schema(), indent=2, ensure_ascii=False))


def _checked(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        url = CHANNEL_URL.parse(url).reveal()
    except WrongValueError as error:
        raise UsageError(f"--channel: {error}") from None
    if problem := check_url(url):
        raise UsageError(f"--channel: {problem}")
    return url


def _write_private(path: Path, text: str, *, replace: bool) -> None:
    """Write a file that will hold secrets: from its first byte on, only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.with_name(f"{path.name}.new") if replace else path
    if replace:
        target.unlink(missing_ok=True)
    with os.fdopen(create(target, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    target.replace(path)


def _unused_patterns(config: Config) -> Iterator[str]:
    """Yield a sentence for each pattern that matches no model in the database: no event would match it."""
    try:
        known = model_ids(config.store.url.reveal(), PATIENCE, "", MOST_IDS)
    except (sqlite3.Error, ValueError):
        return  # there is no database yet, or it is on a server
    patterns = {f'channel "{channel.name}": models': channel.rules.models for channel in config.channels}
    for where, globs in ({"mine.models": config.mine.models} | patterns).items() if known else ():
        for pattern in globs:
            if pattern != MINE and not any(named((pattern,), model) for model in known):
                meant = any(named((f"*/{pattern}",), model) for model in known)
                hint = f'; did you mean "*/{pattern}"?' if meant else ""
                yield f'{config.path}: {where}: "{pattern}" names none of {len(known)} known models{hint}'
