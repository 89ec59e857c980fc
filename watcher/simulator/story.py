"""Stories: catalogues that change step by step.

They begin with `catalogue.json` beside this file: one model a line, as `GET /api/v1/models` would list it. Ids, prices
and dates are those of early 2026; the descriptions are our own. It has examples of all that is hard to read: variants,
aliases, conditional prices, odd spellings.

The change of a step holds for all later steps, unless the step is `passing`: then it holds for that step alone, as its
fault does.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from importlib.resources import files
from itertools import chain, repeat
from typing import Any

from watcher.errors import UsageError
from watcher.simulator.faults import Fault

Document = dict[str, Any]
"""One model as the API writes it: a JSON object."""
Models = list[Document]
Change = Callable[[Models], Models]

STEP = timedelta(hours=1)
"""The time between two steps: a story has room for the three hours in which a price must hold still."""


@dataclass(frozen=True)
class StoryStep:
    """One step of a story: a line to print, and what happens."""

    title: str
    change: Change | None = None
    fault: Fault | None = None
    passing: bool = False
    ends: str | None = None
    """The tag of a provider that offers nothing from here on."""


@dataclass(frozen=True)
class Story:
    """A catalogue and its steps. `start` is in UTC; the first step is the state at the start."""

    name: str
    start: datetime
    catalogue: Callable[[], Models]
    steps: tuple[StoryStep, ...]


def built_in() -> Models:
    """Return the built-in catalogue, newest first: a fresh copy that the caller may change."""
    models: Models = json.loads((files("watcher.simulator") / "catalogue.json").read_text("utf-8"))
    return models


def story_by_name(name: str) -> Story:
    """Return the story of that name. Raises UsageError if there is none."""
    if name not in STORIES:
        raise UsageError(f'there is no story "{name}"; there are {", ".join(STORIES)}')
    return STORIES[name]


HOSTS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "anthropic/claude-haiku-4.5": (
        ("Anthropic", "anthropic", "unknown"),
        ("Google", "google-vertex", "unknown"),
        ("Amazon Bedrock", "amazon-bedrock", "unknown"),
    ),
    "deepseek/deepseek-v3.2": (
        ("DeepSeek", "deepseek", "fp8"),
        ("AtlasCloud", "atlas-cloud/fp8", "fp8"),
        ("Novita", "novita/bf16", "bf16"),
    ),
}
"""The models with several providers: name, tag and quantization of each, the top one first."""


def endpoints(models: Models, ended: Collection[str]) -> dict[str, list[Document]]:
    """Return the endpoints of the models with several: the top one at today's price, the others at the first price."""
    start = {model["id"]: model["pricing"] for model in built_in()}
    return {
        model["id"]: [
            {"provider_name": name, "tag": tag, "quantization": quantization, "pricing": pricing}
            for (name, tag, quantization), pricing in zip(
                HOSTS[model["id"]], chain([model["pricing"]], repeat(start[model["id"]])), strict=False
            )
            if tag not in ended
        ]
        for model in models
        if model["id"] in HOSTS
    }


# Changes. Each returns another catalogue; `partial` fills in the model it is about.


def appears(id_: str, models: Models) -> Models:
    """Add the built-in model `id_` to the list, at its place by age."""
    newcomer = next(model for model in built_in() if model["id"] == id_)
    return sorted([newcomer, *models], key=lambda model: -int(model["created"]))


def vanishes(chosen: Callable[[str], bool], models: Models) -> Models:
    """Remove the models whose id is chosen."""
    return [model for model in models if not chosen(model["id"])]


def repriced(id_: str, prices: Mapping[str, str], models: Models) -> Models:
    """Change prices of model `id_`, in USD per million tokens by price key."""
    per_token = {key: format(Decimal(price).scaleb(-6).normalize(), "f") for key, price in prices.items()}
    return _edited(id_, lambda model: {**model, "pricing": {**model["pricing"], **per_token}}, models)


def moves(id_: str, target: str, models: Models) -> Models:
    """Let alias `id_` point to model `target`. It takes over all but the name of that model."""
    new = next(model for model in models if model["id"] == target)
    facts = {
        "id": id_,
        "canonical_slug": id_,
        "description": f"Always the newest of its line; today {new['name']}.",
        "alias_target": {"slug": target, "name": new["name"]},
    }
    return _edited(id_, lambda model: new | facts | {key: model[key] for key in ("name", "links")}, models)


def ends_on(id_: str, date: str, models: Models) -> Models:
    """Give model `id_` an expiration date, `YYYY-MM-DD`."""
    return _edited(id_, lambda model: {**model, "expiration_date": date}, models)


def _edited(id_: str, edit: Callable[[Document], Document], models: Models) -> Models:
    return [edit(model) if model["id"] == id_ else model for model in models]


def _demo() -> Story:
    newcomer, haiku = "openai/gpt-5.2-codex", "anthropic/claude-haiku-4.5"
    steps = (
        StoryStep("The first check: everything is recorded, nothing is announced"),
        StoryStep("An hour later nothing has changed"),
        StoryStep(
            "GPT-5.2-Codex appears; DeepSeek's night rate begins, as it does every day", partial(appears, newcomer)
        ),
        StoryStep(
            "Claude Haiku 4.5 is a fifth cheaper", partial(repriced, haiku, {"prompt": "0.8", "completion": "4"})
        ),
        StoryStep("Grok 4 costs more", partial(repriced, "x-ai/grok-4", {"prompt": "4", "completion": "18"})),
        StoryStep("MiMo-V2-Flash becomes free", partial(repriced, "xiaomi/mimo-v2-flash", _FREE)),
        StoryStep("Quiet: the cheaper Haiku has lasted three hours"),
        StoryStep("So has the dearer Grok; AtlasCloud is gone from the providers", ends="atlas-cloud/fp8"),
        StoryStep("Quiet: and so has the free MiMo"),
        StoryStep("qwen3-coder:free is gone, qwen3-coder stays", partial(vanishes, "qwen/qwen3-coder:free".__eq__)),
        StoryStep("It is still gone: now it counts; DeepSeek is back to its day rate"),
        StoryStep(
            "The GPT Codex alias moves on to GPT-5.2-Codex", partial(moves, "~openai/gpt-codex-latest", newcomer)
        ),
        StoryStep("Claude 3 Haiku gets an end date", partial(ends_on, "anthropic/claude-3-haiku", "2026-03-16")),
        StoryStep("A glitch: the list is empty", fault=Fault.named("empty", path="/api/v1/models*")),
        StoryStep("All is there again; the alias has cost what its new target costs for three hours"),
        StoryStep("Another glitch: every Google model is missing", partial(vanishes, _is_google), passing=True),
        StoryStep("They are back: nothing was announced"),
        StoryStep(
            "GPT-4o costs double for an hour",
            partial(repriced, "openai/gpt-4o", {"prompt": "5", "completion": "20"}),
            passing=True,
        ),
        StoryStep("And is back at its price"),
        StoryStep("A quiet hour"),
        StoryStep("Another"),
        StoryStep("Three quiet hours: nothing is left to announce"),
    )
    return Story("demo", _START, lambda: vanishes(newcomer.__eq__, built_in()), steps)


def _is_google(id_: str) -> bool:
    return id_.removeprefix("~").startswith("google/")


_START = datetime(2026, 1, 14, 15, tzinfo=UTC)
"""The afternoon on which the newcomer of the demo really appeared, at 16:48 UTC."""
_FREE = {"prompt": "0", "completion": "0", "input_cache_read": "0"}
_QUIET = (StoryStep("Nothing ever changes"),)

STORIES: Mapping[str, Story] = {story.name: story for story in (_demo(), Story("quiet", _START, built_in, _QUIET))}
"""All stories by name; the first is the default."""
