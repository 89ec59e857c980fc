"""Answers as HTTP wants them: rendered once, with validators, compressed, for a client's conditions."""

import gzip
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from hashlib import blake2b
from threading import Lock
from typing import Any, TypeAlias

from watcher.api.answer import Response

SAFE = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Headers of every answer that has no other ones of these names."""
Render: TypeAlias = Callable[[str, str, Mapping[str, Any]], str]
"""Writes a template in a format with these values."""
CACHED = "public, max-age=120"
"""How long an answer may be used again: as long as upstream's."""
_MAX_BYTES = 8 * 1024 * 1024
"""Bytes of answers in memory."""
_MAX_ANSWERS = 256
_WORTH_COMPRESSING = 1024


class Answer:
    """An answer, with what is the same whoever asks for it. `state` is what it was made from, if it can be kept."""

    def __init__(self, response: Response, state: str | None = None, changed: datetime | None = None) -> None:
        self.status = response.status
        self.headers = dict(response.headers)
        self.body = response.body
        self.compressed: bytes | None = None
        self.last_sent: tuple[object, object] = (None, None)
        """What was sent last, and what it depended on; see `app`."""
        lasts = state is not None and self.status == 200 and "no-store" not in self.headers["cache-control"]
        self.etag = blake2b((state or "").encode(), digest_size=12).hexdigest() if lasts else None
        self.changed = changed.replace(microsecond=0) if changed is not None and self.etag else None
        if self.changed is not None:
            self.headers["last-modified"] = format_datetime(self.changed, usegmt=True)

    @property
    def size(self) -> int:
        """Bytes that it takes in memory."""
        return len(self.body) + len(self.compressed or b"")

    def form(self, headers: Mapping[str, str]) -> tuple[bool, bool]:
        """Return whether the client of these request headers gets it compressed, and whether it has it already."""
        zipped = len(self.body) >= _WORTH_COMPRESSING and _takes_gzip(headers.get("accept-encoding", ""))
        return zipped, self._is_current(headers)

    def is_ready(self, zipped: bool, current: bool) -> bool:
        """Whether a form costs next to nothing: a large body is compressed only once, on its first use."""
        return current or not zipped or self.compressed is not None

    def response(self, zipped: bool, current: bool) -> Response:
        """Return the answer in a form."""
        headers = {**self.headers, "vary": "Accept-Encoding"}
        if self.etag is not None:
            headers["etag"] = f'"{self.etag}-gzip"' if zipped else f'"{self.etag}"'
        if current:
            for name in ("content-type", "last-modified"):  # the ETag says it
                headers.pop(name, None)
            return Response(304, headers, b"")
        if not zipped:
            return Response(self.status, headers, self.body)
        if self.compressed is None:
            self.compressed = gzip.compress(self.body, 6, mtime=0)
        return Response(self.status, {**headers, "content-encoding": "gzip"}, self.compressed)

    def _is_current(self, headers: Mapping[str, str]) -> bool:
        if self.etag is None:
            return False
        if (given := headers.get("if-none-match")) is not None:
            # One for another encoding counts, and so does a weak one, as RFC 9110 has it here.
            tags = {part.strip().removeprefix("W/").strip('"') for part in given.split(",")}
            return not tags.isdisjoint(("*", self.etag, f"{self.etag}-gzip"))
        if self.changed is None or (since := headers.get("if-modified-since")) is None:
            return False
        try:
            return self.changed <= parsedate_to_datetime(since)
        except (ValueError, TypeError, OverflowError):  # no date, or one without its zone
            return False


class Answers:
    """The answers that were asked for last, by what they were made from and for. Any thread may use them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[object, Answer] = OrderedDict()

    def get(self, key: object) -> Answer | None:
        """Return an answer that is in memory."""
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def keep(self, key: object, answer: Answer) -> Answer:
        """Keep an answer if it lasts, and drop those that nobody asked for longest where there are too many."""
        if answer.etag is None:
            return answer
        with self._lock:
            self._known[key] = answer
            size = sum(kept.size for kept in self._known.values())
            while len(self._known) > 1 and (size > _MAX_BYTES or len(self._known) > _MAX_ANSWERS):
                size -= self._known.popitem(last=False)[1].size
        return answer


@lru_cache(64)
def _takes_gzip(accept: str) -> bool:
    for part in accept.lower().split(","):
        coding, _, quality = part.partition(";")
        if coding.strip() in ("gzip", "x-gzip"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
