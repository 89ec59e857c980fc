"""`docs/configuration.md` has every option as the program knows it."""

import pytest

from tests.docs.documents import first_cells, part, text
from watcher.config.options import BY_SECTION, OPTIONS, Option, Section
from watcher.config.write import toml

CONFIGURATION = text("configuration.md")


def _part(section: Section) -> str:
    return part(CONFIGURATION, "`[[channels]]`" if section == "channels" else f"`[{section}]`")


def row(option: Option) -> str:
    """The row of an option's table."""
    if option.default is None or option.default_doc is not None:
        default = option.default_doc or ("required" if option.required else "none")
    else:
        default = f"`{toml(option.type.render(option.default))}`"
    meaning = option.doc.replace("*", r"\*")  # two of them would be emphasis
    return f"| `{option.key}` | {default} | {meaning} |"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.section}.{option.key}")
def test_every_option_has_its_row(option: Option) -> None:
    assert row(option) in _part(option.section).splitlines(), f"docs/configuration.md needs this row:\n{row(option)}"


@pytest.mark.parametrize("section", BY_SECTION)
def test_no_option_is_told_that_does_not_exist(section: Section) -> None:
    assert first_cells(_part(section)) == set(BY_SECTION[section])
