"""Answers requests of the models API from a catalogue. Pure functions: any server can answer through them."""

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
"""The path of the API."""

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
    """The models to answer from.

    `models` are raw documents with their base prices, in the order of the list. `now` chooses among time-of-day prices.
    `base_url` (`https://host`) begins the links. `default_output` stands in for an `output_modalities` that is not
    given; `all` means every model.
    """

    models: Sequence[Any]
    now: datetime
    base_url: str = "https://openrouter.ai"
    default_output: str = "text"


def answer(request: Request, catalogue: Catalogue) -> Response:
    """Return the API's answer: status 200, or 400, 401, 404 or 405 with the API's error body. Raises nothing."""
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


def ok(body: bytes, content_type: str = "application/json", cache: str = "public, max-age=120") -> Response:
    """Return a body with status 200."""
    return Response(200, {"content-type": content_type, "cache-control": cache}, body)


def error(status: int, message: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """Return an error as the API does, `{"error": {"code": …, "message": …}}`."""
    body = {"error": {"code": status, "message": message or _MESSAGES.get(status, "Error")}}
    return Response(
        status, {"content-type": "application/json", "cache-control": "no-store", **(headers or {})}, to_json(body)
    )


def to_json(document: object) -> bytes:
    """Return compact JSON in UTF-8. A lone surrogate, which UTF-8 cannot hold, stays an escape."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _route(segments: list[str]) -> Callable[[Request, Catalogue], Response] | None:
    match segments:
        case ["models"]:
            return _models
        case ["models", "count"]:
            return _count
        case ["models", "user"]:
            return _user
        case ["model", author, slug]:
            return lambda request, catalogue: _model(f"{author}/{slug}", catalogue, dict)
        case ["models", author, slug, "endpoints"]:
            return lambda request, catalogue: _model(f"{author}/{slug}", catalogue, _with_endpoint)
    return None


def _models(request: Request, catalogue: Catalogue) -> Response:
    query = Query.parse(request.query)
    chosen = select(query, _priced(catalogue), catalogue.now, catalogue.default_output)
    as_rss, chat_links = query.flag("use_rss"), query.flag("use_rss_chat_links")
    page, following = query.page(chosen, f"{catalogue.base_url}{BASE}/models")
    if as_rss:
        return ok(rss.render(page, chat_links), "application/rss+xml; charset=utf-8")
    return ok(_list(page, len(chosen), following))


def _count(request: Request, catalogue: Catalogue) -> Response:
    query = Query.parse(request.query, names=("output_modalities",))
    chosen = select(query, catalogue.models, catalogue.now, catalogue.default_output)
    return ok(to_json({"data": {"count": len(chosen)}}))


def _user(request: Request, catalogue: Catalogue) -> Response:
    """An account sees the whole list, as its preferences are not known here."""
    if not request.has_key:
        return error(401)
    query = Query.parse(request.query, names=("offset", "limit"))
    everything = _priced(catalogue)
    page, following = query.page(everything, f"{catalogue.base_url}{BASE}/models/user")
    return ok(_list(page, len(everything), following), cache="private, no-store")


def _model(id_: str, catalogue: Catalogue, show: Callable[[dict[str, Any]], dict[str, Any]]) -> Response:
    model = _find(id_, catalogue)
    return error(404, f"Model {id_} not found") if model is None else ok(to_json({"data": show(model)}))


def _with_endpoint(model: dict[str, Any]) -> dict[str, Any]:
    """Return a model with the one endpoint that its document describes: that of today's top provider."""
    host = provider(model)
    endpoint = {
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
    facts = {key: model.get(key) for key in ("id", "name", "created", "description", "architecture")}
    return {**facts, "endpoints": [endpoint]}


def _find(id_: str, catalogue: Catalogue) -> dict[str, Any] | None:
    """Return the model with this id or canonical slug, or the target of this alias; None if there is none."""
    models = [model for model in _priced(catalogue) if isinstance(model, dict)]
    by_id = {model["id"]: model for model in models if isinstance(model.get("id"), str)}
    # A canonical slug means the model itself, not its variants, which share it.
    slugs = {str(model.get("canonical_slug")): model for model in reversed(by_id.values()) if ":" not in model["id"]}
    found = by_id.get(id_) or slugs.get(id_)
    for _ in range(len(models)):  # an alias may point to an alias, even in a circle
        target = value(found, "alias_target", "slug")
        if not isinstance(target, str):
            return found
        found = by_id.get(target)
    return None


def _priced(catalogue: Catalogue) -> list[Any]:
    """Return the models with the prices in force now at the top level of `pricing`."""
    return [
        {**model, "pricing": in_force(pricing, catalogue.now)}
        if isinstance(pricing := value(model, "pricing"), Mapping)
        else model
        for model in catalogue.models
    ]


def _list(page: Sequence[Any], total: int, following: str | None) -> bytes:
    return to_json({"data": page, "total_count": total, "links": {"next": following}})
