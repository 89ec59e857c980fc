"""The ASGI application: checks a request, answers it from memory or in a worker, and sends the answer.

request → access → in memory? → conditions (ETag, gzip) → send
                     no → a worker reads the store and calls `api.answer`, or the handler of the path
"""

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from logging import getLogger
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from watcher.api import answer as api
from watcher.api.answer import Catalogue, Response
from watcher.api.query import BadQueryError, Query
from watcher.config.settings import Config
from watcher.errors import WatcherError
from watcher.export.csv_file import exact_time
from watcher.store.store import Store
from watcher.web.access import ACKNOWLEDGE, HEALTH, METHODS, REFUSAL_HEADERS, Access, Asked, RefusedError
from watcher.web.acknowledge import acknowledge, read_body
from watcher.web.answers import SAFE, Answer, Answers
from watcher.web.badges import BADGES, badge
from watcher.web.catalogues import Catalogues, View, reason_of
from watcher.web.exports import EXPORT, export_response
from watcher.web.feeds import FEEDS, feed
from watcher.web.metrics import METRICS, Metrics
from watcher.web.pages.site import Pages

SECONDS = 10.0
"""How long an answer may take."""
_WORKERS = 2
_MOST_WAITING = 100
"""Different questions that wait for a worker; more than these are sent away."""
_PART = 4 * 1024 * 1024
"""Bytes of a body that are handed over at once: what a slow client has not read yet lies in memory."""
_API = "/api/"
"""Below it every answer is the API's, errors too."""
_PREFLIGHT = {
    "access-control-allow-methods": METHODS,
    "access-control-allow-headers": "Authorization, Content-Type, If-None-Match, HTTP-Referer, X-Title",
    "access-control-max-age": "86400",
}
_EXPOSED = {
    "access-control-expose-headers": "Age, ETag, Retry-After, X-Watcher-As-Of, X-Watcher-Benchmarks, X-Watcher-Stale"
}
_ENDPOINTS = "/endpoints"
"""Ends the path of what changes apart from the list."""

T = TypeVar("T")
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Any]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Any]

_log = getLogger("watcher")


class App:
    """Answers all requests, from a store that is only read. Raises ConfigError."""

    def __init__(self, config: Config, store: Store, clock: Callable[[], datetime]) -> None:
        self._access = Access(config.web)
        self._origin = None if config.web.allow_origin == "none" else config.web.allow_origin
        self._silent_after = 2 * config.source.interval + timedelta(minutes=1)
        self._clock = clock
        self._store = store
        self._url = config.store.url.reveal()
        self._catalogues = Catalogues(store, config.web.prefix)
        self._answers = Answers()
        self._rendering: dict[tuple[object, ...], asyncio.Future[tuple[Answer, View | None]]] = {}
        """Questions that wait for a worker: whoever asks the same meanwhile gets the same answer."""
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="watcher-web")
        self._pages = Pages(config, store, self._answers)
        self._handlers: dict[str, Callable[[Asked, datetime], Answer]] = {
            HEALTH: self._health,
            METRICS: Metrics(config, store).answer,
            BADGES: partial(badge, store, self._pages.render),
            **dict.fromkeys(FEEDS, partial(feed, config, store, self._answers, self._pages.render)),
        }
        """What answers without the catalogue in memory, by path; a path with a slash at its end is that of a folder."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = None
        try:
            asked = self._access.check(scope)
            sent = await self._respond(asked, receive)
        except RefusedError as refused:
            sent = self._refuse(asked, refused)
        except Exception:
            _log.exception("a request could not be answered: this is a bug in openrouter-watcher")
            sent = self._refuse(asked, RefusedError(500, "This is a bug in openrouter-watcher; its log tells more"))
        await _send(send, sent, head=scope["method"] == "HEAD")

    async def _respond(self, asked: Asked, receive: Receive) -> "_Sent":
        if asked.method == "OPTIONS":
            return _sent(Response(204, {"allow": METHODS, **self._cors(asked, preflight=True)}, b""))
        if asked.path == ACKNOWLEDGE and asked.method in ("GET", "HEAD", "POST"):
            body = await read_body(asked, receive) if asked.method == "POST" else None
            given = (asked, body, self._access, self._url, self._clock(), self._pages.ack)
            return _sent(await self._in_worker(acknowledge, *given))
        self._access.check_token(asked)
        if asked.method not in ("GET", "HEAD"):
            raise RefusedError(405)
        view = None if self._handler(asked.path) else self._catalogues.latest.known()
        if view is not None:
            now = self._clock()
            state = self._state(asked, view, now)
            known = self._answers.get(state)
            if known is not None and known.is_ready(*(form := known.form(asked.headers))):
                return self._finish(asked, known, form, view, now)
        accepted = (asked.headers.get(name) for name in ("accept", "accept-encoding"))
        question = (asked.path, asked.query, asked.base_url, asked.has_key, *accepted)
        future = self._rendering.get(question)
        if future is None:
            if len(self._rendering) >= _MOST_WAITING:
                raise RefusedError(503, "Too many requests wait for an answer")
            future = self._rendering[question] = self._in_worker(self._render, asked)
            future.add_done_callback(lambda _: self._rendering.pop(question))
        try:
            async with asyncio.timeout(SECONDS):
                answer, view = await asyncio.shield(future)
        except TimeoutError:
            raise RefusedError(503, f"The answer took longer than {SECONDS:g} seconds") from None
        return self._finish(asked, answer, answer.form(asked.headers), view, self._clock())

    def _in_worker(self, work: Callable[..., T], *given: object) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._workers, work, *given)

    # In a worker

    def _render(self, asked: Asked) -> tuple[Answer, View | None]:
        """Return the answer of this moment, and what the database held; None: a handler answered without it.

        Raises RefusedError.
        """
        now, handler = self._clock(), self._handler(asked.path)
        try:
            if handler is not None:
                answer, view = handler(asked, now), None
            else:
                view = self._catalogues.latest.get()
                state = self._state(asked, view, now)
                known = self._answers.get(state)  # others may have asked the same meanwhile
                answer = known or self._answers.keep(state, self._answer(asked, view, state, now))
        except WatcherError as error:
            reason = "The database cannot be read" if asked.path == HEALTH else reason_of(error, self._store)
            raise RefusedError(503, reason) from None
        answer.response(*answer.form(asked.headers))  # compresses it
        return answer, view

    def _handler(self, path: str) -> Callable[[Asked, datetime], Answer] | None:
        if path.startswith((_API, EXPORT)):
            return None
        return self._handlers.get(path) or self._handlers.get(f"/{path[1:].partition('/')[0]}/") or self._pages.answer

    def _health(self, _asked: Asked, _now: datetime) -> Answer:
        with self._store.reading() as session:
            session.version()
        return Answer(api.ok(b'{"status":"ok"}', cache="no-store"))

    def _answer(self, asked: Asked, view: View, state: str, now: datetime) -> Answer:
        try:
            moment = Query.parse(asked.query, names=("at",)).moment("at")
            if moment is not None and moment > now:
                raise BadQueryError('"at" lies in the future')
            if asked.path.startswith(EXPORT):
                with self._store.reading() as session:
                    return Answer(export_response(asked.path, asked.query, moment, session), state)
        except BadQueryError as error:
            return Answer(api.error(400, str(error)))
        offer = view.offer if moment is None else self._catalogues.at(moment, view.version)
        when = now if moment is None else offer.polled
        catalogue = Catalogue(offer.models, when, asked.base_url, raw=offer.raw)
        if lists_endpoints := asked.path.endswith(_ENDPOINTS):
            with self._store.reading() as session:
                endpoints = session.endpoints.documents(offer.polled, past=moment is not None)
            catalogue = replace(catalogue, endpoints=endpoints)
        response = api.answer(asked, catalogue)
        if moment is None:
            since = offer.polled if lists_endpoints else view.since
            return Answer(response, state, max(since, offer.period(now)))
        headers = {**response.headers, "x-watcher-as-of": exact_time(offer.polled)}
        if offer.has_benchmarks:
            headers["x-watcher-benchmarks"] = "last known"
        made_from = f"{offer.digest} {offer.polled} {_question(asked)}"
        # Benchmarks of today change at any poll, and endpoints change when the list does not.
        changed = None if offer.has_benchmarks or lists_endpoints else offer.changed
        return Answer(Response(response.status, headers, response.body), made_from, changed)

    # What an answer was made from, and what is added to it

    def _state(self, asked: Asked, view: View, now: datetime) -> str:
        """Return what the answer follows from: equal states have equal answers."""
        query = asked.query
        state = view.state(now)
        # An escaped name may be "at", too.
        if "at=" in query or "%" in query or asked.path.startswith(EXPORT) or asked.path.endswith(_ENDPOINTS):
            state = f"{state} {view.version}"
        if "age_days=" in query or "%" in query:
            state = f"{state} {now:%Y%m%d%H%M}"
        return f"{state} {_question(asked)}"

    def _finish(
        self, asked: Asked, answer: Answer, form: tuple[bool, bool], view: View | None, now: datetime
    ) -> "_Sent":
        """Return the answer for this client as it is sent, with the age of what we know and who may read it."""
        age = 0 if view is None else max(int(now.timestamp() - view.polled), 0)
        basis = (form, age, view and view.polled, "origin" in asked.headers)
        if answer.last_sent[0] == basis:
            return cast("_Sent", answer.last_sent[1])
        response, cors = answer.response(*form), self._cors(asked)
        headers = {**response.headers, **cors}
        if cors:
            headers["vary"] = f"{headers['vary']}, Origin"
        if self._access.guarded:
            headers["cache-control"] = headers["cache-control"].replace("public", "private")
            headers["vary"] = f"{headers['vary']}, Authorization"
        if view is not None and response.status in (200, 304) and "x-watcher-as-of" not in headers:
            headers |= {"age": str(age), "x-watcher-as-of": exact_time(view.offer.polled)}
            if age > self._silent_after.total_seconds():
                headers["x-watcher-stale"] = str(age)
        sent = _sent(Response(response.status, headers, response.body))
        answer.last_sent = basis, sent
        return sent

    def _cors(self, asked: Asked, *, preflight: bool = False) -> Mapping[str, str]:
        if self._origin is None or not asked.path.startswith(f"{api.BASE}/") or asked.path == f"{api.BASE}/models/user":
            return {}
        origin = {"access-control-allow-origin": self._origin}
        return {**origin, **(_PREFLIGHT if preflight else _EXPOSED if "origin" in asked.headers else {})}

    def _refuse(self, asked: Asked | None, refused: RefusedError) -> "_Sent":
        """Return an error that web pages may read where they may read the answer."""
        if asked is not None and refused.status == 401 and _is_browser(asked):
            return _sent(self._pages.no_token(asked.path))
        headers, cors = REFUSAL_HEADERS.get(refused.status, {}), {} if asked is None else self._cors(asked)
        return _sent(api.error(refused.status, str(refused), {**headers, **cors}))


def _is_browser(asked: Asked) -> bool:
    """Whether a person reads the answer: no path of the API, and a client that takes HTML."""
    return "text/html" in asked.headers.get("accept", "") and not asked.path.startswith((_API, EXPORT))


def _question(asked: Asked) -> str:
    return f"{asked.base_url} {asked.path}?{asked.query}"


class _Sent(NamedTuple):
    """A response as it is sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def _sent(response: Response) -> _Sent:
    # A 304 leaves them to the answer that the client has; sending them takes a twentieth of its time.
    together = response.headers if response.status == 304 else {**SAFE, **response.headers}
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in together.items()]
    if response.status not in (204, 304):
        headers.append((b"content-length", str(len(response.body)).encode()))
    return _Sent(response.status, headers, response.body)


async def _send(send: Send, sent: _Sent, *, head: bool) -> None:
    await send({"type": "http.response.start", "status": sent.status, "headers": sent.headers})
    body = b"" if head else sent.body
    while len(body) > _PART:
        await send({"type": "http.response.body", "body": body[:_PART], "more_body": True})
        body = body[_PART:]
    await send({"type": "http.response.body", "body": body})
