"""`docs/configuration.md` has every option as the program knows it."""

import re
from pathlib import Path

import pytest

from tests.docs.documents import PAGES, first_cells, headings, part, text
from watcher.config import load_config
from watcher.config.options import BY_SECTION, OPTIONS, SECTIONS, FieldOption, header
from watcher.config.write import default, toml

CONFIGURATION = text("configuration.md")


BLOCKS = [
    (page.name, re.sub(r"^ +", "", block, flags=re.MULTILINE))
    for page in PAGES
    for block in re.findall(r"^ *```toml\n(.*?)^ *```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
]


def _part(section: str) -> str:
    return part(CONFIGURATION, f"`{header(section)}`")


def row(option: FieldOption) -> str:
    """The row of an option's table."""
    given = default(option)
    value = "required" if option.key == "name" else "none" if given is None else f"`{toml(given)}`"
    meaning = option.doc.replace("*", r"\*")  # two of them would be emphasis
    return f"| `{option.key}` | {option.default_doc or value} | {meaning} |"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.section}.{option.key}")
def test_every_option_has_its_row(option: FieldOption) -> None:
    assert row(option) in _part(option.section).splitlines(), f"docs/configuration.md needs this row:\n{row(option)}"


@pytest.mark.parametrize("section", BY_SECTION)
def test_no_option_is_told_that_does_not_exist(section: str) -> None:
    assert first_cells(_part(section)) == set(BY_SECTION[section])


def test_every_section_has_a_heading_and_no_other_has() -> None:
    told = [heading.strip("`[]") for heading in headings(CONFIGURATION) if heading.startswith("`[")]
    assert told == list(SECTIONS)


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=lambda text: text if text.endswith(".md") else "")
def test_every_configuration_that_is_shown_is_read_without_a_word(page: str, block: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.touch(0o600)
    file.write_text(block)
    assert load_config(file, {"HOME": str(tmp_path), "CREDENTIALS_DIRECTORY": str(tmp_path)}).warnings == ()


def test_configurations_are_found() -> None:
    assert {page for page, _ in BLOCKS} >= {"README.md", "configuration.md", "deploy.md", "templates.md"}
