"""`docs/templates.md` has every variable, field and filter that a template can name."""

import pytest
from msgspec.structs import replace

from tests.docs.documents import first_cells, part, text
from tests.events import CHANGED, CHEAPER, EXPIRED, NEW, PROVIDER_GONE
from watcher.catalog.model import Bill
from watcher.messages.document import Format
from watcher.messages.sandbox import Environment
from watcher.messages.template import check_template
from watcher.messages.variables import NAMES, view

TEMPLATES = text("templates.md")


def test_every_variable_is_documented() -> None:
    assert first_cells(part(TEMPLATES, "Variables").partition("\n### ")[0]) == set(NAMES)


VIEWS = {
    "An event": view(CHEAPER),
    "A price": view(CHEAPER)["prices"]["prompt"],
    "A bill": view(replace(CHEAPER, bill=Bill("41", "63")))["bill"],
    "A field": view(CHANGED)["fields"]["context_length"],
    "An offer": view(NEW)["offer"],
    "A provider": view(PROVIDER_GONE)["provider"],
    "An alternative": view(EXPIRED)["alternatives"][0],
}


@pytest.mark.parametrize("heading", VIEWS)
def test_every_field_is_documented(heading: str) -> None:
    assert first_cells(part(TEMPLATES, heading)) == VIEWS[heading].keys()


def test_every_filter_is_documented() -> None:
    documented = part(TEMPLATES, "Filters")
    filters = Environment(Format.TEXT, deadline=0).filters.keys() - {"d", "e"}
    assert [name for name in sorted(filters) if f"`{name}`" not in documented] == []


def test_the_example_works() -> None:
    example = TEMPLATES.partition("```jinja\n")[2].partition("```")[0]
    assert "event.headline" in example
    assert check_template(example) is None
