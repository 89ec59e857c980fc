"""Answers queries of the models API over a catalogue: pure functions, no socket, no clock.

It knows nothing of stories and faults, and whoever has models in the API's shape can serve them with it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from watcher.api import rss
from watcher.api.query import BadQueryError, Query, provider, select, value
from watcher.api.schedule import in_force

BASE = "/api/v1"
"""Where the API begins in the path of a URL."""

_JSON = "application/json"
_PUBLIC = "public, max-age=120"
_MESSAGES = {401: "No auth credentials found", 404: "Not Found", 405: "Method Not Allowed"}


@dataclass(frozen=True)
class Response:
    """A whole HTTP response: status, headers (names in lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Request:
    """A request as it came: the path is percent-encoded, names of headers are in lower case."""

    path: str
    query: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_key(self) -> bool:
        """Whether a bearer key was given, whatever it is."""
        return self.headers.get("authorization", "").lower().startswith("bearer ")


@dataclass(frozen=True)
class Catalogue:
    """What is answered from.

    `models` are raw model documents with their base prices, in the order of the list; `now` chooses among
    time-of-day prices; `base_url` (`https://host`) begins the links; `default_output` is what the list is narrowed to
    when `output_modalities` is not given, `all` for no narrowing.
    """

    models: Sequence[Any]
    now: datetime
    base_url: str = "https://openrouter.ai"
    default_output: str = "text"


def answer(request: Request, catalogue: Catalogue) -> Response:
    """The API's answer: 200, or 400, 401, 404 or 405 with the API's error body. It raises nothing."""
    try:
        segments = [unquote(part, errors="strict") for part in request.path.removeprefix(BASE).split("/")[1:]]
    except UnicodeDecodeError:
        return error(400, "The path cannot be read")
    handler = _route(segments) if request.path.startswith(f"{BASE}/") else None
    if handler is None:
        return error(404)
    if request.method not in ("GET", "HEAD"):
        return error(405, headers={"allow": "GET, HEAD"})
    try:
        return handler(request, catalogue)
    except BadQueryError as problem:
        return error(400, str(problem))


def error(status: int, message: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """The API's error body, `{"error": {"code": …, "message": …}}`."""
    body = {"error": {"code": status, "message": message or _MESSAGES.get(status, "Error")}}
    return Response(status, {"content-type": _JSON, "cache-control": "no-store", **(headers or {})}, to_json(body))


def to_json(document: object) -> bytes:
    """Compact JSON in UTF-8; a lone surrogate, which UTF-8 cannot hold, stays an escape."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


Handler = Callable[[Request, Catalogue], Response]


def _route(segments: list[str]) -> Handler | None:
    match segments:
        case ["models"]:
            return _models
        case ["models", "count"]:
            return _count
        case ["models", "user"]:
            return _user
        case ["model", author, slug]:
            return lambda request, catalogue: _model(f"{author}/{slug}", catalogue)
        case ["models", author, slug, "endpoints"]:
            return lambda request, catalogue: _endpoints(f"{author}/{slug}", catalogue)
    return None


def _models(request: Request, catalogue: Catalogue) -> Response:
    query = Query.parse(request.query)
    chosen = select(query, _priced(catalogue), catalogue.now, catalogue.default_output)
    as_rss, chat_links = query.flag("use_rss"), query.flag("use_rss_chat_links")
    page, following = query.page(chosen, f"{catalogue.base_url}{BASE}/models")
    if as_rss:
        return _ok(rss.render(page, chat_links), "application/rss+xml; charset=utf-8")
    return _list(page, len(chosen), following)


def _count(request: Request, catalogue: Catalogue) -> Response:
    query = Query.parse(request.query, names=("output_modalities",))
    chosen = select(query, catalogue.models, catalogue.now, catalogue.default_output)
    return _ok(to_json({"data": {"count": len(chosen)}}))


def _user(request: Request, catalogue: Catalogue) -> Response:
    """No preference is known here that would narrow the list, so an account sees all of it."""
    if not request.has_key:
        return error(401)
    query = Query.parse(request.query, names=("offset", "limit"))
    everything = _priced(catalogue)
    page, following = query.page(everything, f"{catalogue.base_url}{BASE}/models/user")
    return _list(page, len(everything), following, cache="private, no-store")


def _model(id_: str, catalogue: Catalogue) -> Response:
    model = _find(id_, catalogue)
    return error(404, f"Model {id_} not found") if model is None else _ok(to_json({"data": model}))


def _endpoints(id_: str, catalogue: Catalogue) -> Response:
    model = _find(id_, catalogue)
    if model is None:
        return error(404, f"Model {id_} not found")
    facts = {key: model.get(key) for key in ("id", "name", "created", "description", "architecture")}
    return _ok(to_json({"data": {**facts, "endpoints": [_endpoint(model)]}}))


def _endpoint(model: Mapping[str, Any]) -> dict[str, Any]:
    """The one endpoint that a list document tells of: that of today's top provider."""
    host = provider(model)
    return {
        "name": f"{host} | {model['id']}",
        "provider_name": host,
        "tag": host.lower().replace(" ", "-"),
        "context_length": value(model, "top_provider", "context_length"),
        "max_completion_tokens": value(model, "top_provider", "max_completion_tokens"),
        "max_prompt_tokens": None,
        "pricing": model.get("pricing"),
        "quantization": "unknown",
        "status": 0,
        "supported_parameters": model.get("supported_parameters"),
        "uptime_last_30m": None,
    }


def _find(id_: str, catalogue: Catalogue) -> dict[str, Any] | None:
    """The model with this id or canonical slug, an alias followed to where it points; None when there is none."""
    models = [model for model in _priced(catalogue) if isinstance(model, dict)]
    by_id = {model["id"]: model for model in models if isinstance(model.get("id"), str)}
    # Variants share a canonical slug with the model they vary, which is the one that is meant.
    slugs = {str(model.get("canonical_slug")): model for model in reversed(by_id.values()) if ":" not in model["id"]}
    found = by_id.get(id_) or slugs.get(id_)
    for _ in range(len(models)):  # aliases may point to aliases, even in a circle
        target = value(found, "alias_target", "slug")
        if not isinstance(target, str):
            return found
        found = by_id.get(target)
    return None


def _priced(catalogue: Catalogue) -> list[Any]:
    """The catalogue with the prices in force now at the top level of `pricing`."""
    return [_at(model, catalogue.now) for model in catalogue.models]


def _at(model: Any, now: datetime) -> Any:
    pricing = value(model, "pricing")
    if not isinstance(pricing, Mapping):
        return model
    current = in_force(pricing, now)
    return model if current is pricing else {**model, "pricing": current}


def _list(page: Sequence[Any], total: int, following: str | None, cache: str = _PUBLIC) -> Response:
    return _ok(to_json({"data": page, "total_count": total, "links": {"next": following}}), cache=cache)


def _ok(body: bytes, content_type: str = _JSON, cache: str = _PUBLIC) -> Response:
    return Response(200, {"content-type": content_type, "cache-control": cache}, body)
