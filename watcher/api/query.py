"""The query parameters of `GET /models`: reading them, and choosing models by them.

Models are raw documents, which may be broken. A broken one passes no filter. `distillable`, `zdr` and `region` are
accepted and change nothing, as the documents do not hold them. Unknown parameters are ignored, as by the API.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

OUTPUTS = frozenset(["text", "image", "audio", "embeddings", "video", "rerank", "speech", "transcription"])
"""The values of `output_modalities`, besides `all`."""

MAX_LIMIT = 1000
DEFAULT_LIMIT = 500
"""Models on a page if `offset` comes without `limit`."""

_WORDS = {
    "programming": r"cod(?:e|er|ex|ing)|devstral|programming|repositor|software",
    "roleplay": r"roleplay|story|storyteller|adventure",
    "marketing": r"marketing|seo",
    "marketing/seo": r"seo",
    "technology": r"technology|agent|tool|software",
    "science": r"science|mathematics|research",
    "translation": r"translation|multilingual|languages",
    "legal": r"legal|law",
    "finance": r"financ",
    "health": r"health|medic",
    "trivia": r"trivia",
    "academia": r"academia|academic|textbook",
}
CATEGORIES = {name: re.compile(rf"\b(?:{words})", re.IGNORECASE) for name, words in _WORDS.items()}
"""The values of `category`. The API's documents do not name any, so they are guessed from name and description."""

_BOOLEANS = {"": False, "false": False, "true": True}
_MILLION = Decimal(1_000_000)


class BadQueryError(ValueError):
    """A parameter has a value that the API answers with 400. The message names it."""


@dataclass(frozen=True)
class Query:
    """The parameters of one request by name. Repeated ones are joined with commas, empty ones left out."""

    values: Mapping[str, str]

    @classmethod
    def parse(cls, text: str, names: Collection[str] | None = None) -> "Query":
        """Read a raw query string; only `names` count if they are given.

        Raises BadQueryError if it is not percent-encoded UTF-8 or has more than 100 fields.
        """
        try:
            pairs = parse_qsl(text, errors="strict", max_num_fields=100)
        except ValueError as error:  # UnicodeDecodeError is one too
            raise BadQueryError("The query string cannot be read") from error
        values: dict[str, str] = {}
        for name, value in pairs:
            if names is None or name in names:
                values[name] = f"{values[name]},{value}" if name in values else value
        return cls(values)

    def words(self, name: str) -> frozenset[str]:
        """Return the words of a comma-separated value, in lower case."""
        return frozenset(word.strip().lower() for word in self.values.get(name, "").split(",") if word.strip())

    def flag(self, name: str) -> bool:
        """Return the value of `"true"` or `"false"`; false if it is not given."""
        value = self.values.get(name, "").lower()
        if value not in _BOOLEANS:
            raise BadQueryError(f'"{name}" must be "true" or "false"')
        return _BOOLEANS[value]

    def integer(self, name: str, low: int = 0, high: int = 10**12) -> int | None:
        """Return a whole number within bounds; None if it is not given."""
        value = self.values.get(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 13 and low <= int(value) <= high):
            raise BadQueryError(f'"{name}" must be a whole number from {low} to {high}')
        return int(value)

    def decimal(self, name: str) -> Decimal | None:
        """Return a number of at least 0; None if it is not given."""
        value = self.values.get(name)
        if value is None:
            return None
        number = to_decimal(value)
        if number is None or number < 0:
            raise BadQueryError(f'"{name}" must be a number of at least 0')
        return number

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """Return one of `choices`; None if it is not given."""
        value = self.values.get(name)
        if value is not None and value not in choices:
            raise BadQueryError(f'"{name}" must be one of: {", ".join(sorted(choices))}')
        return value

    def page(self, items: Sequence[Any], url: str) -> tuple[Sequence[Any], str | None]:
        """Return the page of `items` for `offset` and `limit`, and the URL of the next one, if there is one.

        Without both parameters the page is everything.
        """
        offset, limit = self.integer("offset"), self.integer("limit", 1, MAX_LIMIT)
        if offset is None and limit is None:
            return items, None
        start, size = offset or 0, limit or DEFAULT_LIMIT
        end = start + size
        filters = {name: text for name, text in self.values.items() if name not in ("offset", "limit")}
        more = {**filters, "offset": str(end), "limit": str(size)}
        return items[start:end], f"{url}?{urlencode(more)}" if end < len(items) else None


def select(query: Query, catalogue: Iterable[Any], now: datetime, default_output: str = "text") -> list[Any]:
    """Return the models that the query asks for, in its order, all pages.

    `default_output` stands in for an `output_modalities` that is not given. Raises BadQueryError.
    """
    tests = list(_tests(query, now, default_output))
    chosen = [model for model in catalogue if all(test(model) for test in tests)]
    sort = query.choice("sort", _SORTS)
    key = _SORTS[sort] if sort else None
    return sorted(chosen, key=key) if key else chosen


def value(model: Any, *path: str) -> Any:
    """Return the value at `path` in a document that may be broken; None if there is none."""
    for key in path:
        if not isinstance(model, Mapping):
            return None
        model = model.get(key)
    return model


def per_million(model: Any, key: str) -> Decimal | None:
    """Return a price in USD per million tokens; None if it varies (`-1`) or is not a price."""
    price = to_decimal(value(model, "pricing", key))
    return price * _MILLION if price is not None and price >= 0 else None


def to_decimal(text: object) -> Decimal | None:
    """Return a finite number from its decimal spelling, or None."""
    if not isinstance(text, str):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    # Arithmetic on a huge exponent can take all memory.
    return number if number.is_finite() and abs(number.adjusted()) < 100 else None


def _words_of(model: Any, *path: str) -> frozenset[str]:
    words = value(model, *path)
    return frozenset(str(word).lower() for word in words) if isinstance(words, list) else frozenset()


def _tests(query: Query, now: datetime, default_output: str) -> Iterable[Callable[[Any], bool]]:
    outputs = query.words("output_modalities") or {default_output}
    if unknown := outputs - OUTPUTS - {"all"}:
        raise BadQueryError(f'"output_modalities" does not know {", ".join(sorted(unknown))}')
    if "all" not in outputs:
        yield lambda model: not outputs.isdisjoint(_words_of(model, "architecture", "output_modalities"))
    if inputs := query.words("input_modalities"):
        yield lambda model: not inputs.isdisjoint(_words_of(model, "architecture", "input_modalities"))
    if parameters := query.words("supported_parameters"):
        yield lambda model: parameters <= _words_of(model, "supported_parameters")
    if (category := query.choice("category", CATEGORIES)) is not None:
        pattern = CATEGORIES[category]
        yield lambda model: pattern.search(f"{value(model, 'name')} {value(model, 'description')}") is not None
    if words := query.values.get("q", "").lower().split():
        yield lambda model: all(word in f"{value(model, 'id')} {value(model, 'name')}".lower() for word in words)
    if families := query.words("arch"):
        yield lambda model: str(value(model, "architecture", "tokenizer")).lower() in families
    if authors := query.words("model_authors"):
        yield lambda model: author(model).lower() in authors
    if providers := query.words("providers"):
        yield lambda model: provider(model).lower() in providers
    if (context := query.integer("context")) is not None:
        yield lambda model: _number(value(model, "context_length")) >= context
    for prefix, key in (("", "prompt"), ("output_", "completion")):
        low, high = query.decimal(f"min_{prefix}price"), query.decimal(f"max_{prefix}price")
        if low is not None or high is not None:
            yield partial(_price_within, key, low, high)
    youngest, oldest = (query.integer(f"{end}_age_days", high=36500) for end in ("min", "max"))
    if youngest is not None or oldest is not None:
        yield partial(_age_within, now, youngest, oldest)


def author(model: Any) -> str:
    """Return the author in the id, without an alias's tilde."""
    return str(value(model, "id")).removeprefix("~").partition("/")[0]


def provider(model: Any) -> str:
    """Return the host of the model. The document only has the author's name (`OpenAI: GPT-4`)."""
    before, colon, _ = str(value(model, "name")).partition(":")
    return before if colon else author(model)


def _price_within(key: str, low: Decimal | None, high: Decimal | None, model: Any) -> bool:
    price = per_million(model, key)
    return price is not None and (low is None or low <= price) and (high is None or price <= high)


def _age_within(now: datetime, low: int | None, high: int | None, model: Any) -> bool:
    created = value(model, "created")
    if not isinstance(created, int | float):
        return False
    days = (now.timestamp() - created) / 86400
    return (low is None or low <= days) and (high is None or days <= high)


def newest_first(models: Iterable[Any]) -> list[Any]:
    """Return the models sorted by `created`, those without one last."""
    return sorted(models, key=lambda model: -_number(value(model, "created")))


def _price_rank(model: Any, sign: int) -> tuple[bool, Decimal, Decimal]:
    """Return a key to sort by prompt, then completion price. Models without a fixed price come last both ways."""
    prompt, completion = per_million(model, "prompt"), per_million(model, "completion")
    return prompt is None, (prompt or Decimal(0)) * sign, (completion or Decimal(0)) * sign


def _number(found: object) -> float:
    return found if isinstance(found, int | float) else 0


_SORTS: Mapping[str, Callable[[Any], Any] | None] = {
    "newest": lambda model: -_number(value(model, "created")),
    "context-high-to-low": lambda model: -_number(value(model, "context_length")),
    "pricing-low-to-high": partial(_price_rank, sign=1),
    "pricing-high-to-low": partial(_price_rank, sign=-1),
    # The documents do not hold the figures for these, so they keep the order.
    **dict.fromkeys(("throughput-high-to-low", "latency-low-to-high", "most-popular", "top-weekly")),
    **dict.fromkeys(("intelligence-high-to-low", "coding-high-to-low", "agentic-high-to-low")),
}
