"""OpenRouter as it is read: the JSON API and its feed over HTTP, and recorded snapshots.

    Client.models() → Listing(pages) ┐
    read_archive()  → Capture(body)  ┴→ catalog.reading      Client.feed() → bytes → read_feed() → Feed(entries)

Nothing here judges the catalogue. Importing this package loads neither httpx nor feedparser: each is imported by
the first call that needs it.
"""

from watcher.upstream.archive import Capture, read_archive
from watcher.upstream.client import Client, Listing
from watcher.upstream.errors import (
    ArchiveError,
    NotPromisedError,
    RedirectError,
    StatusError,
    TooLargeError,
    TooSlowError,
    UnreachableError,
    UpstreamError,
)
from watcher.upstream.feed import Feed, FeedEntry, read_feed
from watcher.upstream.key import find_api_key
from watcher.upstream.transport import Limits

__all__ = [
    "ArchiveError",
    "Capture",
    "Client",
    "Feed",
    "FeedEntry",
    "Limits",
    "Listing",
    "NotPromisedError",
    "RedirectError",
    "StatusError",
    "TooLargeError",
    "TooSlowError",
    "UnreachableError",
    "UpstreamError",
    "find_api_key",
    "read_archive",
    "read_feed",
]
