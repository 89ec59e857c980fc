"""The simulator serves the API over a real socket."""

from tests.simulator.conftest import client, simulator

__all__ = ["client", "simulator"]
