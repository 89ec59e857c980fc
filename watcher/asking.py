"""Asking for the endpoints of models: each of mine once an hour, spread over the polls, and politely.

due → ask → Endpoints, one a model      a failure is noted for its model, and never makes the poll fail
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING

from watcher.catalog.decision import Known
from watcher.catalog.endpoints import Endpoints, read_endpoints
from watcher.catalog.reading import UnreadableError
from watcher.config.settings import Config
from watcher.errors import SourceError
from watcher.redaction import redact
from watcher.rules.rules import my_models
from watcher.upstream.errors import NotPromisedError, StatusError, TooLargeError

if TYPE_CHECKING:
    from watcher.upstream.client import Client

EVERY = timedelta(hours=1)
"""Time between two calls for the same model, and what `endpoints_per_hour` is counted over."""
LONGEST_ASKED = timedelta(days=1)
"""The source's wish not to be called (`Retry-After`) is respected up to this."""
_LONGEST = 60.0
"""Seconds for all calls of one poll; what was not asked for is asked for at the next one."""


def due(known: Known, config: Config, now: datetime) -> list[str]:
    """Return the models whose endpoints are to be asked for now, those that wait longest first."""
    source = config.source
    if known.endpoints_not_before is not None and now < known.endpoints_not_before <= now + LONGEST_ASKED:
        return []
    mine = my_models((key for key, state in known.states.items() if state.present), config.mine, known.mine)
    since = source.interval if known.last_poll is None else now - known.last_poll
    share = min(since, EVERY) / EVERY if since > timedelta(0) else 0.0
    asked = {key: one.asked for key, one in known.asked.items()}
    recent = {key for key, at in asked.items() if now - EVERY < at <= now}  # a wrong clock wrote a time in the future
    most = min(ceil(min(len(mine), source.endpoints_per_hour) * share), source.endpoints_per_hour - len(recent))
    never = datetime.min.replace(tzinfo=UTC)
    waiting = sorted({*mine} - recent, key=lambda key: (asked.get(key, never), key))
    return waiting[: max(most, 0)]


def ask(
    source: "Client",
    models: Iterable[str],
    known: Known,
    now: datetime,
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[tuple[Endpoints, ...], datetime | None]:
    """Return the answers about the endpoints of these models, and until when the source does not want more calls.

    The first failure that is not about one model alone ends it.
    """
    answers: list[Endpoints] = []
    start = monotonic()
    for model in models:
        if monotonic() - start > _LONGEST:
            break
        link = known.states[model].model.facets.get("links.details")
        try:
            answers.append(read_endpoints(model, source.endpoints(model, link)))
        except UnreadableError as error:
            answers.append(Endpoints(model, error=redact(str(error))))
        except SourceError as error:
            answers.append(Endpoints(model, error=str(error)))
            status = error.status if isinstance(error, StatusError) else None
            wait = error.retry_after if isinstance(error, StatusError) else None
            if wait is not None or status == 429:
                seconds = EVERY.total_seconds() if wait is None else wait
                return tuple(answers), now + min(timedelta(seconds=seconds), LONGEST_ASKED)
            if status not in (400, 404) and not isinstance(error, NotPromisedError | TooLargeError):
                break
    return tuple(answers), None
