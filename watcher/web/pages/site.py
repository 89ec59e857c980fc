"""The site of pages: which path is which page, in which format, and what goes with every answer."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec.structs import replace

from watcher.api.answer import Response
from watcher.api.query import BadQueryError
from watcher.config.settings import Config
from watcher.errors import WatcherError
from watcher.messages.chart import style
from watcher.store.listing import Edition, Listing
from watcher.store.store import Store
from watcher.web.access import ACKNOWLEDGE, REFUSAL_HEADERS, STATIC, Asked, RefusedError
from watcher.web.answers import SAFE, Answer, Answers
from watcher.web.catalogues import Latest, reason_of
from watcher.web.pages.changes_page import changes_page
from watcher.web.pages.model_page import MODEL, compare_page, model_page, similar_ids
from watcher.web.pages.models_page import gone_page, models_page
from watcher.web.pages.page import Asking, Page
from watcher.web.pages.render import Renderer
from watcher.web.pages.rows import Rows
from watcher.web.pages.status_page import status_page

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_SAFE = {**SAFE, "content-security-policy": POLICY}
_TYPES = {
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "json": "application/json",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
_FULL = ("changes", "models", "gone")
"""The pages in `/llms-full.txt`, after the index."""
_TITLES = {400: "This address cannot be read", 404: "Not found", 503: "The database cannot be used"}
_FOREVER = "public, max-age=31536000, immutable"
_AGAIN = "public, no-cache"
"""A page may be kept, but not shown again without asking whether it is still the same."""


class Pages:
    """Answers what is asked of pages, in a worker."""

    def __init__(self, config: Config, store: Store, answers: Answers) -> None:
        self._config = config
        self._store = store
        self._answers = answers
        self._rows = Rows()
        self._edition: Latest[Edition] = Latest(store, lambda session, _: Listing(session.connection).edition())
        """What all pages follow from."""
        folder = Path(__file__).with_name("static")
        self._files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        self._files["style.css"] = style().encode() + self._files["style.css"]
        marks = {
            name.replace(".", "_"): f"{config.web.prefix}{STATIC}{name}?{_digest(data)}"
            for name, data in self._files.items()
        }
        self.render = Renderer(config.web.prefix, marks).render
        self._pages: Mapping[str, Callable[[Asking], Page]] = {
            "": changes_page,
            "changes": changes_page,
            "models": models_page,
            "gone": gone_page,
            "compare": compare_page,
            "status": lambda asking: status_page(asking, store),
        }

    def answer(self, asked: Asked, now: datetime) -> Answer:
        """Return the answer to a request for a page, or for what pages load."""
        path, form = _format(asked.path)
        try:
            if asked.path.startswith(STATIC):
                return self._file(asked)
            path = unquote(path, errors="strict")
            edition = self._edition.get()
            state = f"{edition} {now:%Y-%m-%d} {asked.base_url} {asked.path}?{asked.query}"
            if (known := self._answers.get(state)) is not None:
                return known
            with self._store.reading() as session:
                if form != "html" and session.history.known(f"{path.removeprefix(MODEL)}.{form}"):
                    path, form = f"{path}.{form}", "html"  # an id that looks like a format
                rows = partial(self._rows.read, session, edition)
                asking = Asking(session, self._config, now, path, asked.query, edition, rows)
                return self._answers.keep(state, self._make(asked, asking, form, state))
        except RefusedError as error:
            refused = error
        except (BadQueryError, UnicodeDecodeError) as error:
            refused = RefusedError(400, str(error))
        except WatcherError as error:
            refused = RefusedError(503, reason_of(error, self._store))
        return Answer(self._problem("md" if path.endswith("/llms.txt") else form, refused))

    def _make(self, asked: Asked, asking: Asking, form: str, state: str) -> Answer:
        if asking.path.endswith("/llms.txt"):
            path = asking.path.removesuffix("/llms.txt")
            if path:
                self._page(replace(asking, path=path))  # there is such a page
            return _answer("txt", self._index(asked.base_url, path), state)
        if asking.path == "/llms-full.txt":
            parts = [self._write(self._pages[name](asking), "md", asking, name) for name in _FULL]
            return _answer("txt", "\n\n---\n\n".join([self._index(asked.base_url, ""), *parts]), state)
        found, name = self._page(asking), asking.path.strip("/") or "changes"
        return _answer(form, self._write(found, form, asking, name), state if found.lasts else None)

    def _index(self, base: str, path: str) -> str:
        """Return what agents read first, about the whole site or a page."""
        return self.render("llms_page" if path else "llms", "md", {"base": base, "of": path}) + "\n"

    def _page(self, asking: Asking) -> Page:
        path = asking.path
        if path.startswith(MODEL):
            return model_page(asking, path.removeprefix(MODEL))
        if (made := self._pages.get(path.removeprefix("/"))) is not None:
            return made(asking)
        id = path.strip("/")  # as in an address of OpenRouter
        similar = similar_ids(id, asking.session.history.names()) if id.count("/") == 1 else []
        raise RefusedError(404, f"There is no page {path}.", similar)

    def _write(self, page: Page, form: str, asking: Asking, name: str) -> str:
        if form == "json":
            return msgspec.json.encode(page.data).decode()
        common = {"page": page, "now": asking.now, "polled": asking.edition.polled, "path": name, "query": asking.query}
        return self.render(page.template, form, {**common, **page.data, **page.more})

    def _problem(self, form: str, refused: RefusedError) -> Response:
        """Return the answer that says what is wrong."""
        if form == "json":
            error = {"error": {"code": refused.status, "message": str(refused)}, "similar": refused.similar}
            return _response(refused.status, form, msgspec.json.encode(error).decode())
        title = _TITLES[refused.status]
        return self._alone("problem", title, refused.status, form, reason=str(refused), similar=refused.similar)

    def ack(self, status: int, **values: Any) -> Response:
        """Return the form that acknowledges a model or, with what it `says`, what became of it."""
        return self._alone("ack", "Acknowledge a model", status, **{"says": None, **values})

    def no_token(self, path: str) -> Response:
        """Return what a browser without a valid token gets."""
        if path == ACKNOWLEDGE:
            return self.ack(401, says="This is no valid token, so nothing was acknowledged.")
        return self._alone("no_token", "A token is needed", 401)

    def _alone(self, template: str, title: str, status: int, form: str = "html", **values: Any) -> Response:
        """Return a page that needs no database, and is not kept."""
        common = {"page": Page(template, title, {}), "status": status, "path": "", "query": "", "polled": None}
        return _response(status, form, self.render(template, form, {**common, **values}))

    def _file(self, asked: Asked) -> Answer:
        name = asked.path.removeprefix(STATIC)
        data = self._files.get(name)
        if data is None:
            raise RefusedError(404, f"There is no file {name}.")
        lasting = {"cache-control": _FOREVER if asked.query == _digest(data) else _AGAIN}
        return Answer(_response(200, name.rpartition(".")[2], data.decode(), lasting), _digest(data))


def _answer(form: str, text: str, state: str | None) -> Answer:
    return Answer(_response(200, form, text, {"cache-control": _AGAIN} if state is not None else None), state)


def _response(status: int, form: str, text: str, headers: Mapping[str, str] | None = None) -> Response:
    first = {"content-type": _TYPES[form], "cache-control": "no-store", **_SAFE, **REFUSAL_HEADERS.get(status, {})}
    return Response(status, {**first, **(headers or {})}, text.encode())


def _format(path: str) -> tuple[str, str]:
    """Return a path without the suffix that asks for a format, and the format."""
    stem, _, form = path.rpartition(".")
    return (stem, form) if form in ("json", "md") else (path, "html")


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=6).hexdigest()
