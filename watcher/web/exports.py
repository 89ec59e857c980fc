"""`/export/…`: what `watcher export` prints, by HTTP."""

from datetime import datetime

from watcher.api import answer as api
from watcher.api.answer import Response
from watcher.store.session import Session

EXPORT = "/export/"
"""Where the exports begin in the path of a URL."""


def export_response(path: str, query: str, at: datetime | None, session: Session) -> Response:
    return api.error(404)
