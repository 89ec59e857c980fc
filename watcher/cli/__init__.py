"""The command line: one small file a verb, imported when that verb is called."""

import errno
import os
import sys
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

from watcher import __version__
from watcher.errors import WatcherError, machine_error
from watcher.redaction import redact

_VERBS = {
    "ack": "watcher.cli.ack:ack",
    "changes": "watcher.cli.changes:changes",
    "channels": "watcher.cli.channels:channels",
    "chart": "watcher.cli.chart:chart",
    "completion": "watcher.cli.completion:completion",
    "config": "watcher.cli.config:config_group",
    "db": "watcher.cli.db:db",
    "deliveries": "watcher.cli.deliveries:deliveries",
    "demo": "watcher.cli.demo:demo",
    "export": "watcher.cli.export:export",
    "import": "watcher.cli.importing:import_history",
    "mcp": "watcher.cli.mcp:mcp",
    "mine": "watcher.cli.mine:mine",
    "models": "watcher.cli.models:models",
    "render": "watcher.cli.render:render",
    "replay": "watcher.cli.replay:replay",
    "run": "watcher.cli.run:run",
    "scan": "watcher.cli.scan:scan",
    "show": "watcher.cli.show:show",
    "simulate": "watcher.cli.simulate:simulate",
    "status": "watcher.cli.status:status",
    "usage": "watcher.cli.usage:usage",
    "web": "watcher.cli.web:web",
}


_MEANT = {
    "prices": "models",
    "list": "models",
    "ls": "models",
    "search": "models",
    "history": "changes",
    "log": "changes",
}
"""Words that people try → the verb that they mean."""
_ANYWHERE = ("--config", "--verbose", "--version")
"""Global options, which are taken after the verb as well."""


class _Verbs(click.Group):
    """A group that imports a verb only when it is called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        named = [at for at, word in enumerate(args[: end - 1]) if word == "--config"]
        ours = [at for at, word in enumerate(args[:end]) if at - 1 in named or word.partition("=")[0] in _ANYWHERE]
        if ours and args[ours[-1]] != "--config":  # else its value is missing
            args = [args[at] for at in ours] + [word for at, word in enumerate(args) if at not in ours]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module, _, name = _VERBS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"there is no command {args[0]!r}; {self._hint(ctx, args[0])}", ctx)
        return super().resolve_command(ctx, args)

    def _hint(self, ctx: click.Context, name: str) -> str:
        """Suggest an option or a command of a group with this name, else verbs with a similar one."""
        meant = [f"--{name}"] if any(f"--{name}" in param.opts for param in self.get_params(ctx)) else []
        for verb in self.list_commands(ctx):
            group = self.get_command(ctx, verb)
            if isinstance(group, click.Group) and name in group.commands:
                meant.append(f"{verb} {name}")
        meant = meant or ([_MEANT[name]] if name in _MEANT else get_close_matches(name, _VERBS))
        if not meant:
            return "see `watcher --help`"
        return f"did you mean {' or '.join(f'`watcher {one}`' for one in meant)}?"

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader has left, as in `watcher models | head`; click would exit with 1
            ctx.exit(0)


@click.group(
    cls=_Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="--config and --verbose may also follow the command. Example: watcher status --config /etc/watcher.toml",
)
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), metavar="FILE", help="The config.toml to use."
)
@click.option("--verbose", is_flag=True, help="Show more, and a traceback with every error.")
@click.version_option(__version__, prog_name="watcher")
@click.option("--check", is_flag=True, help="Check once: read the source, announce what changed, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --check: print poll, events and deliveries as JSON.")
@click.option("--exit-code", is_flag=True, help="With --check: exit with 1 if there were events.")
@click.option("--dry-run", is_flag=True, help="With --check: store and send nothing, print what would be sent.")
@click.pass_context
def root(
    ctx: click.Context,
    config_path: Path | None,
    verbose: bool,
    check: bool,
    as_json: bool,
    exit_code: bool,
    dry_run: bool,
) -> int:
    """Watch OpenRouter's model catalogue, and announce every lasting change once."""
    if check and ctx.invoked_subcommand is not None:
        raise click.UsageError(f"--check and the command {ctx.invoked_subcommand!r} exclude each other.")
    if not check and (as_json or exit_code or dry_run):
        raise click.UsageError("--json, --exit-code and --dry-run here belong to --check.")
    if not check and ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        return 0
    from watcher.cli.setup import Context

    ctx.obj = Context(config_path, verbose)
    if not check:
        return 0
    from watcher.cli.check import check_once

    return check_once(ctx.obj, as_json=as_json, exit_code=exit_code, dry_run=dry_run)


_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit. An error is one line for each mistake on stderr, and its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _prepare_output()
    if "_WATCHER_COMPLETE" in os.environ:  # a shell asks what may follow
        import_module("watcher.cli.completion")
    code = _run(arguments)
    try:
        sys.stdout.flush()
    except OSError:  # drop the rest: the interpreter would try again at its end, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _prepare_output() -> None:
    """Make printing work whatever the terminal can show, and without one."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed (`>&-`); a file that we open must not take its place
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the end
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an arrow that the locale lacks is no reason to stop


def _run(arguments: list[str]) -> int:
    verbose = "--verbose" in arguments
    try:
        result: Any = root.main(arguments, prog_name="watcher", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 64
    except click.ClickException as error:
        return _fail(error.format_message(), 64)
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped", 130)
    except WatcherError as error:
        return _fail(str(error), error.exit_code, traceback=verbose)
    except UnicodeEncodeError:  # only an argument can hold text that has no encoding
        return _fail("an argument is not valid UTF-8", 64, traceback=verbose)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _UNWRITABLE:
            return _fail(f"cannot write: {error.strerror}", 74, traceback=verbose)
        if machine := machine_error(error):
            return _fail(str(machine), machine.exit_code, traceback=verbose)
        bug = f"this is a bug in openrouter-watcher: {type(error).__name__}; --verbose shows where"
        return _fail(bug, 70, traceback=verbose)


def _fail(message: str, code: int, *, traceback: bool = False) -> int:
    """Print the message on stderr and return the exit code."""
    if traceback:
        from traceback import format_exc

        click.echo(redact(format_exc()), err=True, nl=False)
    for line in redact(message).splitlines() or [""]:
        click.echo(f"watcher: {line}", err=True)
    return code
