"""`docs/templates.md` has every variable, field and filter that a template can name."""

import pytest
from msgspec import structs

from tests.docs.documents import first_cells, part, text
from watcher.messages.document import Format
from watcher.messages.sandbox import Environment
from watcher.messages.template import check_template
from watcher.messages.variables import NAMES, AlternativeView, EventView, FieldView, OfferView, PriceView, View

TEMPLATES = text("templates.md")


def test_every_variable_is_documented() -> None:
    assert first_cells(part(TEMPLATES, "Variables").partition("\n### ")[0]) == set(NAMES)


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("An event", EventView),
        ("A price", PriceView),
        ("A field", FieldView),
        ("An offer", OfferView),
        ("An alternative", AlternativeView),
    ],
)
def test_every_field_is_documented(heading: str, kind: type[View]) -> None:
    assert first_cells(part(TEMPLATES, heading)) == {field.name for field in structs.fields(kind)}


def test_every_filter_is_documented() -> None:
    documented = part(TEMPLATES, "Filters")
    filters = Environment(Format.TEXT, deadline=0).filters.keys() - {"d", "e"}
    assert [name for name in sorted(filters) if f"`{name}`" not in documented] == []


def test_the_example_works() -> None:
    example = TEMPLATES.partition("```jinja\n")[2].partition("```")[0]
    assert "event.headline" in example
    assert check_template(example) is None
