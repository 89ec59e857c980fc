"""`/export/…`: what `watcher export` prints, by HTTP."""

from datetime import UTC, datetime

from watcher.api import answer as api
from watcher.api.answer import Response
from watcher.api.query import BadQueryError, Query
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
    values = Query.parse(query, names=("model", "since")).values
    since = parse_moment("since", values["since"]) if "since" in values else None
    found = export(session, form, at=at, model=values.get("model", "*"), since=since)
    headers = {"content-type": found.content_type, "cache-control": CACHED}
    if at is not None:
        headers["x-watcher-as-of"] = exact_time(at)
    if found.remarks:
        headers["x-watcher-remarks"] = "; ".join(found.remarks)[:_LONGEST_REMARKS].strip()
    return Response(200, headers, found.text.encode())


def parse_moment(name: str, written: str) -> datetime:
    """Return the moment of a parameter, such as `2026-07-14T00:00Z`; without a zone it is UTC. Raises BadQueryError."""
    if "T" in written:
        written = written.replace(" ", "+")  # an unescaped plus sign of a zone
    try:
        moment = datetime.fromisoformat(written)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadQueryError(f'"{name}" must be a moment such as 2026-07-14T00:00Z') from None
