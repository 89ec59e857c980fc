"""A pretend OpenRouter: a real HTTP server with a story or recorded answers to serve, and faults to switch on.

    with Simulator(StorySource(story_by_name("demo"))) as simulator:
        httpx.get(f"{simulator.url}/models")

Names are loaded when they are first used, so that a command that simulates nothing pays nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watcher.simulator.answer import Answer, Offer, Request
    from watcher.simulator.catalogue import built_in
    from watcher.simulator.faults import FAULTS, Fault
    from watcher.simulator.server import Simulator
    from watcher.simulator.source import ArchiveSource, Moment, Source, StorySource
    from watcher.simulator.story import STORIES, Step, Story, story_by_name
    from watcher.simulator.wire import Recorded

_HOMES = {
    "FAULTS": "faults",
    "STORIES": "story",
    "Answer": "answer",
    "ArchiveSource": "source",
    "Fault": "faults",
    "Moment": "source",
    "Offer": "answer",
    "Recorded": "wire",
    "Request": "answer",
    "Simulator": "server",
    "Source": "source",
    "Step": "story",
    "Story": "story",
    "StorySource": "source",
    "built_in": "catalogue",
    "story_by_name": "story",
}

__all__ = [
    "FAULTS",
    "STORIES",
    "Answer",
    "ArchiveSource",
    "Fault",
    "Moment",
    "Offer",
    "Recorded",
    "Request",
    "Simulator",
    "Source",
    "Step",
    "Story",
    "StorySource",
    "built_in",
    "story_by_name",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
