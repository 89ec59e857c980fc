"""Events that are about no model."""

import pytest

from tests.catalog.history import moment
from watcher.catalog.event import heartbeat_event, undelivered_event


@pytest.mark.parametrize(("alerts", "says"), [(1, "1 alert could"), (3, "3 alerts could")])
def test_lost_alerts_are_announced_with_their_channel_number_and_reason(alerts: int, says: str) -> None:
    lost = undelivered_event("team", alerts, "HTTP 410", moment("05:00"), moment("01:00"))
    assert (lost.kind, lost.name, lost.model) == ("undelivered", "team", None)
    assert (lost.at, lost.since) == (moment("05:00"), moment("01:00"))
    assert str(lost.detail).startswith(says)
    assert "HTTP 410" in str(lost.detail)


@pytest.mark.parametrize(
    ("models", "changes", "trouble", "says"),
    [
        (460, 3, None, "Watched 460 models, 3 changes since the last one."),
        (1, 1, None, "Watched 1 model, 1 change since the last one."),
        (2, 0, "HTTP 500", "Watched 2 models, no change since the last one. But the last poll was not good: HTTP 500"),
    ],
)
def test_a_heartbeat_says_what_was_watched(models: int, changes: int, trouble: str | None, says: str) -> None:
    made = heartbeat_event(models, changes, trouble, moment("05:00"), moment("01:00"))
    assert (made.kind, made.model, made.since, made.detail) == ("alive", None, moment("01:00"), says)
