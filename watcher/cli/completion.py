"""`watcher completion`: what a shell needs to complete commands, options, channels and models.

click does the work. What it lacks is mended here: in bash a word with a colon is several words, and a value after
`--option=` has to be offered together with the option.
"""

import os
from contextlib import suppress

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

VARIABLE = "_WATCHER_COMPLETE"
"""Set by the script when the shell asks."""


class _Whole(ShellComplete):
    """Offers whole words, and nothing where anything goes wrong."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        option, sign, _ = incomplete.partition("=")
        with suppress(Exception):
            found = super().get_completions(args, incomplete)
            if sign and option.startswith("--"):
                for item in found:
                    if item.type == "plain":
                        item.value = f"{option}={item.value}"
            return found
        return []


class _Bash(_Whole, BashComplete):
    # $COMP_LINE is what was typed; ${COMP_WORDS[*]} is broken at each of $COMP_WORDBREAKS, and bash puts what is
    # offered in the place of what follows the last of them.
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
        return ShellComplete.source(self)  # click's would run whichever bash there is, to learn its version

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)[1:]
        return (words, "") if not words or line[-1:].isspace() else (words[:-1], words[-1])

    def complete(self) -> str:
        return f"typed,{self.get_completion_args()[1]}\n{super().complete()}"


class _Fish(_Whole, FishComplete):
    pass


class _Zsh(_Whole, ZshComplete):
    pass


_SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "fish": _Fish, "zsh": _Zsh}


def prepare() -> None:
    """Have click answer the shells as above."""
    for kind in _SHELLS.values():
        add_completion_class(kind)


@click.command()
@click.argument("shell", type=click.Choice(tuple(_SHELLS)), metavar="SHELL")
def completion(shell: str) -> None:
    """Print what SHELL (bash, fish or zsh) needs to complete words.

    For bash, add `eval "$(watcher completion bash)"` to ~/.bashrc. For zsh, the same with `zsh` to ~/.zshrc, after
    `compinit`. For fish, `watcher completion fish > ~/.config/fish/completions/watcher.fish`.
    """
    click.echo(_SHELLS[shell](click.Command("watcher"), {}, "watcher", VARIABLE).source(), nl=False)
