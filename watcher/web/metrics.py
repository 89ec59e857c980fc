"""`/metrics`: figures for Prometheus, read from the database at each scrape."""

import math
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from watcher import __version__
from watcher.api import answer as api
from watcher.catalog.event import offer
from watcher.catalog.model import KINDS
from watcher.catalog.price import VARIES
from watcher.catalog.pricing import TOKEN_PRICES
from watcher.config.settings import Config
from watcher.rules.rules import my_models
from watcher.store.outbox import GIVEN_UP, PENDING, SENT, Condition
from watcher.store.session import Session
from watcher.store.store import Store
from watcher.web.access import Asked
from watcher.web.answers import Answer

METRICS = "/metrics"
"""The path in the URL."""
_MOST_PRICES = 500
"""Series of prices: each is a time series that Prometheus has to store."""
_OUTCOMES = ("good", "refused", "failed", "overtaken")


class Metrics:
    """Answers scrapes."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._lock = threading.Lock()
        self._last_poll: int | None = None
        self._polls: Counter[str] = Counter(dict.fromkeys(_OUTCOMES, 0))
        """Polls since the first scrape, by outcome. Old polls are deleted, and a counter must not fall."""

    def answer(self, asked: Asked, now: datetime) -> Answer:
        """Return the figures in the format that the client accepts. Raises StoreError or ConfigError."""
        try:
            encode, content_type = choose_encoder(asked.headers.get("accept", ""))
        except TypeError:  # the client asks for a version that is no number
            encode, content_type = choose_encoder("")
        size = self._store.size
        with self._lock, self._store.reading() as session:
            last = session.version()
            if self._last_poll is not None and self._last_poll < last:
                self._polls.update(session.state.poll_counts(self._last_poll))
            self._last_poll = last
            body = encode(_Figures(session, self._config, self._polls, size, now))
        return Answer(api.ok(body, content_type, "no-store"))


class _Figures(Collector):
    """What one scrape shows. What has no subject any more has no series."""

    def __init__(self, session: Session, config: Config, polls: Counter[str], size: int | None, now: datetime) -> None:
        self._session = session
        self._config = config
        self._polls = polls
        self._size = size
        self._now = now

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("watcher", "The version of openrouter-watcher.", {"version": __version__})
        yield from self._source()
        yield _gauge("models", "Models in the catalogue.", self._session.history.present())
        events = CounterMetricFamily("watcher_events", "Events announced, by kind.", labels=("kind",))
        counts = self._session.history.event_counts()
        for kind in KINDS:
            events.add_metric((kind,), counts.get(kind, 0))
        yield events
        yield from self._channels()
        yield from self._prices()
        if self._size is not None:
            yield _gauge("database_bytes", "Size of the database.", self._size)

    def _source(self) -> Iterator[Metric]:
        polls = CounterMetricFamily("watcher_polls", "Polls since the first scrape, by outcome.", labels=("outcome",))
        for outcome, count in self._polls.items():
            polls.add_metric((outcome,), count)
        yield polls
        good, last = self._session.state.last_good(), self._session.state.last_poll()
        age = math.inf if good is None else self._seconds_since(good)
        yield _gauge("last_good_poll_age_seconds", "Time since the last good poll; +Inf: there was none.", age)
        interval = self._config.source.interval.total_seconds()
        yield _gauge("poll_interval_seconds", "Time between two polls, as configured.", interval)
        if last is not None:
            seconds = last.milliseconds / 1000
            yield _gauge("poll_duration_seconds", "How long the last poll took: the latency of the source.", seconds)

    def _channels(self) -> Iterator[Metric]:
        stored = GaugeMetricFamily(
            "watcher_deliveries", "Deliveries in the database, by channel and state.", labels=("channel", "state")
        )
        oldest = GaugeMetricFamily(
            "watcher_oldest_pending_seconds",
            "How long the oldest delivery that waits is overdue; 0: none is.",
            labels=("channel",),
        )
        failing = GaugeMetricFamily(
            "watcher_channel_failing", "1: the last attempt to send to the channel failed.", labels=("channel",)
        )
        conditions = self._session.outbox.conditions(self._now)
        counts, due = self._session.outbox.counts(), self._session.outbox.oldest_due(self._now)
        names = {channel.name for channel in self._config.channels}
        # A channel that was taken out of the configuration stays only while something waits for it.
        names |= {name for name, condition in conditions.items() if condition.pending or not names}
        for name in sorted(names):
            for state in (PENDING, SENT, GIVEN_UP):
                stored.add_metric((name, state.replace(" ", "_")), counts.get((name, state), 0))
            oldest.add_metric((name,), self._seconds_since(due[name]) if name in due else 0)
            failing.add_metric((name,), conditions.get(name, Condition()).fails)
        yield from (stored, oldest, failing)

    def _prices(self) -> Iterator[Metric]:
        """Yield the prices of mine, those of prompt and completion first where there are too many."""
        mine = my_models(self._session.history.names(), self._config.mine, self._session.state.found_models())
        found = [
            (version.model.id, key, price)
            for version in self._session.history.latest(mine)
            if version.valid_to is None
            for key, price in offer(version.model.facets).prices.items()
            if price != VARIES
        ]
        found.sort(key=lambda series: series[1] not in TOKEN_PRICES)
        family = GaugeMetricFamily(
            "watcher_price_usd",
            "Price of a model of [mine], in USD for one token, request, image or search.",
            labels=("model", "price"),
        )
        for model, key, price in found[:_MOST_PRICES]:
            family.add_metric((model, key), float(price))
        yield family
        yield _gauge("prices_left_out", "Prices of [mine] beyond the number of series.", len(found[_MOST_PRICES:]))

    def _seconds_since(self, moment: datetime) -> float:
        return max((self._now - moment).total_seconds(), 0)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"watcher_{name}", meaning, value)
