"""Write the manual pages from the commands and options: `python -m tools.manual docs/man`.

The pages use the language of man(7): https://man7.org/linux/man-pages/man7/man.7.html
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from watcher import __version__
from watcher.cli import root
from watcher.config.options import BY_SECTION, SECTIONS, FieldOption, header
from watcher.config.write import default, toml

WIDTH = 79
"""Characters in a line of a page."""

EXIT_CODES = {
    0: "All is well.",
    1: "With --check --exit-code: there were events. A listing found nothing.",
    64: "The command line is wrong.",
    66: "scan --fail-on: something could not be read.",
    69: "The source could not be read or was not believed.",
    70: "A bug; --verbose shows where.",
    71: "The machine has no memory or no thread left, or its clock cannot be right.",
    74: "The database cannot be used, or output cannot be written.",
    75: "Checked, but a delivery is pending.",
    78: "The configuration is wrong, or the database is from a newer version.",
    130: "Stopped from the keyboard, or by a second signal.",
}
ENVIRONMENT = {
    "WATCHER_CONFIG": "The configuration to use, unless `--config` names one.",
    "OPENROUTER_API_KEY": "A key for the API, which the public list does not need.",
    "HOME, XDG_CONFIG_HOME, XDG_STATE_HOME": "Where the configuration and the database are by default.",
    "STATE_DIRECTORY": "Where the database is by default; systemd sets it.",
    "CREDENTIALS_DIRECTORY": "The value of `${CREDENTIALS_DIRECTORY}` at the start of a path; systemd sets it.",
    "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID": "How `watcher run` reports its state to systemd; systemd sets them.",
    "JOURNAL_STREAM": "If it is set, `watcher run` logs for the journal; systemd sets it.",
    "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY": "Proxies, for the source, the health ping and channels.",
    "SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_DIR": (
        "Certificates to trust, in place of the usual ones; the first that is set counts."
    ),
    "PGPASSFILE": "A file of passwords for PostgreSQL; its library also reads other variables that begin with PG.",
    "NO_COLOR, TERM": "If the first is set, or the second is `dumb`, nothing is coloured.",
}
FILES = {
    "./config.toml": "The configuration. The first file that exists is used.",
    "~/.config/openrouter-watcher/config.toml": "The same.",
    "/etc/openrouter-watcher/config.toml": "The same.",
    "~/.local/state/openrouter-watcher/watcher.db": "The database.",
}


def command_page() -> str:
    """Return watcher(1)."""
    return "\n".join(
        (
            *_head("WATCHER", 1, "watcher", "announce changes in OpenRouter's model catalogue"),
            ".SH SYNOPSIS",
            r".B watcher",
            r"[\fIOPTIONS\fR] \fB\-\-check\fR",
            r"[\fB\-\-json\fR] [\fB\-\-exit\-code\fR] [\fB\-\-dry\-run\fR]",
            ".br",
            r".B watcher",
            r"[\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGS\fR]",
            ".SH DESCRIPTION",
            *_prose(root.help or ""),
            ".PP",
            "The sources, the rules and the channels are configured in",
            r".BR openrouter\-watcher.toml (5).",
            "Without a configuration, alerts are printed.",
            ".SH OPTIONS",
            *_options(root),
            ".SH COMMANDS",
            *(line for names, command in commands() for line in _command(names, command)),
            ".SH EXIT STATUS",
            *(line for code, means in EXIT_CODES.items() for line in _item(str(code), means)),
            ".SH ENVIRONMENT",
            *(line for name, means in ENVIRONMENT.items() for line in _item(name, means)),
            ".SH FILES",
            *(line for file, means in FILES.items() for line in _item(file, means)),
            ".SH SEE ALSO",
            r".BR openrouter\-watcher.toml (5)",
            "",
        )
    )


def configuration_page() -> str:
    """Return openrouter-watcher.toml(5)."""
    return "\n".join(
        (
            *_head("OPENROUTER-WATCHER.TOML", 5, "openrouter-watcher.toml", "configuration of watcher(1)"),
            ".SH DESCRIPTION",
            *_prose(
                "A TOML file, by default named config.toml. `watcher config init` writes one to start from,"
                " `watcher config check` names every mistake, and `watcher config show` shows the settings in force."
            ),
            *(line for section in SECTIONS for line in _section(section)),
            ".SH SEE ALSO",
            ".BR watcher (1)",
            "",
        )
    )


PAGES = {"watcher.1": command_page, "openrouter-watcher.toml.5": configuration_page}


def commands(group: click.Group = root, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command below `watcher` with the words that call it, groups before their commands."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*names, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*names, name))


def _head(title: str, section: int, name: str, what: str) -> tuple[str, ...]:
    source = f"openrouter-watcher {__version__}"
    plain = (".nh", ".ad l")  # no hyphenation in names that people type, and no gaps
    return (f'.TH "{title}" {section} "" "{source}"', *plain, ".SH NAME", f"{_escaped(name)} \\- {_escaped(what)}")


def _command(names: tuple[str, ...], command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"watcher {' '.join(names)}")
    usage = " ".join(part for part in command.collect_usage_pieces(context) if part != "[OPTIONS]")
    options = " [OPTIONS]" if any(isinstance(param, click.Option) for param in command.params) else ""
    line = f"watcher {' '.join(names)}{options} {usage}"
    yield f'.SS "{_escaped(line.rstrip())}"'
    yield from _prose(command.help or "")
    yield from _options(command)
    if command.epilog:
        yield ".PP"
        yield from _prose(command.epilog)


def _options(command: click.Command) -> Iterator[str]:
    context = click.Context(command, **command.context_settings)
    for param in command.get_params(context) if command is root else command.params:
        record = param.get_help_record(context) if isinstance(param, click.Option) else None
        if record is not None:
            yield from _item(*record)


def _section(section: str) -> Iterator[str]:
    yield f'.SH "{_escaped(header(section))}"'
    yield from _prose(SECTIONS[section])
    for option in BY_SECTION[section].values():
        yield from _item(option.key, f"{option.doc}{_default(option)}")


def _default(option: FieldOption) -> str:
    if option.default_doc:
        return f" Default: {option.default_doc}."
    return "" if (value := default(option)) is None else f" Default: {toml(value)}"


def _item(term: str, means: str) -> tuple[str, ...]:
    return ".TP", f"\\fB{_escaped(term)}\\fR", *_lines(means)


def _prose(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".PP"
        yield from _lines(paragraph)


def _lines(text: str) -> list[str]:
    """Return the text as lines, with a guard before a leading dot, which would be a request."""
    lines = textwrap.wrap(_escaped(text), WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"\\&{line}" if line.startswith(".") else line for line in lines]


def _escaped(text: str) -> str:
    """Return the text escaped for man; text between backticks is bold."""
    return re.sub("`([^`]*)`", r"\\fB\1\\fR", "".join(_CHARACTERS.get(one, one) for one in text))


_CHARACTERS = {
    "\\": "\\e",
    "-": "\\-",
    '"': "\\(dq",
    "'": "\\(aq",
    "~": "\\(ti",
    "^": "\\(ha",
    "…": "...",
    "→": "\\(->",
}
"""Characters that the formatter would change or does not have."""


def main(folder: Path) -> None:
    """Write all pages into a folder."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
