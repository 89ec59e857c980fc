"""What the pretend OpenRouter serves, step by step: the scenes of a story, or recorded answers of the real one."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from watcher.simulator.faults import Fault
from watcher.simulator.story import STEP, Story, endpoints


@dataclass(frozen=True)
class Scene:
    """One step: its number from 0, a line that says what happens, its time (UTC) and the models.

    `models` is None if a recorded body is not a list of models. Then `body` is served as it is.
    """

    number: int
    title: str
    at: datetime
    models: list[Any] | None
    fault: Fault | None = None
    body: bytes = b""
    endpoints: Mapping[str, list[Any]] = field(default_factory=dict)
    """The endpoints of the models that have several; any other has one."""
    default_output: str = "text"
    """The `output_modalities` of a list without that parameter; `all`: every model."""


def story_scenes(story: Story) -> Iterator[Scene]:
    """Yield the scenes of a story."""
    lasting, ended = story.catalogue(), list[str]()
    for number, step in enumerate(story.steps):
        models = step.change(lasting) if step.change else lasting
        if not step.passing:
            lasting = models
        if step.ends is not None:
            ended.append(step.ends)
        offered = endpoints(models, ended)
        yield Scene(number, step.title, story.start + number * STEP, models, step.fault, endpoints=offered)


def recorded_scenes(bodies: Iterable[tuple[datetime, bytes]]) -> Iterator[Scene]:
    """Yield recorded bodies of `GET /models`. They are served whole, as they show what was asked for at that time."""
    for number, (at, body) in enumerate(bodies):
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        data = document.get("data") if isinstance(document, dict) else None
        models = data if isinstance(data, list) else None
        title = f"As recorded on {at:%Y-%m-%d %H:%M} UTC"
        yield Scene(number, title, at, models, body=body, default_output="all")
