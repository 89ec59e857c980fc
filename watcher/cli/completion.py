"""`watcher completion`: what a shell needs to complete commands, options, channels and models."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "fish", "zsh")
VARIABLE = "_WATCHER_COMPLETE"
"""Set by the script when the shell asks."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete commands, options, channels and models.

    For bash, add `eval "$(watcher completion bash)"` to ~/.bashrc. For zsh, the same with `zsh` to ~/.zshrc, after
    `compinit`. For fish, `watcher completion fish > ~/.config/fish/completions/watcher.fish`.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(click.Command("watcher"), {}, "watcher", VARIABLE).source())
