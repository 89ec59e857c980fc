"""A pretend OpenRouter: an HTTP server with stories or recorded answers, and faults to switch on."""

from watcher.simulator.faults import FAULTS, Fault
from watcher.simulator.server import Simulator
from watcher.simulator.source import ArchiveSource, Scene, SceneSource, StorySource
from watcher.simulator.story import STORIES, Story, StoryStep, built_in, story_by_name

__all__ = [
    "FAULTS",
    "STORIES",
    "ArchiveSource",
    "Fault",
    "Scene",
    "SceneSource",
    "Simulator",
    "Story",
    "StorySource",
    "StoryStep",
    "built_in",
    "story_by_name",
]
