"""`watcher completion`, and what shells offer for commands, options, channels, models and prices.

click does most of the work. This module adds what it lacks: bash splits a word at each `:` and `=`, and a value after
`--option=` has to be offered together with the option.
"""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
)

from watcher.catalog.pricing import PRICE_KEYS
from watcher.config import Config, find_config, load_config
from watcher.store import file

VARIABLE = "_WATCHER_COMPLETE"
"""The script sets it when the shell asks."""
MOST_IDS = 500
"""Ids that are offered at once."""
PATIENCE = 0.2
"""Seconds to wait for a database that another process holds."""

_BREAKS = (":", "=")
_PLAIN = re.compile(r"[~\w][\w.:/@+-]*", re.ASCII)


def channel_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the configured channels whose names begin with `incomplete`."""
    return _harmless(channel.name for channel in _config(ctx).channels if channel.name.startswith(incomplete))


def model_ids(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids that begin with `incomplete`, if the database is a file: no server is waited for."""
    return _harmless(file.model_ids(_config(ctx).store.url.reveal(), PATIENCE, incomplete, MOST_IDS))


def price_keys(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the price keys that begin with `incomplete`."""
    return [key for key in PRICE_KEYS if key.startswith(incomplete)]


def _config(ctx: click.Context) -> Config:
    return load_config(find_config(ctx.find_root().params.get("config_path"), os.environ, Path.cwd()), os.environ)


def _harmless(words: Iterable[str]) -> list[str]:
    """Leave out words with characters that a shell would act on: what is offered stands there as if typed."""
    return [word for word in words if _PLAIN.fullmatch(word)]


class _WholeWords(ShellComplete):
    """Offers whole words, and nothing where anything goes wrong: an error would disturb the line being typed."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        option, sign, _ = incomplete.partition("=")
        with suppress(Exception):
            items = super().get_completions(args, incomplete)
            if sign and option.startswith("--"):
                for item in items:
                    if item.type == "plain":
                        item.value = f"{option}={item.value}"
            return items
        return []


@add_completion_class
class _Bash(_WholeWords, BashComplete):
    def source(self) -> str:
        return ShellComplete.source(self)  # click's own runs bash to learn its version

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Join the parts of the word at the cursor, and offer only the text after the last part."""
        whole = incomplete
        while args and (whole.startswith(_BREAKS) or args[-1] in _BREAKS):
            whole = args.pop() + whole
        typed = whole if incomplete in _BREAKS else whole.removesuffix(incomplete)
        items = super().get_completions(args, whole)
        for item in items:
            item.value = item.value.removeprefix(typed)
        return items


@add_completion_class
class _Fish(_WholeWords, FishComplete):
    pass


@add_completion_class
class _Zsh(_WholeWords, ZshComplete):
    pass


@click.command()
@click.argument("shell", type=click.Choice(("bash", "fish", "zsh")), metavar="SHELL")
def completion(shell: str) -> None:
    """Print what SHELL (bash, fish or zsh) needs to complete words.

    For bash, add `eval "$(watcher completion bash)"` to ~/.bashrc. For zsh, the same with `zsh` to ~/.zshrc, after
    `compinit`. For fish, `watcher completion fish > ~/.config/fish/completions/watcher.fish`.
    """
    complete_class = get_completion_class(shell)
    assert complete_class is not None
    click.echo(complete_class(click.Command("watcher"), {}, "watcher", VARIABLE).source(), nl=False)
