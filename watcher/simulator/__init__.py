"""A pretend OpenRouter: an HTTP server with stories or recorded answers, and faults to switch on."""

from watcher.simulator.faults import FAULTS, Fault
from watcher.simulator.scenes import Scene, recorded_scenes, story_scenes
from watcher.simulator.server import Simulator
from watcher.simulator.story import STORIES, built_in, story_by_name

__all__ = [
    "FAULTS",
    "STORIES",
    "Fault",
    "Scene",
    "Simulator",
    "built_in",
    "recorded_scenes",
    "story_by_name",
    "story_scenes",
]
