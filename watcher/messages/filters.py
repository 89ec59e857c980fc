"""The filters of a template, and how a value becomes text in it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from jinja2 import Undefined
from jinja2.filters import FILTERS as JINJA
from markupsafe import Markup

from watcher.messages import prices
from watcher.messages.variables import View
from watcher.messages.wording import day_text, moment_text

MAX_TEXT = 512 * 1024
"""Characters of one rendering, and of each text in it: more than all messages of one sending may hold."""

_UNCHANGED = (
    *("abs", "count", "d", "default", "dictsort", "first", "float", "groupby", "int", "items", "last", "length"),
    *("list", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "sum"),
    "unique",
)
"""Jinja2's own filters that neither escape nor join texts."""
_ON_TEXT = ("capitalize", "lower", "string", "title", "trim", "upper", "wordcount")
"""Jinja2's own filters for a text. They get every value as a text, so that None is empty."""


def text_of(value: object) -> str:
    """Return a value as text. Raises TypeError for an event, a list of lists and the like."""
    match value:
        case Undefined() | str():
            return str(value)  # raises, saying what is undefined
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return str(value)
        case datetime():
            return moment_text(value)
        case list() | tuple() if not any(isinstance(item, list | tuple | dict) for item in value):
            return ", ".join(map(text_of, value))
        case _:
            noun = value if isinstance(value, View) else f"a {type(value).__name__.lower()}"
            raise TypeError(f"{noun} is no text; name a part of it")


def _text_or_markup(value: Any) -> str:
    return value if isinstance(value, Markup) else text_of(value)


def _plain_text(filter: str, value: Any) -> str:
    if isinstance(value, Markup):
        raise TypeError(f"{filter} would break the markup of this text; use it on a part of an event")
    return text_of(value)


def _on_text(filter: Callable[..., Any]) -> Callable[..., Any]:
    return lambda value, *args: filter(_text_or_markup(value), *args)


def _indent(value: Any, width: int = 4, first: bool = False) -> str:
    return JINJA["indent"](_text_or_markup(value), min(int(width), 80), first)  # type: ignore[no-any-return]


def _replace(value: Any, old: Any, new: Any) -> str:
    text, old, new = _plain_text("replace", value), text_of(old), text_of(new)
    if text.count(old) * len(new) > MAX_TEXT:
        raise TypeError("replace would make a text that is too long")
    return text.replace(old, new)


def _round(value: Any, precision: int = 0, method: Literal["common", "ceil", "floor"] = "common") -> float:
    return JINJA["round"](value, min(max(int(precision), -40), 40), method)  # type: ignore[no-any-return]


def _truncate(value: Any, length: int = 80, end: str = "…") -> str:
    text, end = _plain_text("truncate", value), text_of(end)
    return text if len(text) <= length else text[: max(length - len(end), 0)].rstrip() + end


def _money(value: Any, per: int = 1) -> str:
    """`{{ price.new|money(1000000) }}`: an amount in USD, times `per`."""
    if value is None:
        return "unknown"
    try:
        amount = Decimal(str(value)) * int(per)
    except ArithmeticError:
        return text_of(value)  # varies, or a day schedule
    if not amount.is_finite() or (amount and abs(amount.adjusted()) > 40):
        raise TypeError("money is for an amount in USD")
    return prices.money(amount) if amount else "free"


def _percent(value: Any, digits: int = 2) -> str:
    """`{{ price.change|percent(0) }}`: a change such as `-16.67%` as `−17 %`; None is nothing."""
    if value is None:
        return ""
    try:
        return prices.percentage(str(value), min(max(int(digits), 0), 10))
    except InvalidOperation:
        raise TypeError("percent is for a change such as -16.67%") from None


def _date(value: Any, layout: str | None = None) -> str:
    """`{{ event.since|date("%d.%m.%Y") }}`: a moment (UTC) or a day of the API; None is nothing."""
    if value is None:
        return ""
    if layout is None:
        return moment_text(value) if isinstance(value, datetime) else day_text(value)
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value)[:10])
    except ValueError:
        raise TypeError("date is for a moment or a day such as 2026-01-20") from None
    return moment.strftime(layout)


FILTERS: Mapping[str, Callable[..., Any]] = {
    **{name: JINJA[name] for name in _UNCHANGED},
    **{name: _on_text(JINJA[name]) for name in _ON_TEXT},
    "date": _date,
    "indent": _indent,
    "money": _money,
    "percent": _percent,
    "replace": _replace,
    "round": _round,
    "truncate": _truncate,
}
"""All filters but those that escape, which `Environment` adds."""
