"""Every test talks to its own server on its own port, so that they can run side by side."""

from collections.abc import Iterator

import httpx
import pytest

from watcher.simulator import Simulator, story_by_name, story_scenes


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(story_by_name("quiet"))) as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> Iterator[httpx.Client]:
    # Plain HTTP on loopback: loading the certificates of the world would take most of the time.
    with httpx.Client(base_url=simulator.origin, trust_env=False, verify=False, timeout=20) as open_client:
        yield open_client
