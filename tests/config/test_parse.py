"""Values survive being written and read."""

import tomllib
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.config.options import OPTIONS, FieldOption
from watcher.config.parse import PERCENTAGE, parse_duration, render_duration
from watcher.config.secret import Secret
from watcher.config.write import default, toml


@given(st.integers(min_value=0, max_value=3650 * 86400).map(lambda seconds: timedelta(seconds=seconds)))
def test_durations_round_trip(duration: timedelta) -> None:
    assert parse_duration(render_duration(duration)) == duration


@given(st.decimals(min_value=0, max_value=1, places=8))
def test_percentages_round_trip(fraction: Decimal) -> None:
    assert PERCENTAGE.parse(PERCENTAGE.render(fraction)) == fraction


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0s"), (90, "1m30s"), (300, "5m"), (5400, "1h30m"), (86400, "1d"), (90061, "1d1h1m1s")],
)
def test_a_duration_is_written_as_people_do(seconds: int, expected: str) -> None:
    assert render_duration(timedelta(seconds=seconds)) == expected


VALUES = st.recursive(
    st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda values: st.lists(values, max_size=3),
)


@given(VALUES)
def test_every_value_is_written_as_toml(value: Any) -> None:
    assert tomllib.loads(f"a = {toml(value)}", parse_float=Decimal)["a"] == value


def test_a_path_that_is_not_unicode_is_still_written() -> None:
    assert tomllib.loads(f"a = {toml('/srv/' + chr(0xDC80))}")["a"] == "/srv/?"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.section}.{option.key}")
def test_an_option_reads_its_own_default_and_example(option: FieldOption) -> None:
    values = [value for value in (default(option), option.example) if value is not None]
    assert values
    for written in values:
        again = option.type.parse(tomllib.loads(f"a = {toml(written)}", parse_float=Decimal)["a"])
        assert (again.reveal() if isinstance(again, Secret) else option.type.render(again)) == written
