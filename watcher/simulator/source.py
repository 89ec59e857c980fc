"""Where the pretend OpenRouter has its models from: a story, or recorded answers of the real one."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from watcher.errors import UsageError
from watcher.simulator.faults import Fault
from watcher.simulator.story import Story


@dataclass(frozen=True)
class Scene:
    """One step of a source: its number from 0, a line that tells what happens, when it is (UTC), and what is there.

    `models` is None where a recorded body is no models list; `body` is then served as it is.
    """

    number: int
    title: str
    at: datetime
    models: list[Any] | None
    fault: Fault | None = None
    body: bytes = b""


class SceneSource(Protocol):
    """What a simulator serves. Its methods are called under the simulator's lock."""

    default_output: str
    """What the list is narrowed to without `output_modalities`: `text` as upstream, or `all` for no narrowing."""

    def current(self) -> Scene:
        """The scene that is served now."""

    def advance(self) -> Scene | None:
        """Goes one step on; None, and no step, when the source is at its end."""


class StorySource:
    """The scenes of a story."""

    default_output = "text"

    def __init__(self, story: Story) -> None:
        self._story = story
        self._lasting = story.catalogue()
        self._scene = self._at(0)

    def current(self) -> Scene:
        """The step that is told now."""
        return self._scene

    def advance(self) -> Scene | None:
        """The next step, or None after the last."""
        number = self._scene.number + 1
        if number >= len(self._story.steps):
            return None
        self._scene = self._at(number)
        return self._scene

    def _at(self, number: int) -> Scene:
        step = self._story.steps[number]
        models = step.change(self._lasting) if step.change else self._lasting
        if not step.passing:
            self._lasting = models
        return Scene(number, step.title, self._story.start + step.at, models, step.fault)


class ArchiveSource:
    """ReceivedRequest bodies of `GET /models`, one after the other, read only when their turn comes.

    A recording shows the list as it was asked for then, so without `output_modalities` all of it is served.
    """

    default_output = "all"

    def __init__(self, members: Iterable[tuple[datetime, bytes]]) -> None:
        """Reads the first member. Raises UsageError when there is none."""
        self._members = enumerate(members)
        first = self._next()
        if first is None:
            raise UsageError("the archive holds no recorded answer to serve")
        self._scene = first

    def current(self) -> Scene:
        """The recording that is served now."""
        return self._scene

    def advance(self) -> Scene | None:
        """The next recording, or None after the last."""
        following = self._next()
        if following is not None:
            self._scene = following
        return following

    def _next(self) -> Scene | None:
        for number, (at, body) in self._members:
            models = _models(body)
            title = f"As recorded on {at:%Y-%m-%d %H:%M} UTC"
            return Scene(number, title, at, models, body=b"" if models is not None else body)
        return None


def _models(body: bytes) -> list[Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    models = document.get("data") if isinstance(document, dict) else None
    return models if isinstance(models, list) else None
