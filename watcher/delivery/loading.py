"""How `requests` is loaded, by which Apprise sends: without what guesses the encoding of a text.

It guesses where a service does not say how its answer is encoded; without it, UTF-8 is taken. That module costs 3 MB of
memory for as long as the process lives, and 20 ms.
"""

import sys
import threading
import warnings

_loading = threading.Lock()
"""Channels are sent to side by side: two threads that import parts of one package at once can each find half of it."""


def load_requests() -> None:
    """Import requests, if it is not; to be called before anything that imports it."""
    with _loading:
        if "requests" in sys.modules:
            return
        left_out = [name for name in ("chardet", "charset_normalizer") if name not in sys.modules]
        sys.modules.update(dict.fromkeys(left_out))  # type: ignore[arg-type]  # None: an import of it fails
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that neither is there
                import requests  # noqa: F401 - for its being loaded
        finally:
            for name in left_out:
                del sys.modules[name]
