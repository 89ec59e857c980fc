"""`docs/templates.md` has every variable, field and filter that a template can name."""

import pytest
from msgspec import structs

from tests.docs.documents import first_cells, part, text
from watcher.messages.document import Format
from watcher.messages.sandbox import Environment, Meter, within
from watcher.messages.template import check_template
from watcher.messages.variables import NAMES, Alternative, Field, Offer, Price, Told, Variable

TEMPLATES = text("templates.md")


def test_every_variable_is_told() -> None:
    assert first_cells(part(TEMPLATES, "Variables").partition("\n### ")[0]) == set(NAMES)


@pytest.mark.parametrize(
    ("heading", "kind"),
    [("An event", Told), ("A price", Price), ("A field", Field), ("An offer", Offer), ("An alternative", Alternative)],
)
def test_every_field_is_told(heading: str, kind: type[Variable]) -> None:
    assert first_cells(part(TEMPLATES, heading)) == {field.name for field in structs.fields(kind)}


def test_every_filter_is_told() -> None:
    def names(meter: Meter) -> set[str]:
        return set(Environment(Format.TEXT, meter).filters)

    found, _ = within(1, names)
    told = part(TEMPLATES, "Filters")
    assert [name for name in sorted(found - {"d", "e"}) if f"`{name}`" not in told] == []


def test_the_example_works() -> None:
    example = TEMPLATES.partition("```jinja\n")[2].partition("```")[0]
    assert "event.headline" in example
    assert check_template(example) is None
