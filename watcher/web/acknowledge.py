"""`/ack`: a form that acknowledges a model. Nothing else is written by HTTP.

GET only shows the form, because scanners of mail follow links. POST does it, and needs a token in its body or as its
bearer key: a browser sends neither by itself, so no other site can make it do so.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from watcher.api.answer import Response
from watcher.errors import StoreError, UsageError, WatcherError
from watcher.messages.text import visible
from watcher.mine.acknowledge import acknowledge as acknowledge_model
from watcher.mine.acknowledge import describe
from watcher.store.store import Store
from watcher.web.access import BUSY_SECONDS, Access, Asked, RefusedError

_LARGEST_BODY = 8 * 1024
_FORM = "application/x-www-form-urlencoded"


async def read_body(asked: Asked, receive: Callable[[], Any]) -> bytes:
    """Return the body of a form. Raises RefusedError."""
    if asked.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise RefusedError(415, f"A form is needed, as {_FORM}")
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _LARGEST_BODY or message["type"] == "http.disconnect":
            raise RefusedError(413, f"The form is longer than {_LARGEST_BODY} bytes, or was cut off")
    return body


def acknowledge(
    asked: Asked, body: bytes | None, access: Access, url: str, now: datetime, page: Callable[..., Response]
) -> Response:
    """Return the form or, for its `body` as it was sent, acknowledge the model in the store at `url` and say so.

    `page` writes the page for a status. Raises RefusedError.
    """
    sent = (asked.query.encode() if body is None else body).decode("utf-8", "replace")
    try:
        fields = {name: values[-1].strip() for name, values in parse_qs(sent, max_num_fields=10).items()}
    except ValueError:
        raise RefusedError(400, "The form has too many fields") from None
    model = fields.get("model", "")
    if body is None:
        return page(200, model=model)
    access.require_token(fields.get("token") or asked.key)
    try:
        until = _day(fields["until"], now) if "until" in fields else None
        with Store(url, busy_seconds=BUSY_SECONDS) as store:
            if not store.exists:
                raise StoreError("The watcher has not read the list yet")
            with store.writing() as session:
                made = acknowledge_model(session, model, now, until, price_only="price" in fields)
    except UsageError as error:
        return page(400, says=str(error))
    except WatcherError:
        raise RefusedError(503, "The database cannot be written") from None
    return page(200, model=model, says=f"{model}: {describe(made)}")


def _day(written: str, now: datetime) -> datetime:
    try:
        day = datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"{visible(written, 40)} is no date such as 2026-01-20") from None
    if day <= now:
        raise UsageError(f"{written} is not in the future")
    return day
