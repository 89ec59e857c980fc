"""`docs/usage.md` names every command, every option, and all of an event."""

import re

import click
import pytest
from msgspec import structs

from tests.docs.documents import COMMANDS, first_cells, headings, part, text
from watcher.catalog.model import KINDS, Event

USAGE = text("usage.md")


def _heading(names: tuple[str, ...]) -> str:
    """A command as its heading has it: with its arguments, and none of its options."""
    command = COMMANDS[names]
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    return " ".join((*names, *(param.make_metavar(click.Context(command)) for param in arguments)))


def _own_part(names: tuple[str, ...]) -> str:
    """What is said of a command, without what is said of its subcommands."""
    if len(names) == 1:
        return USAGE.partition("\n## ")[0] + part(USAGE, "watcher --check")
    return part(USAGE, _heading(names)).partition("\n### ")[0]


def test_every_command_has_a_heading_with_its_arguments_and_no_other_has() -> None:
    told = [heading for heading in headings(USAGE) if heading.startswith("watcher ")]
    assert sorted(told) == sorted(["watcher --check", *(_heading(names) for names in COMMANDS if len(names) > 1)])


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_something_is_said_of_every_command(names: tuple[str, ...]) -> None:
    assert _own_part(names).strip()


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_option_is_told_where_its_command_is_and_no_other(names: tuple[str, ...]) -> None:
    options = {name for param in COMMANDS[names].params if isinstance(param, click.Option) for name in param.opts}

    assert {cell for cell in first_cells(_own_part(names)) if cell.startswith("-")} == options


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_an_option_is_told_with_the_name_of_its_value(names: tuple[str, ...]) -> None:
    told = dict(re.findall(r"^\| `(-\S+?)(?: ([^`]+))?` \|", _own_part(names), re.MULTILINE))
    for param in COMMANDS[names].params:
        if isinstance(param, click.Option):
            value = told[param.opts[0]]
            assert bool(value) == (not param.is_flag), param.opts
            assert value == (param.metavar or value), param.opts


def test_every_field_of_an_event_is_told() -> None:
    told = first_cells(part(USAGE, "An event").partition("\n### ")[0])

    assert told == {field.encode_name for field in structs.fields(Event)}


def test_every_kind_of_event_is_told() -> None:
    assert first_cells(part(USAGE, "Kinds")) == set(KINDS)
