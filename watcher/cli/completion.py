"""`watcher completion`, and what shells offer for commands, options, channels, models and prices.

click does most of the work. This module adds what it lacks: in bash a word with a colon is several words, and a value
after `--option=` has to be offered together with the option.
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
    split_arg_string,
)

from watcher.catalog.pricing import PRICE_KEYS
from watcher.config import Config, find_config, load_config
from watcher.store import glance

VARIABLE = "_WATCHER_COMPLETE"
"""The script sets it when the shell asks."""
MOST_IDS = 500
"""Ids that are offered at once."""
PATIENCE = 0.2
"""Seconds to wait for a database that another process holds."""

_PLAIN = re.compile(r"[~\w][\w.:/@+-]*", re.ASCII)


def channel_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the configured channels whose names begin with `incomplete`."""
    return _harmless(channel.name for channel in _config(ctx).channels if channel.name.startswith(incomplete))


def model_ids(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids that begin with `incomplete`, if the database is a file: no server is waited for."""
    return _harmless(glance.model_ids(_config(ctx).store.url.reveal(), PATIENCE, incomplete, MOST_IDS))


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
    # $COMP_LINE is the line as typed; ${COMP_WORDS[*]} is broken at each of $COMP_WORDBREAKS, and bash replaces only
    # the text after the last break.
    source_template = """\
%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} type value typed before
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            typed) typed=$value ;;
            plain) COMPREPLY+=("$value") ;;
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
        esac
    done < <(%(complete_var)s=bash_complete COMP_LINE=$line "$1" 2>/dev/null)
    for value in : =; do
        if [[ $COMP_WORDBREAKS == *$value* && $typed == *$value* ]]; then
            before=${typed%%"${typed##*$value}"}
            COMPREPLY=("${COMPREPLY[@]#"$before"}")
            typed=${typed#"$before"}
        fi
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def source(self) -> str:
        return ShellComplete.source(self)  # click's own runs bash to learn its version

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)[1:]
        return (words, "") if not words or line[-1:].isspace() else (words[:-1], words[-1])

    def complete(self) -> str:
        return f"typed,{self.get_completion_args()[1]}\n{super().complete()}"


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
