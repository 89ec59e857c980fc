"""Real receivers on loopback, a fresh one for each test."""

from collections.abc import Iterator

import pytest

from tests.receivers import MailServer, Sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.close()
