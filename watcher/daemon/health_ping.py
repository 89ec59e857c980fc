"""Pings: tell a monitor elsewhere how polls go, so that it raises the alarm when it hears nothing any more.

    poll begins → URL/start      it was good → URL      it was not → URL/fail

Monitors such as healthchecks.io expect these calls (https://healthchecks.io/docs/http_api/). A thread of their own
makes them, so no poll waits for a call or fails with one.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

from watcher import network
from watcher.config.settings import HealthSettings
from watcher.errors import ConfigError, WatcherError
from watcher.messages.text import visible
from watcher.store.records import Poll

if TYPE_CHECKING:
    import httpx

TIMEOUT = 5.0
"""Seconds for each step of a call: connecting, sending, the answer."""
PATIENCE = 5.0
"""Seconds for which the program's end waits for calls in hand."""
_LATE = "there is no answer in time"
_LONGEST = 1000
"""Characters of a reason that are sent."""

_Calls = SimpleQueue[tuple[str, str] | None]
"""Suffix of the URL and body of each call; None: there are no more."""


class Pings:
    """Tells the monitor of `[health]` about polls.

    `tell` is called with a line for people when a call fails, and not again while it fails for the same reason.
    """

    def __init__(self, environ: Mapping[str, str], tell: Callable[[str], object]) -> None:
        self._environ = environ
        self._tell = tell
        self._client: tuple[str, httpx.Client] | None = None
        self._thread: threading.Thread | None = None
        self.trouble: str | None = None
        """Why the last call failed; None if it did not."""

    @contextmanager
    def around(self, health: HealthSettings) -> Iterator[Callable[[Poll], None]]:
        """Report that a poll begins and how it ended: the block passes the poll to what this yields, or raises."""
        calls: _Calls = SimpleQueue()
        self._start(health, calls)
        try:
            yield lambda poll: calls.put(_outcome(poll))
        except Exception as error:
            bug = f"a bug in openrouter-watcher: {type(error).__name__}"
            text = str(error) if isinstance(error, WatcherError) else bug
            calls.put(("/fail", visible(text, _LONGEST)))
            raise
        finally:
            calls.put(None)

    def close(self, seconds: float = PATIENCE) -> None:
        """Wait for the calls in hand, but no longer than this."""
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                self._note(_LATE)

    def _start(self, health: HealthSettings, calls: _Calls) -> None:
        try:
            url = health.secret_url(self._environ)
        except ConfigError as error:
            self._note(str(error))
            return
        if url is None or (self._thread is not None and self._thread.is_alive()):  # at most one hangs
            return
        calls.put(("/start", ""))
        self._thread = threading.Thread(target=self._run, args=(url, calls), name="watcher-ping", daemon=True)
        self._thread.start()

    def _run(self, url: str, calls: _Calls) -> None:
        path, mark, query = url.partition("?")
        while (call := calls.get()) is not None:
            suffix, text = call
            self._note(self._call(f"{path.rstrip('/')}{suffix}{mark}{query}" if suffix else url, text))

    def _note(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self.trouble:
            self._tell(f"the health ping was not taken: {trouble}")
        self.trouble = trouble

    def _call(self, url: str, text: str) -> str | None:
        """Make a call, and return what went wrong without the URL, which is a secret."""
        from watcher.upstream.transport import USER_AGENT  # isort: skip - before httpx, which it makes cheaper to import

        import httpx

        try:
            server = str(httpx.URL(url).join("/"))
            if self._client is None or self._client[0] != server:
                headers = {"User-Agent": USER_AGENT}
                self._client = server, network.client(server, self._environ, timeout=TIMEOUT, headers=headers)
            with self._client[1].stream("POST", url, content=text.encode()) as answer:
                return None if answer.is_success else f"the answer is HTTP {answer.status_code}"
        except httpx.TimeoutException:
            return _LATE
        except ConfigError as error:
            return str(error)
        except Exception as error:  # in a thread of its own, where an error would reach stderr alone
            return f"it cannot be reached ({type(error).__name__})"


def _outcome(poll: Poll) -> tuple[str, str]:
    if poll.outcome in ("good", "overtaken"):
        return "", f"{poll.models or 0} models, {poll.events} events, {poll.milliseconds} ms"
    return "/fail", visible(f"{poll.outcome}: {poll.reason}", _LONGEST)
