"""Measure the announcements from recorded archives against figures from the raw JSON.

`testkit.lasting` has the definitions. It uses none of the measured code.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from statistics import median

from testkit import lasting
from testkit.archive import model_archives
from testkit.lasting import HOUR
from watcher.catalog.decision import Decision, Fetched
from watcher.catalog.model import DEFAULT_KINDS, Event
from watcher.catalog.policy import Policy
from watcher.catalog.price import VARIES
from watcher.catalog.reading import read
from watcher.config.settings import Config, SourceSettings, StoreSettings
from watcher.replay import Replay
from watcher.upstream.archive.members import Capture

POLL = timedelta(minutes=5)
REPEATS = 12


@dataclass(frozen=True)
class Judged:
    """One archive: its captures, and the events that the default settings announce."""

    captures: list[lasting.Capture]
    events: list[Event]
    outcomes: Counter[str]

    @cached_property
    def said(self) -> list[lasting.Announcement]:
        """The events about models."""
        return [_announcement(event) for event in self.events if event.model is not None]

    @cached_property
    def held_12_hours(self) -> lasting.Figures:
        """Figures for states that last half a day."""
        return lasting.measure_prices(self.captures, self.said)

    @cached_property
    def held_24_hours(self) -> lasting.Figures:
        """Figures for states that last a day."""
        return lasting.measure_prices(self.captures, self.said, lasts=24 * HOUR)

    @cached_property
    def held_72_hours(self) -> lasting.Figures:
        """Figures for states that last three days and differ by at least 10%."""
        return lasting.measure_prices(self.captures, self.said, lasts=72 * HOUR, share=Decimal("0.1"))

    @property
    def is_hourly(self) -> bool:
        """Whether captures usually come faster than a price settles."""
        return lasting.cadence(self.captures) < Policy().settle

    @property
    def default_events(self) -> int:
        """The number of events for a channel with the default kinds."""
        return sum(event.kind in DEFAULT_KINDS for event in self.events)

    @property
    def median_delay(self) -> timedelta:
        """The median time from the first capture of a price to its announcement."""
        return median(self.held_12_hours.delays)

    def most_repriced(self, by: str) -> tuple[object, int]:
        """Return the `model` or the time (`at`) with the most reprices, and their number."""
        counts = Counter(getattr(event, by) for event in self.events if event.kind == "repriced")
        return counts.most_common(1)[0]


def judge(archive: Path) -> Judged:
    """Replay an archive."""
    captures: list[lasting.Capture] = []
    decisions: list[Decision] = []
    replay = _replay()
    for at, body in lasting.captures(archive):
        captures.append(lasting.capture(at, body))
        decisions.append(replay.step(Capture(at, body, "")))
    events = [event for decision in decisions for event in decision.events]
    return Judged(captures, events, Counter(decision.outcome for decision in decisions))


def _replay() -> Replay:
    return Replay(Config(None, SourceSettings(), StoreSettings(""), Policy()))


def _announcement(event: Event) -> lasting.Announcement:
    prices = {key: event.prices[key].new for key in lasting.KEYS if key in event.prices}
    numbers = {key: Decimal(-1 if new == VARIES else new) for key, new in prices.items() if new is not None}
    return lasting.Announcement(event.at, event.kind, event.model or "", numbers)


def differences_by_cadence(archive: Path) -> list[str]:
    """Return a line for each difference in the events if each capture repeats every five minutes for an hour.

    A time may differ by one capture. An absence of one capture is ignored, because only its repetitions confirm it.
    """
    once, often = _replay(), _replay()
    events_once, events_often = [], []
    captures: list[lasting.Capture] = []
    recorded = list(lasting.captures(archive))
    for (at, body), following in zip(recorded, [*recorded[1:], None], strict=True):
        captures.append(lasting.capture(at, body))
        snapshot = read([body])
        events_once += once.decide(at, Fetched(snapshot)).events
        for number in range(REPEATS + 1):
            if following is None or at + number * POLL < following.at:
                events_often += often.decide(at + number * POLL, Fetched(snapshot)).events
    brief = {absence.model for absence in lasting.absences(captures) if absence.captures == 1}
    times_once, times_often = _times(events_once, brief), _times(events_often, brief)
    gap = dict(pairwise(shot.at for shot in captures))
    before = {later: earlier for earlier, later in gap.items()}
    found = []
    for about in sorted(times_once.keys() | times_often.keys()):
        expected, actual = times_once[about], times_often[about]
        if len(expected) != len(actual):
            found.append(f"{' '.join(about)}: {len(expected)} events, {len(actual)} with repetitions")
            continue
        for at, other in zip(expected, actual, strict=True):
            if not before[at] <= other <= gap.get(at, other):
                found.append(f"{' '.join(about)}: at {at}, with repetitions at {other}")
    return found


def _times(events: Iterable[Event], brief: set[str]) -> dict[tuple[str, str], list[datetime]]:
    times: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for event in events:
        if event.kind not in ("expired", "returned") or event.model not in brief:
            times[event.kind, event.model or "*"].append(event.at)
    return times


def main() -> None:
    """Print the figures of every archive."""
    archives = model_archives()
    if not archives:
        print("This benchmark needs recorded archives: set WATCHER_DATA to their folder.")
    for archive in archives:
        _report(archive)


def _report(archive: Path) -> None:
    judged = judge(archive)
    half_day, day, three_days = judged.held_12_hours, judged.held_24_hours, judged.held_72_hours
    model, moves = judged.most_repriced("model")
    moment, at_once = judged.most_repriced("at")
    hourly = judged.is_hourly
    rows = (
        (
            "reprices that held 12 hours",
            f"{half_day.lasted:.1%} of {half_day.repriced}",
            "98%" if hourly else "97.5%",
        ),
        ("reprices that held 24 hours", f"{day.lasted:.1%} of {day.repriced}", "90%"),
        (
            "changes of 12 hours announced",
            f"{half_day.announced:.1%} of {half_day.changes}",
            "100%" if hourly else "",
        ),
        ("of 72 hours and 10% announced", f"{three_days.announced:.1%} of {three_days.changes}", "100%"),
        ("announced twice", len(half_day.twice), "0"),
        ("errors in new, expired, returned", len(lasting.measure_presence(judged.captures, judged.said)), "0"),
        ("events of the default kinds", judged.default_events, "111" if hourly else ""),
        ("events of all kinds", len(judged.events), ""),
        ("most reprices of one model", f"{moves} ({model})", "12"),
        ("most reprices in one capture", f"{at_once} ({moment})", ""),
        ("reprices of newly stated tiers", len(lasting.measure_rollouts(judged.captures, judged.said)), "0"),
        ("median delay", f"{judged.median_delay / HOUR:.1f} h", "9 h"),
        ("differences if polled every 5 min", len(differences_by_cadence(archive)), "0" if hourly else ""),
    )
    print(f"{archive.name}: {len(judged.captures)} captures, {lasting.cadence(judged.captures) / HOUR:.1f} h apart")
    for what, figure, goal in rows:
        print(f"  {what:<36}{figure}" + (f"  (goal {goal})" if goal else ""))
    for line in (*three_days.missed, *half_day.twice):
        print(f"    {line}")
