"""Pictures of prices in the mails of a channel that asks for them."""

from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import blake2b
from logging import getLogger

from msgspec.structs import replace

from watcher.catalog.model import Event
from watcher.catalog.pricing import TOKEN_PRICES
from watcher.catalog.timeline import price_series
from watcher.errors import WatcherError
from watcher.messages.builder import Message
from watcher.messages.chart import chart, series_of
from watcher.messages.headline import headline
from watcher.messages.picture import Picture, png
from watcher.store.listing import Listing
from watcher.store.session import Session
from watcher.store.store import Store

_MOST_PICTURES = 6
"""Of one mail."""
_warn_once = cache(getLogger("watcher").warning)


def with_charts(mails: Sequence[Message], store: str) -> Sequence[Message]:
    """Return mails with pictures of the prices that changed; `store` is the URL of the database.

    They go without, and the log says why, where the pictures cannot be made.
    """
    try:
        with Store(store, read_only=True) as opened, opened.reading() as session:
            return [replace(mail, pictures=tuple(_pictures(session, mail.events))) for mail in mails]
    except WatcherError as error:
        _warn_once("a mail goes without the charts that its channel asks for: %s", str(error))
        return mails


def _pictures(session: Session, events: Sequence[Event]) -> Iterator[Picture]:
    """Yield pictures of the models' prices, where they are numbers: the same for the same events, however often."""
    repriced = {event.model: event for event in events if event.kind == "repriced" and event.model}
    until = max(event.at for event in events)
    for model, event in list(repriced.items())[:_MOST_PICTURES]:
        periods = [period for period in Listing(session.connection).periods(model) if period.start < until]
        keys = [key for key in dict.fromkeys((*TOKEN_PRICES, *event.prices)) if "@" not in key][:3]
        points = {key: price_series(periods, key, since=None, until=until) for key in keys}
        drawn = chart(f"Prices of {event.name}", series_of("", points), [(event.at, headline((event,)))])
        if drawn is not None:
            id = blake2b(f"{event.id} {model}".encode(errors="replace"), digest_size=12).hexdigest()
            yield Picture(f"{id}@openrouter-watcher.invalid", png(drawn), drawn.title)
