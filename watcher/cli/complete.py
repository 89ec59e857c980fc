"""What the shell offers where the name of a channel or the id of a model is to be typed.

It is asked in the middle of somebody's typing: where anything is wrong there is nothing to offer, and no word of why.
"""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
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
    with suppress(Exception):
        return _safe(channel.name for channel in _config(ctx).channels if channel.name.startswith(incomplete))
    return []


def model_ids(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids of models that begin so, if the database is a file: no server is waited for."""
    from watcher.store.glance import model_ids as known

    with suppress(Exception):
        return _safe(known(_config(ctx).store.url.reveal(), PATIENCE, incomplete, MOST))
    return []


def price_keys(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the price keys that begin so."""
    from watcher.catalog.policy import PRICE_KEYS

    return [key for key in PRICE_KEYS if key.startswith(incomplete)]


def _config(ctx: click.Context) -> Config:
    return load_config(find_config(ctx.find_root().params.get("config_path"), os.environ, Path.cwd()), os.environ)


def _safe(words: Iterable[str]) -> list[str]:
    """Leave out what a shell would take for more than a word: it stands on the command line as if it were typed."""
    return [word for word in words if _PLAIN.fullmatch(word)]
