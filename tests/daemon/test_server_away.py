"""The daemon while its PostgreSQL server is stopped: a server of this test's own, as all others are shared."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.test_loop import World, lines, world
from tests.daemon.test_turns import ON_A_SERVER
from tests.databases import Server, running

__all__ = ["world"]


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path) as server:
        yield server


@ON_A_SERVER
def test_a_server_that_is_away_is_logged_when_it_goes_and_not_each_time(
    world: World, postgresql: Server, caplog: pytest.LogCaptureFixture
) -> None:
    world.told.watchdog = 120
    world.start().passes(60)
    lines(caplog)
    postgresql.stop()
    fed = world.told.count("WATCHDOG=1")
    world.passes(900)
    said = [line for line in lines(caplog) if "The database" in line]
    assert 1 <= len(said) <= 5, said
    assert world.told.count("WATCHDOG=1") == fed
    postgresql.start()
    world.passes(330)
    assert "polls succeed again" in lines(caplog)
    assert world.told.count("WATCHDOG=1") > fed
