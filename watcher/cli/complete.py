"""What the shell offers for the name of a channel, the id of a model or the key of a price.

Errors are left to `completion`, which then offers nothing: nobody wants a traceback amid what they type.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import click

from watcher.config import Config, find_config, load_config

MOST = 500
"""Ids that are offered at once."""
PATIENCE = 0.2
"""Seconds for which a database that somebody else holds is waited for."""

_PLAIN = re.compile(r"[~\w][\w.:/@+-]*", re.ASCII)


def channel_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of channels of the configuration that begin so."""
    return _safe(channel.name for channel in _config(ctx).channels if channel.name.startswith(incomplete))


def model_ids(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids of models that begin so, if the database is a file: no server is waited for."""
    from watcher.store.file import model_ids as known

    return _safe(known(_config(ctx).store.url.reveal(), PATIENCE, incomplete, MOST))


def price_keys(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the price keys that begin so."""
    from watcher.catalog.pricing import PRICE_KEYS

    return [key for key in PRICE_KEYS if key.startswith(incomplete)]


def _config(ctx: click.Context) -> Config:
    return load_config(find_config(ctx.find_root().params.get("config_path"), os.environ, Path.cwd()), os.environ)


def _safe(words: Iterable[str]) -> list[str]:
    """Leave out what a shell would take for more than a word: it stands on the command line as if it were typed."""
    return [word for word in words if _PLAIN.fullmatch(word)]
