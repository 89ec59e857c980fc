"""`[mine]`: the models that this user calls, where their ids stand, and how many tokens they get in a month."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from msgspec import Struct
from msgspec.structs import asdict, force_setattr

from watcher.catalog.model import Tokens, without_routing
from watcher.catalog.option import Option
from watcher.config.parse import PERCENTAGE, Type, WrongValueError, describe, suggestion, text, wrong

MINE = "@mine"
"""The pattern of a channel that stands for the models of `[mine]`."""
ALL = "all"
"""The key of `tokens` that the shares are shares of."""
PATTERNS = 'a list of patterns such as ["anthropic/*", "openai/gpt-*"]'

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
_WRITTEN = text(
    r"[0-9][0-9,]{0,14}(\.[0-9]{1,6})?[kKmMbB]?", 'a number of tokens such as 128000, "128K" or "1.5M"', str.lower
)


def _parse_count(value: object) -> int:
    if type(value) is int and 0 <= value < 10**15:
        return value
    written = _WRITTEN.parse(value).replace(",", "")
    number = written.rstrip("kmb")
    return int(Decimal(number) * _UNITS[written.removeprefix(number)])


TOKEN_COUNT = Type(_parse_count, int, {"anyOf": [{"type": "integer", "minimum": 0}, _WRITTEN.schema]})
"""Reads a number of tokens: 128000, `"128K"`, `"1.5M"`, `"2B"`."""


def _parse_tokens(value: object) -> dict[str, Tokens]:
    if not isinstance(value, dict):
        raise wrong('a table such as { "openai/gpt-4o" = { prompt = "40M", completion = "5M" } }', value)
    mistakes: list[str] = []
    counted: dict[str, Tokens] = {}
    shares: dict[str, Decimal] = {}
    for model, given in value.items():
        try:
            if model != ALL and ("/" not in model or {*"*?["} & {*model}):  # a pattern has no tokens of its own
                raise WrongValueError(f'expected the id of a model or "{ALL}"')
            name = without_routing(model)
            if isinstance(given, str) and model != ALL:
                shares[name] = shares.get(name, Decimal(0)) + PERCENTAGE.parse(given)
            else:
                counted[name] = counted.get(name, Tokens()) + _parse_counts(given)
        except WrongValueError as error:
            mistakes += (f"{describe(model)}: {sentence}" for sentence in error.sentences)
    if shares and ALL not in counted and not mistakes:
        mistakes.append(f'"{ALL}" is missing: the tokens that the percentages are parts of')
    if sum(shares.values()) > 1:
        mistakes.append(f"the percentages are {PERCENTAGE.render(Decimal(sum(shares.values())))} together")
    if mistakes:
        raise WrongValueError(*mistakes)
    total = counted.pop(ALL, Tokens())
    for name, fraction in shares.items():
        counted[name] = counted.get(name, Tokens()) + total.share(fraction)
    return counted


def _parse_counts(value: object) -> Tokens:
    keys = Tokens.__struct_fields__
    if not isinstance(value, dict):
        raise wrong('a table such as { prompt = "40M", completion = "5M", cached = "10M" }, or a part of all', value)
    if unknown := [key for key in value if key not in keys]:
        raise WrongValueError(f"unknown key {describe(unknown[0])}{suggestion(unknown[0], keys)}")
    tokens = Tokens(**{key: TOKEN_COUNT.parse(given) for key, given in value.items()})
    if tokens.cached > tokens.prompt:
        raise WrongValueError("cached is a part of prompt, so it cannot be more")
    return tokens


_COUNTS = {
    "type": "object",
    "properties": dict.fromkeys(Tokens.__struct_fields__, TOKEN_COUNT.schema),
    "additionalProperties": False,
}
TOKENS = Type(
    _parse_tokens,
    lambda tokens: {model: asdict(each) for model, each in tokens.items()},
    {"type": "object", "additionalProperties": {"anyOf": [_COUNTS, PERCENTAGE.schema]}},
)


class MineSettings(Struct, frozen=True):
    """`[mine]`; a model is also mine if `tokens` names it."""

    models: Annotated[
        tuple[str, ...],
        'Ids and patterns of models that you use, such as ["openai/gpt-4o", "anthropic/*"].',
        Option(expected=PATTERNS),
    ] = ()
    paths: Annotated[
        tuple[Path, ...],
        'Files and folders in which each check looks for ids of models, such as ["~/src/app"].',
        Option(expected='a list of files and folders such as ["~/src/app"]'),
    ] = ()
    tokens: Annotated[
        Mapping[str, Tokens],
        TOKENS,
        'Tokens a month by model: { prompt = "40M", completion = "5M", cached = "10M" }, or a part of "all" such as '
        '"70%".',
    ] = {}

    def __post_init__(self) -> None:
        force_setattr(self, "models", tuple(map(without_routing, self.models)))
