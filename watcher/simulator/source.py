"""What the pretend OpenRouter serves: the scenes of a story, or recorded answers of the real one."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from watcher.errors import UsageError
from watcher.simulator.faults import Fault
from watcher.simulator.story import Story, endpoints


@dataclass(frozen=True)
class Scene:
    """One step of a source: its number from 0, a line that says what happens, its time (UTC) and the models.

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


class SceneSource:
    """Scenes, one after the other. The next one is made when `advance` asks for it. Raises UsageError for no scene.

    A simulator calls the methods under its lock.
    """

    default_output = "text"
    """The `output_modalities` of a list without that parameter; `all`: every model."""

    def __init__(self, scenes: Iterable[Scene]) -> None:
        self._scenes = iter(scenes)
        first = next(self._scenes, None)
        if first is None:
            raise UsageError("the archive holds no recorded answer to serve")
        self._scene = first

    def current(self) -> Scene:
        """Return the scene that is served now."""
        return self._scene

    def advance(self) -> Scene | None:
        """Go one step on. At the end nothing changes, and None is returned."""
        following = next(self._scenes, None)
        self._scene = following or self._scene
        return following


class StorySource(SceneSource):
    """The scenes of a story."""

    def __init__(self, story: Story) -> None:
        super().__init__(_scenes(story))


class ArchiveSource(SceneSource):
    """Recorded bodies of `GET /models`. They are served whole, as they show what was asked for at that time."""

    default_output = "all"

    def __init__(self, members: Iterable[tuple[datetime, bytes]]) -> None:
        super().__init__(_recorded(number, at, body) for number, (at, body) in enumerate(members))


def _scenes(story: Story) -> Iterator[Scene]:
    lasting, ended = story.catalogue(), list[str]()
    for number, step in enumerate(story.steps):
        models = step.change(lasting) if step.change else lasting
        if not step.passing:
            lasting = models
        if step.ends is not None:
            ended.append(step.ends)
        offered = endpoints(models, ended)
        yield Scene(number, step.title, story.start + step.at, models, step.fault, endpoints=offered)


def _recorded(number: int, at: datetime, body: bytes) -> Scene:
    title = f"As recorded on {at:%Y-%m-%d %H:%M} UTC"
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    models = document.get("data") if isinstance(document, dict) else None
    return Scene(number, title, at, models if isinstance(models, list) else None, body=body)
