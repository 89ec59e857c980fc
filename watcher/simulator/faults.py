"""Ways in which the pretend OpenRouter can fail, by name.

A fault changes an answer that is otherwise right: its status, headers and content here (`spoil`), its size, time and
connection when the server sends it.
"""

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from watcher.api.answer import Response, error, to_json
from watcher.errors import UsageError

_HUGE = 65 * 1024 * 1024
_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body><h1>One moment</h1></body></html>"
_Header = Annotated[str, Meta(pattern=r"\A[^\r\n]*\Z")]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong, and for which requests. All effects can be combined."""

    name: str = "custom"
    path: str = "*"
    """Glob over the path with its query string; a leading `!` means all others. `*use_rss=true*` is the feed alone."""
    times: Annotated[int, Meta(ge=1)] | None = None
    """The number of matching requests it is for; None: until it is switched off."""
    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    """The status; from 400 on with the API's error body."""
    retry_after: _Header | None = None
    """`Retry-After`: seconds, or an HTTP date."""
    location: _Header | None = None
    """`Location` of a redirect, for a 3xx status."""
    delay: Annotated[float, Meta(ge=0)] = 0
    """Seconds before the first byte."""
    drip: Annotated[int, Meta(ge=0)] = 0
    """Bytes sent at a time, every `interval` seconds; 0: all at once."""
    interval: Annotated[float, Meta(ge=0)] = 0.05
    cut: Annotated[float, Meta(ge=0, lt=1)] | None = None
    """The fraction of the body after which the connection closes. Content-Length is that of the whole body."""
    content_type: _Header | None = None
    html: bool = False
    """An HTML page with 200, as from a proxy."""
    models: Literal["empty", "short", "duplicates", "broken"] | None = None
    """What is wrong with the list, not with the feed. `short`: half of the models, but `total_count` counts all.
    `duplicates`: a quarter comes twice, with differences. `broken`: some with wrong types, no prices, or `null`."""
    size: Annotated[int, Meta(ge=0)] = 0
    """Bytes to which the body is padded with white space."""
    bomb: bool = False
    """Send the padded body compressed, even if the client did not ask for it."""

    @classmethod
    def named(cls, name: str, /, **changes: Any) -> "Fault":
        """Return the fault of this name, with some fields changed. Names are those of `FAULTS` and error statuses.

        Raises UsageError for an unknown name or field.
        """
        if name in FAULTS:
            fields: Mapping[str, Any] = FAULTS[name]
        elif re.fullmatch("[45][0-9]{2}", name):
            fields = {"status": int(name)}
        else:
            known = ", ".join([*FAULTS, "or an error status such as 502"])
            raise UsageError(f'there is no fault "{name}"; there are {known}')
        try:
            return msgspec.convert({"name": name, **fields, **changes}, cls)
        except msgspec.ValidationError as problem:
            raise UsageError(f"the fault {name} is not valid: {problem}") from problem

    @classmethod
    def from_json(cls, body: bytes) -> "Fault":
        """Return a fault from JSON such as `{"name": "429", "times": 2}`. Raises UsageError if it is not valid."""
        try:
            fields = msgspec.json.decode(body, type=dict[str, Any])
            if "name" not in fields:
                return msgspec.convert(fields, cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
            raise UsageError(f"the fault is not valid: {problem}") from problem
        return cls.named(str(fields.pop("name")), **fields)

    def matches(self, target: str) -> bool:
        """Whether it is for a request for `target`, a path with its query string."""
        return fnmatchcase(target, self.path.removeprefix("!")) != self.path.startswith("!")

    def spoil(self, answer: Response) -> Response:
        """Return `answer` with the fault's status, headers and content."""
        headers, status, body = dict(answer.headers), answer.status, answer.body
        if self.models is not None and status == 200:
            body = _spoiled_list(body, self.models)
        if self.html:
            status, body = 200, _HTML
            headers["content-type"] = "text/html; charset=utf-8"
        if self.status is not None:
            status = self.status
            if status >= 400:
                answer = error(status, f"Simulated {status}")
                headers, body = dict(answer.headers), answer.body
        given = {"content-type": self.content_type, "retry-after": self.retry_after, "location": self.location}
        headers |= {name: text for name, text in given.items() if text is not None}
        return Response(status, headers, body)


FAULTS: Mapping[str, Mapping[str, Any]] = {
    "429": {"status": 429, "retry_after": "1"},
    "500": {"status": 500},
    "503": {"status": 503, "retry_after": "1"},
    "slow": {"delay": 30},
    "drip": {"drip": 16, "interval": 0.25},
    "cut": {"cut": 0.5},
    "wrong-type": {"content_type": "text/plain"},
    "html": {"html": True},
    **{name: {"models": name} for name in ("empty", "short", "duplicates", "broken")},
    "huge": {"size": _HUGE},
    "bomb": {"size": _HUGE, "bomb": True},
    "redirect": {"status": 302, "location": "http://elsewhere.invalid/api/v1/models"},
}
"""The fields of each named fault."""


def _spoiled_list(body: bytes, how: str) -> bytes:
    """Change the `data` of a list in JSON. Anything else stays as it is."""
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
            # The total agrees with the list, so that only the ids show it.
            first = models[: max(3, len(models) // 4)]
            models = models + [{**model, "context_length": 1} for model in first if isinstance(model, dict)]
            document = {**document, "data": models, "total_count": len(models)}
        case "broken":
            document = {**document, "data": [_broken(n, model) for n, model in enumerate(models)]}
    return to_json(document)


def _broken(number: int, model: Any) -> Any:
    """Break the first few models of a list, each in its own way."""
    if not isinstance(model, dict) or number >= 6:
        return model
    return (
        {key: value for key, value in model.items() if key != "pricing"},
        {**model, "context_length": "plenty", "created": "yesterday", "architecture": []},
        None,
        {**model, "id": 17},
        {**model, "pricing": {"prompt": 1e-30, "completion": {"usd": "lots"}, "overrides": "none"}},
        {**model, "pricing": {**(model.get("pricing") or {}), "prompt": "cheap"}},
    )[number]
