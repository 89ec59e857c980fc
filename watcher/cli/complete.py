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

_PLAIN = re.compile(r"[~\w][\w.:/@+-]*", re.ASCII)


def channel_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of channels of the configuration that begin so."""
    with suppress(Exception):
        return _safe(channel.name for channel in _config(ctx).channels if channel.name.startswith(incomplete))
    return []


def model_ids(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids of models in the database that begin so."""
    from watcher.store.store import Store

    with suppress(Exception), Store(_config(ctx).store.url) as store:
        return _safe(store.model_ids(incomplete, MOST))
    return []


def _config(ctx: click.Context) -> Config:
    return load_config(find_config(ctx.find_root().params.get("config_path"), os.environ, Path.cwd()), os.environ)


def _safe(words: Iterable[str]) -> list[str]:
    """Leave out what a shell would take for more than a word: it stands on the command line as if it were typed."""
    return [word for word in words if _PLAIN.fullmatch(word)]
