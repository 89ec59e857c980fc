"""Events that are about no model."""

import pytest

from tests.catalog.history import moment
from watcher.catalog.event import undelivered_event


@pytest.mark.parametrize(("alerts", "says"), [(1, "1 alert could"), (3, "3 alerts could")])
def test_lost_alerts_are_told_with_their_channel_number_and_reason(alerts: int, says: str) -> None:
    lost = undelivered_event("team", alerts, "HTTP 410", moment("05:00"), moment("01:00"))
    assert (lost.kind, lost.name, lost.model) == ("undelivered", "team", None)
    assert (lost.at, lost.since) == (moment("05:00"), moment("01:00"))
    assert str(lost.detail).startswith(says)
    assert "HTTP 410" in str(lost.detail)
