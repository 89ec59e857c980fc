"""URLs that hold a secret: whatever prints one shows only the harmless part, and `reveal` returns it whole."""

import re
from collections.abc import Mapping
from typing import Any

from watcher.errors import ConfigError
from watcher.files import open_to_read
from watcher.redaction import remember_url

HIDDEN = "…(hidden)"
URL_FILE_LIMIT = 64 * 1024
"""Bytes of a `url_file` that are read; a URL is far shorter."""


class Secret:
    """A URL of which only the scheme is shown: in a channel's, every other part can be a token."""

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        self._url = url

    def reveal(self) -> str:
        """Return the URL itself. Call it only where the URL is used."""
        return self._url

    def __str__(self) -> str:
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://", self._url)
        return (scheme.group() if scheme else "") + HIDDEN

    def __repr__(self) -> str:
        return repr(str(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._url == other._url

    def __hash__(self) -> int:
        return hash(self._url)


class SourceURL(Secret):
    """The URL of an API: only user and password are hidden."""

    __slots__ = ()

    def __str__(self) -> str:
        return re.sub(r"(://)[^/?#]*@", rf"\g<1>{HIDDEN}@", self._url)


class DatabaseURL(Secret):
    """The URL of a database: only passwords are hidden, which the URL of a file has none of."""

    __slots__ = ()

    def __str__(self) -> str:
        if not self._url.startswith("postgresql://"):
            return self._url
        shown = re.sub(r"(://[^/?#:]*:)[^/?#]*@", rf"\g<1>{HIDDEN}@", self._url)
        return re.sub(r"([?&](?:ssl)?password=)[^&]*", rf"\g<1>{HIDDEN}", shown)


def read_url(owner: str, settings: Any, key: str, environ: Mapping[str, str]) -> str:
    """Return the URL that `key`, `key_file` or `key_env` of some settings gives; one of them is set.

    Raises:
        ConfigError: the file or the variable does not hold a URL; the message names it, without its content.
    """
    if (file := getattr(settings, f"{key}_file")) is not None:
        where = f"{owner}: {key}_file: {file}"
        try:
            with open_to_read(file) as opened:
                content: str = opened.read(URL_FILE_LIMIT + 1).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ConfigError(f"{where} is not UTF-8 text") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a path"
            raise ConfigError(f"{owner}: {key}_file: cannot read {file}: {reason}") from None
    elif (variable := getattr(settings, f"{key}_env")) is not None:
        where = f"{owner}: {key}_env: the environment variable {variable}"
        if variable not in environ:
            raise ConfigError(f"{where} is not set")
        content = environ[variable]
    else:
        given: Secret = getattr(settings, key)
        remember_url(given.reveal())
        return given.reveal()
    url = content.strip()
    if not url:
        raise ConfigError(f"{where} is empty")
    if url[0] in "\"'" or url[-1] in "\"'":
        raise ConfigError(f"{where} has quotes around the URL: leave them out")
    if "://" not in url or not url.isprintable() or len(url) > URL_FILE_LIMIT:
        raise ConfigError(f"{where} does not hold one URL on one line")
    remember_url(url)
    return url
