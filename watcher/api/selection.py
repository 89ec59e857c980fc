"""Choosing models by the parameters of `GET /models`.

Models are raw documents, which may be broken. A broken one passes no filter. A filter or an order by what no document
holds raises UnavailableError: the list as it is would be a wrong answer.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from watcher.api.query import BadQueryError, Query, UnavailableError, to_decimal

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

OUTPUTS = frozenset({"text", "image", "audio", "embeddings", "video", "rerank", "decisions", "speech", "transcription"})
"""The values of `output_modalities`, besides `all`."""

INPUTS = frozenset({"text", "image", "file", "audio", "video"})
"""The values of `input_modalities`."""

_INDICES = ("intelligence_index", "coding_index", "agentic_index")
_SCORE_SORTS = {
    "intelligence-high-to-low": "intelligence_index",
    "coding-high-to-low": "coding_index",
    "agentic-high-to-low": "agentic_index",
    "design-arena-elo-high-to-low": "elo",
}
_UNKNOWN_SORTS = frozenset({"throughput-high-to-low", "latency-low-to-high", "most-popular", "top-weekly"})
_SORTS = (
    {"newest", "pricing-low-to-high", "pricing-high-to-low", "context-high-to-low"} | {*_SCORE_SORTS} | _UNKNOWN_SORTS
)
_UNKNOWN_CHOICES = {"zdr": ("true",), "region": ("eu", "us"), "distillable": ("true", "false")}
_MILLION = Decimal(1_000_000)


def select(query: Query, catalogue: Iterable[Any], now: datetime, default_output: str = "text") -> list[Any]:
    """Return the models that the query asks for, in its order, all pages.

    `default_output` stands in for an `output_modalities` that is not given. Raises BadQueryError or UnavailableError.
    """
    models = list(catalogue)
    sort = query.choice("sort", _SORTS)
    tests = [*_tests(query, default_output), *_range_tests(query, now, models)]
    _refuse_unknown(query, sort)
    if sort in _SCORE_SORTS:
        _require_scores(_SCORE_SORTS[sort], models)
    return _sorted([model for model in models if all(test(model) for test in tests)], sort)


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


def _words_of(model: Any, *path: str) -> frozenset[str]:
    words = value(model, *path)
    return frozenset(str(word).lower() for word in words) if isinstance(words, list) else frozenset()


Test = Callable[[Any], bool]


def _tests(query: Query, default_output: str) -> Iterable[Test]:
    outputs = query.words("output_modalities") or {default_output}
    if unknown := outputs - OUTPUTS - {"all"}:
        raise BadQueryError(f'"output_modalities" does not know {", ".join(sorted(unknown))}')
    if "all" not in outputs:
        yield lambda model: not outputs.isdisjoint(_words_of(model, "architecture", "output_modalities"))
    if inputs := query.words("input_modalities"):
        if unknown := inputs - INPUTS:
            raise BadQueryError(f'"input_modalities" does not know {", ".join(sorted(unknown))}')
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
    if (context := query.integer("context", 1)) is not None:
        yield lambda model: _number(value(model, "context_length")) >= context


Measure = Callable[[Any], Decimal | float | None]


def _range_tests(query: Query, now: datetime, models: Sequence[Any]) -> Iterable[Test]:
    """Yield the tests of the parameters that have a least and a most. A model without the figure is out of range."""
    measures: dict[str, Measure] = {
        "price": lambda model: per_million(model, "prompt"),
        "output_price": lambda model: per_million(model, "completion"),
        "age_days": lambda model: _age_days(model, now),
        **{name: partial(_score, name=name) for name in _INDICES},
    }
    for name, measure in measures.items():
        read = partial(query.integer, high=36500) if name == "age_days" else query.decimal
        low, high = read(f"min_{name}"), read(f"max_{name}")
        if low is None and high is None:
            continue
        if name in _INDICES:
            _require_scores(name, models)
        yield partial(_is_within, measure, low, high)


def _is_within(measure: Measure, low: Decimal | int | None, high: Decimal | int | None, model: Any) -> bool:
    found = measure(model)
    return found is not None and (low is None or low <= found) and (high is None or found <= high)


def _refuse_unknown(query: Query, sort: str | None) -> None:
    """Raise UnavailableError for a valid parameter that needs what no document holds. Raises BadQueryError."""
    rates = ("min_tool_success_rate", "max_tool_success_rate")
    asked = [name for name in rates if query.decimal(name, 1) is not None]
    asked += [name for name, known in _UNKNOWN_CHOICES.items() if query.choice(name, known) is not None]
    if sort in _UNKNOWN_SORTS:
        asked.append(f"sort={sort}")
    if asked:
        raise UnavailableError(f"{', '.join(asked)}: the list of models does not hold the data for this")


def _require_scores(name: str, models: Sequence[Any]) -> None:
    if all(_score(model, name) is None for model in models):
        raise UnavailableError(f"No model here has a benchmark for {name}")


def _score(model: Any, name: str) -> float | None:
    """Return an index of Artificial Analysis, or `elo`, the best one in Design Arena; None if the model has none."""
    found = [value(model, "benchmarks", "artificial_analysis", name)]
    if name == "elo":
        arenas = value(model, "benchmarks", "design_arena")
        found = [value(arena, "elo") for arena in arenas] if isinstance(arenas, list) else []
    return max((number for number in found if isinstance(number, int | float)), default=None)


def author(model: Any) -> str:
    """Return the author in the id, without an alias's tilde."""
    return str(value(model, "id")).removeprefix("~").partition("/")[0]


def provider(model: Any) -> str:
    """Return the host of the model. The document only has the author's name (`OpenAI: GPT-4`)."""
    before, colon, _ = str(value(model, "name")).partition(":")
    return before if colon else author(model)


def _age_days(model: Any, now: datetime) -> float | None:
    created = value(model, "created")
    return (now.timestamp() - created) / 86400 if isinstance(created, int | float) else None


def _sorted(models: list[Any], by: str | None) -> list[Any]:
    if by == "newest":
        return newest_first(models)
    if by == "context-high-to-low":
        return sorted(models, key=lambda model: -_number(value(model, "context_length")))
    if by in ("pricing-low-to-high", "pricing-high-to-low"):
        sign = 1 if by == "pricing-low-to-high" else -1
        return sorted(models, key=lambda model: _price_rank(model, sign))
    if by in _SCORE_SORTS:
        scores = [(_score(model, _SCORE_SORTS[by]), model) for model in models]
        return [model for _, model in sorted(scores, key=lambda pair: (pair[0] is None, -(pair[0] or 0)))]
    return models


def newest_first(models: Iterable[Any]) -> list[Any]:
    """Return the models sorted by `created`, those without one last."""
    return sorted(models, key=lambda model: -_number(value(model, "created")))


def _price_rank(model: Any, sign: int) -> tuple[bool, Decimal]:
    """Return a key to sort by the average of prompt and completion. Models without fixed prices come last both ways."""
    prompt, completion = per_million(model, "prompt"), per_million(model, "completion")
    if prompt is None or completion is None:
        return True, Decimal(0)
    return False, (prompt + completion) * sign


def _number(found: object) -> float:
    return found if isinstance(found, int | float) else 0
