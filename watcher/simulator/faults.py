"""Ways in which the pretend OpenRouter can fail, each under a name for the command line and the control endpoint.

A fault spoils an answer that is otherwise right. What it does to status, headers and body is decided here (`spoil`);
what it does to time and to the connection (delay, drip, cut, size) is carried out by the server.
"""

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from watcher.api.answer import Response, error, to_json
from watcher.errors import UsageError

MIB = 1024 * 1024

_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body><h1>One moment</h1></body></html>"
_ITEM = re.compile(rb"<item>.*?</item>\n?", re.DOTALL)


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong, with which requests, and for how many of them. All effects can be combined."""

    name: str = "custom"
    path: str = "*"
    """Glob over the path with its query string; a leading `!` means all others. `*use_rss=true*` is the feed alone."""
    times: int | None = None
    """For the next so many requests that match, then no more; None: until cleared."""
    status: int | None = None
    """Response with this status and, from 400 on, the API's error body."""
    retry_after: str | None = None
    """`Retry-After`: seconds, or an HTTP date."""
    location: str | None = None
    """`Location` of a redirect, for a 3xx status."""
    delay: float = 0
    """Seconds before the first byte."""
    drip: int = 0
    """Bytes sent at a time, each after `interval` seconds; 0: all at once."""
    interval: float = 0.05
    cut: float | None = None
    """Close the connection after this fraction of the body, of which the whole length was promised."""
    content_type: str | None = None
    """Say this instead of the right type."""
    html: bool = False
    """An HTML page with 200, as a proxy in between answers."""
    models: Literal["empty", "short", "duplicates", "broken"] | None = None
    """What is wrong with the list: no models at all, half of them while `total_count` counts all, a quarter of them
    twice and not the same, or some with wrong types, `null` for a model, missing prices."""
    size: int = 0
    """Pad the body with white space to so many bytes: only its size is wrong."""
    bomb: bool = False
    """Send the padded body compressed, asked for or not: small on the wire, huge when inflated."""

    def __post_init__(self) -> None:
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError(f"status must be from 200 to 599, not {self.status}")
        if min(self.delay, self.drip, self.interval, self.size) < 0:
            raise ValueError("delay, drip, interval and size must be at least 0")
        if self.cut is not None and not 0 <= self.cut < 1:
            raise ValueError(f"cut must be at least 0 and below 1, not {self.cut}")
        if self.times is not None and self.times < 1:
            raise ValueError(f"times must be at least 1, not {self.times}")
        if any(
            "\r" in text or "\n" in text
            for text in (self.retry_after or "", self.location or "", self.content_type or "")
        ):
            raise ValueError("a header must be one line")

    @classmethod
    def named(cls, name: str, /, **changes: Any) -> "Fault":
        """The fault of this name (see `FAULTS`; any status such as `502` is one too) with some fields changed.

        Raises UsageError for a name or a field that is not known.
        """
        if name in FAULTS:
            fields: Mapping[str, Any] = FAULTS[name]
        elif re.fullmatch("[45][0-9]{2}", name):
            fields = {"status": int(name)}
        else:
            known = ", ".join([*FAULTS, "or an error status such as 502"])
            raise UsageError(f'there is no fault "{name}"; there are {known}')
        return cls._from({"name": name, **fields, **changes})

    @classmethod
    def from_json(cls, body: bytes) -> "Fault":
        """A fault as the control endpoint takes it: `{"name": "429", "times": 2}`, any name with any fields.

        Raises UsageError when it is no such thing.
        """
        try:
            fields = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            raise UsageError(f"a fault is a JSON object: {problem}") from problem
        name = fields.pop("name", None)
        return cls._from(fields) if name is None else cls.named(str(name), **fields)

    @classmethod
    def _from(cls, fields: dict[str, Any]) -> "Fault":
        try:
            return msgspec.convert(fields, cls)
        except msgspec.ValidationError as problem:
            raise UsageError(f"the fault cannot be: {problem}") from problem

    def matches(self, target: str) -> bool:
        """Whether it befalls a request for `target`, a path with its query string."""
        if self.path.startswith("!"):
            return not fnmatchcase(target, self.path[1:])
        return fnmatchcase(target, self.path)

    def spoil(self, answer: Response) -> Response:
        """`answer` with its status, headers and content as the fault has them."""
        headers, status, body = dict(answer.headers), answer.status, answer.body
        if self.models is not None and status == 200:
            feed = "xml" in headers.get("content-type", "")
            body = _spoiled_feed(body, self.models) if feed else _spoiled_list(body, self.models)
        if self.html:
            status, body = 200, _HTML
            headers["content-type"] = "text/html; charset=utf-8"
        if self.status is not None:
            status = self.status
            if status >= 400:
                answer = error(status, f"Simulated {status}")
                headers, body = dict(answer.headers), answer.body
        for name, text in (
            ("content-type", self.content_type),
            ("retry-after", self.retry_after),
            ("location", self.location),
        ):
            if text is not None:
                headers[name] = text
        return Response(status, headers, body)


FAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "429": {"status": 429, "retry_after": "1"},
        "500": {"status": 500},
        "503": {"status": 503, "retry_after": "1"},
        "slow": {"delay": 30},
        "drip": {"drip": 16, "interval": 0.25},
        "cut": {"cut": 0.5},
        "wrong-type": {"content_type": "text/plain"},
        "html": {"html": True},
        "empty": {"models": "empty"},
        "short": {"models": "short"},
        "duplicates": {"models": "duplicates"},
        "broken": {"models": "broken"},
        "huge": {"size": 65 * MIB},
        "bomb": {"size": 65 * MIB, "bomb": True},
        "redirect": {"status": 302, "location": "http://elsewhere.invalid/api/v1/models"},
    }
)
"""The fields of each named fault."""


def _spoiled_list(body: bytes, how: str) -> bytes:
    """The JSON of a list with another `data`; anything else is left as it is."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if not isinstance(document, dict) or not isinstance(models := document.get("data"), list):
        return body
    match how:
        case "empty":
            document = {**document, "data": [], "total_count": 0}
        case "short":
            document = {**document, "data": models[: len(models) // 2]}
        case "duplicates":
            # The total agrees with the list: only the ids give it away.
            others = [
                {**model, "context_length": 1}
                for model in models[: max(3, len(models) // 4)]
                if isinstance(model, dict)
            ]
            document = {**document, "data": models + others, "total_count": len(models) + len(others)}
        case "broken":
            document = {**document, "data": [_broken(n, model) for n, model in enumerate(models)]}
    return to_json(document)


def _broken(number: int, model: Any) -> Any:
    """The first few models of a list, each broken in its own way."""
    if not isinstance(model, dict):
        return model
    match number:
        case 0:
            return {key: value for key, value in model.items() if key != "pricing"}
        case 1:
            return {**model, "context_length": "plenty", "created": "yesterday", "architecture": []}
        case 2:
            return None
        case 3:
            return {**model, "id": 17}
        case 4:
            return {**model, "pricing": {"prompt": 1e-30, "completion": {"usd": "lots"}, "overrides": "none"}}
        case 5:
            return {**model, "pricing": {**model.get("pricing", {}), "prompt": "cheap"}}
    return model


def _spoiled_feed(body: bytes, how: str) -> bytes:
    items = _ITEM.findall(body)
    head, foot = body[: body.find(b"<item>")] if items else body, b"</channel></rss>\n" if items else b""
    match how:
        case "empty":
            items = []
        case "short":
            items = items[: len(items) // 2]
        case "duplicates":
            items = items + items[:3]
        case "broken":
            items[:3] = [
                b"<item></item>\n",
                b"<item><title>nameless</title><pubDate>soon</pubDate></item>\n",
                b"<item/>\n",
            ]
    return head + b"".join(items) + foot
