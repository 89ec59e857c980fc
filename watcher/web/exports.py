"""`/export/…`: what `watcher export` prints, by HTTP."""

from datetime import datetime

from watcher.api import answer as api
from watcher.api.answer import Response
from watcher.api.query import Query
from watcher.export import FORMATS, export
from watcher.export.csv_file import exact_time
from watcher.store.past import Past
from watcher.store.session import Session
from watcher.web.answers import CACHED
from watcher.web.catalogues import unknown_moment

EXPORT = "/export/"
"""Where the exports begin in the path of a URL."""
_LONGEST_REMARKS = 2000


def export_response(path: str, query: str, at: datetime | None, session: Session) -> Response:
    """Return an export, its remarks in a header. Raises BadQueryError or RefusedError."""
    form = path.removeprefix(EXPORT)
    if form not in FORMATS:
        return api.error(404, f"There is no such export; there are {', '.join(FORMATS)}")
    past = Past(session.connection)
    if at is not None and past.polled(at) is None:
        raise unknown_moment(past.first())
    asked = Query.parse(query, names=("model", "since"))
    found = export(session, form, at=at, model=asked.values.get("model", "*"), since=asked.moment("since"))
    headers = {"content-type": found.content_type, "cache-control": CACHED}
    if at is not None:
        headers["x-watcher-as-of"] = exact_time(at)
    if found.remarks:
        headers["x-watcher-remarks"] = "; ".join(found.remarks)[:_LONGEST_REMARKS].strip()
    return Response(200, headers, found.text.encode())
