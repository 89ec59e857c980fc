"""Answers requests of the models API from a catalogue. Pure functions: any server can answer through them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from watcher.api import rss
from watcher.api.query import BadQueryError, Query, UnavailableError
from watcher.api.schedule import in_force
from watcher.api.selection import provider, select, value
from watcher.api.shapes import as_image_model, as_provider, as_video_model, with_endpoints

BASE = "/api/v1"
"""The path of the API."""

_JSON = "application/json"
_PUBLIC = "public, max-age=120, stale-while-revalidate=3600, stale-if-error=3600"
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
    given; `all` means every model. `raw` has the documents by id as they came, byte for byte, for `raw=1`. `endpoints`
    are those of providers, by id of the model, where they are known.
    """

    models: Sequence[Any]
    now: datetime
    base_url: str = "https://openrouter.ai"
    default_output: str = "text"
    raw: Mapping[str, bytes] | None = None
    endpoints: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def answer(request: Request, catalogue: Catalogue) -> Response:
    """Return the API's answer: status 200, or 400, 401, 404, 405 or 501 with the API's error body. Raises nothing."""
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
    except UnavailableError as problem:
        return error(501, str(problem))


def ok(body: bytes, content_type: str = _JSON, cache: str = _PUBLIC) -> Response:
    """Return a body with status 200."""
    return Response(200, {"content-type": content_type, "cache-control": cache}, body)


def error(status: int, message: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """Return an error as the API does, `{"error": {"code": …, "message": …}}`."""
    body = {"error": {"code": status, "message": message or _MESSAGES.get(status, "Error")}}
    return Response(status, {"content-type": _JSON, "cache-control": "no-store", **(headers or {})}, to_json(body))


def to_json(document: object) -> bytes:
    """Return compact JSON in UTF-8. A lone surrogate, which UTF-8 cannot hold, stays an escape."""
    return _encode(document).encode("utf-8", "backslashreplace")


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _route(segments: list[str]) -> Callable[[Request, Catalogue], Response] | None:
    match segments:
        case ["models"]:
            return _models
        case ["models", "count"]:
            return _count
        case ["models", "user"]:
            return _user
        case ["model", author, slug]:
            return lambda request, catalogue: _model(f"{author}/{slug}", request, catalogue)
        case ["models", author, slug, "endpoints"]:
            return lambda request, catalogue: _endpoints(f"{author}/{slug}", catalogue)
        case ["providers"]:
            return _providers
        case ["embeddings", "models"]:
            return _embeddings_models
        case ["images", "models"]:
            return lambda request, catalogue: _entries("image", as_image_model, catalogue)
        case ["videos", "models"]:
            return lambda request, catalogue: _entries("video", as_video_model, catalogue)
        case ["endpoints", "zdr"] | ["images", "models", _, _, "endpoints"]:
            return _unavailable
    return None


_LASTING = ("at", "raw")
"""Parameters of every call: they stay in the links from page to page."""


def _models(request: Request, catalogue: Catalogue) -> Response:
    query = Query.parse(request.query)
    chosen = select(query, _priced(catalogue), catalogue.now, catalogue.default_output)
    if query.flag("use_rss"):
        page, _ = query.page(chosen, "")
        return ok(rss.render(page, query.flag("use_rss_chat_links")), "application/rss+xml; charset=utf-8")
    query.flag("use_rss_chat_links")
    return _list(query, chosen, "models", catalogue)


def _count(request: Request, catalogue: Catalogue) -> Response:
    query = Query.parse(request.query, names=("output_modalities",))
    chosen = select(query, catalogue.models, catalogue.now, catalogue.default_output)
    return ok(to_json({"data": {"count": len(chosen)}}))


def _user(request: Request, catalogue: Catalogue) -> Response:
    """An account sees all models, as its preferences are not known here."""
    if not request.has_key:
        return error(401)
    query = Query.parse(request.query, names=("offset", "limit", "output_modalities", "sort", *_LASTING))
    chosen = select(query, _priced(catalogue), catalogue.now, catalogue.default_output)
    return _list(query, chosen, "models/user", catalogue, cache="private, no-store")


def _embeddings_models(request: Request, catalogue: Catalogue) -> Response:
    query = Query.parse(request.query, names=("offset", "limit", *_LASTING))
    return _list(query, _with_output("embeddings", catalogue), "embeddings/models", catalogue)


def _with_output(modality: str, catalogue: Catalogue) -> list[Any]:
    return select(Query({"output_modalities": modality}), _priced(catalogue), catalogue.now)


def _entries(modality: str, show: Callable[[dict[str, Any]], dict[str, Any]], catalogue: Catalogue) -> Response:
    return ok(to_json({"data": [show(model) for model in _with_output(modality, catalogue)]}))


def _providers(_request: Request, catalogue: Catalogue) -> Response:
    names = {provider(model) for model in catalogue.models if isinstance(value(model, "id"), str)}
    return ok(to_json({"data": [as_provider(name) for name in sorted(names, key=lambda name: (name.lower(), name))]}))


def _unavailable(_request: Request, _catalogue: Catalogue) -> Response:
    return error(501, "What this asks about endpoints is not recorded, so it cannot be answered")


def _model(id_: str, request: Request, catalogue: Catalogue) -> Response:
    model = _find(id_, catalogue)
    if model is None:
        return error(404, f"Model {id_} not found")
    return ok(b'{"data":%b}' % _document(Query.parse(request.query), model, catalogue))


def _endpoints(id_: str, catalogue: Catalogue) -> Response:
    model = _find(id_, catalogue)
    if model is None:
        return error(404, f"Model {id_} not found")
    return ok(to_json({"data": with_endpoints(model, catalogue.endpoints.get(model["id"]))}))


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


def _list(query: Query, chosen: Sequence[Any], path: str, catalogue: Catalogue, cache: str = _PUBLIC) -> Response:
    page, following = query.page(chosen, f"{catalogue.base_url}{BASE}/{path}")
    documents = b",".join(_document(query, model, catalogue) for model in page)
    rest = to_json({"total_count": len(chosen), "links": {"next": following}})
    return ok(b'{"data":[%b],%b' % (documents, rest[1:]), cache=cache)


def _document(query: Query, model: Any, catalogue: Catalogue) -> bytes:
    """Return a model's document; as it came if `raw=1` asks for that."""
    if catalogue.raw is not None and query.choice("raw", ("1",)) is not None:
        return catalogue.raw[model["id"]]
    return to_json(model)
