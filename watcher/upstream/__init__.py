"""Reading OpenRouter: the JSON API and its feed over HTTP, and recorded snapshots.

    Client.models() → ModelList(pages) ┐
    read_archive()  → Capture(body)  ┴→ catalog.reading      Client.feed() → bytes → read_feed() → Feed(models)

Nothing here judges the catalogue. httpx and feedparser are imported when they are first needed.
"""
