"""`docs/usage.md` names every command, every option, and all of an event."""

from collections.abc import Iterator

import click
import pytest
from msgspec import structs

from tests.docs.documents import first_cells, headings, part, text
from watcher.catalog.model import KINDS, Event
from watcher.cli import root

USAGE = text("usage.md")


def _commands(command: click.Command, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _commands(child, (*names, name))


COMMANDS = dict(_commands(root, ("watcher",)))


def _own_part(names: tuple[str, ...]) -> str:
    """What is said of a command, without what is said of its subcommands."""
    if len(names) == 1:
        return USAGE
    heading = next((title for title in headings(USAGE) if f"{title} ".startswith(f"{' '.join(names)} ")), "")
    return part(USAGE, heading).partition("\n### ")[0] if heading else ""


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_has_a_part(names: tuple[str, ...]) -> None:
    assert _own_part(names).strip(), f"docs/usage.md: no heading for `{' '.join(names)}`"


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_option_is_told_where_its_command_is(names: tuple[str, ...]) -> None:
    options = {name for param in COMMANDS[names].params if isinstance(param, click.Option) for name in param.opts}

    assert options - first_cells(_own_part(names)) <= {"-h", "--help"}


def test_no_option_is_told_that_does_not_exist() -> None:
    for names, command in COMMANDS.items():
        if len(names) > 1:
            told = {cell for cell in first_cells(_own_part(names)) if cell.startswith("--")}
            assert told <= {name for param in command.params for name in param.opts}, names


def test_every_field_of_an_event_is_told() -> None:
    told = first_cells(part(USAGE, "An event").partition("\n### ")[0])

    assert told == {field.encode_name for field in structs.fields(Event)}


def test_every_kind_of_event_is_told() -> None:
    assert first_cells(part(USAGE, "Kinds")) == set(KINDS)
