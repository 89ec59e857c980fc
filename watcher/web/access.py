"""Who may ask, and under which address: hosts, tokens, proxies, and the bounds of a request."""

import hashlib
import hmac
import ipaddress
import os
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from watcher.api.answer import Request
from watcher.config.settings import WebSettings
from watcher.errors import ConfigError
from watcher.files import open_to_read

LONGEST_URL = 8 * 1024
"""Bytes of path and query."""
LONGEST_HEADERS = 16 * 1024
"""Bytes of all headers."""
BUSY_SECONDS = 3.0
"""How long a request waits for a database that another process has locked; a reader seldom has to."""
HEALTH = "/healthz"
"""The path that needs no token."""
STATIC = "/static/"
"""Below it are the style sheet and the like, which need none either: the form at `/ack` loads them."""
TOKEN = "token"  # noqa: S105 - a name
"""The parameter of a URL that holds its own token."""
ACKNOWLEDGE = "/ack"
"""The path of a form, which asks for the token itself: a link cannot bring one along."""
_TOKENS_LIMIT = 1024 * 1024
_NOT_NAMED = (TOKEN, "before")
"""Parameters that the line of a URL's token leaves out: the token itself, and the page of a feed."""


METHODS = "GET, HEAD, OPTIONS"
"""What is answered everywhere."""
REFUSAL_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"www-authenticate": "Bearer"},
    405: {"allow": METHODS},
    503: {"retry-after": "30"},
}
"""The headers of what is not answered, by status."""


class RefusedError(Exception):
    """The request is not answered; with the status and the reason to give, and ids that may have been meant."""

    def __init__(self, status: int, reason: str = "", similar: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.similar = similar


@dataclass(frozen=True)
class Asked(Request):
    """A request that may be answered; its path is without the prefix. Of headers that came twice it has the last."""

    base_url: str = ""
    """Scheme, host and prefix under which the client sees us."""

    @property
    def key(self) -> str:
        """The bearer key that was given; empty if there is none, which is no token either."""
        return self.headers["authorization"][7:].strip() if self.has_key else ""


class Access:
    """Checks requests against `[web]`. Raises ConfigError if the file of tokens cannot be used."""

    def __init__(self, settings: WebSettings) -> None:
        self._prefix = settings.prefix
        self._hosts = {"localhost", *(_hostname(host) for host in settings.allowed_hosts)}
        self._proxies = [ipaddress.ip_network(network) for network in settings.trusted_proxies]
        self._tokens = None if settings.tokens_file is None else _Tokens(settings.tokens_file)
        self.guarded = self._tokens is not None
        """Whether a token is needed."""

    def check(self, scope: Mapping[str, Any]) -> Asked:
        """Return the request of an ASGI scope, whoever sent it. Raises RefusedError."""
        headers, size = {}, 0
        for name, value in scope["headers"]:
            headers[name.decode("latin-1")] = value.decode("latin-1")
            size += len(name) + len(value)
        path, query = scope["raw_path"].decode("ascii", "replace"), scope["query_string"].decode("ascii", "replace")
        if len(path) + len(query) > LONGEST_URL:
            raise RefusedError(414, f"The URL is longer than {LONGEST_URL} bytes")
        if "%00" in path or "%00" in query:  # PostgreSQL takes no such text
            raise RefusedError(400, "The URL holds a NUL")
        if size > LONGEST_HEADERS:
            raise RefusedError(431, f"The headers are longer than {LONGEST_HEADERS} bytes")
        if not path.startswith("/"):  # http://host/path, as clients write it for a proxy
            path = "/" + path.partition("://")[2].partition("/")[2]
        scheme, host = scope["scheme"], headers.get("host", "")
        if self._proxies and self._is_proxy(scope.get("client")):
            scheme = _last(headers, "x-forwarded-proto") or scheme
            host = _last(headers, "x-forwarded-host") or host
        if scheme not in ("http", "https") or not self._knows(host):
            raise RefusedError(403, "This host name is not served here; [web] allowed_hosts can allow it")
        if self._prefix and (path + "/").startswith(f"{self._prefix}/"):  # a proxy may have removed it
            path = path.removeprefix(self._prefix) or "/"
        return Asked(path, query, scope["method"], headers, f"{scheme}://{host}{self._prefix}")

    def check_token(self, asked: Asked) -> None:
        """Raise RefusedError if a token is needed and was not given."""
        if self._tokens is None or asked.path == HEALTH or asked.path.startswith(STATIC):
            return
        if not self._tokens.holds(asked.key) and not self._tokens.opens(asked.path, asked.query):
            raise RefusedError(401, "No valid token was given")

    def require_token(self, key: str) -> None:
        """Make sure that there are tokens, and that this is one of them. Raises RefusedError."""
        if self._tokens is None:
            raise RefusedError(403, "Nobody may do this without a token, and [web] tokens_file names no tokens")
        if not self._tokens.holds(key):
            raise RefusedError(401, "No valid token was given")

    def _is_proxy(self, client: tuple[str, int] | None) -> bool:
        address = _address(client[0] if client else "")
        address = getattr(address, "ipv4_mapped", None) or address  # a socket for IPv6 shows IPv4 like this
        return address is not None and any(address in network for network in self._proxies)

    def _knows(self, host: str) -> bool:
        """Whether a `Host` is ours. A page that rebinds its own name to our address does not know an IP address."""
        name = _hostname(host)
        return bool(name) and (name in self._hosts or _address(name) is not None)


class _Tokens:
    """The digests of the tokens in a file, which is read again when it has changed.

    A line is a token for everything, or a token and the one URL that it opens: `TOKEN /feed.atom?author=openai`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_as: tuple[int, ...] = ()
        self._known: list[tuple[bytes, object]] = []
        """The digest of each token, and what it opens; None: everything."""
        try:
            self._read()
        except OSError as error:
            raise ConfigError(f"web.tokens_file: cannot read {path}: {error.strerror}") from None
        if not self._known:
            raise ConfigError(f"web.tokens_file: {path} holds no token, so nobody could ask; write one on each line")

    def holds(self, key: str) -> bool:
        """Whether a key is one of the tokens for everything."""
        return self._has(key.encode("latin-1"), None)  # as it came

    def opens(self, path: str, query: str) -> bool:
        """Whether the token in a URL is its own."""
        given = [value for name, value in parse_qsl(query) if name == TOKEN]
        return len(given) == 1 and self._has(given[0].encode(), _target(path, query))

    def _has(self, token: bytes, target: object) -> bool:
        """Whether there is such a token; the time that this takes does not depend on the token."""
        try:
            self._read()
        except OSError:
            raise RefusedError(503, "The file of tokens cannot be read") from None
        digest = _digest(token)
        return any([hmac.compare_digest(digest, known) and target == own for known, own in self._known])  # noqa: C419 - all of them, always

    def _read(self) -> None:
        found = os.stat(self._path)  # noqa: PTH116 - on each request
        state = (found.st_ino, found.st_size, found.st_mtime_ns)
        if state != self._read_as:
            with open_to_read(self._path) as file:
                lines = file.read(_TOKENS_LIMIT).removeprefix(BOM_UTF8).splitlines()
            self._known = []
            for line in filter(None, (line.strip() for line in lines if not line.lstrip().startswith(b"#"))):
                token, *url = line.split(None, 1)
                path, _, query = b"".join(url).decode("utf-8", "replace").partition("?")
                own = path.startswith("/")
                self._known.append((_digest(token if own else line), _target(path, query) if own else None))
            self._read_as = state


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


@lru_cache(64)
def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an IP address; None if it is none."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _target(path: str, query: str) -> object:
    """Return what is the same for URLs with the same parameters, the token and the page apart."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return unquote(path), sorted(pair for pair in pairs if pair[0] not in _NOT_NAMED)


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


@lru_cache(64)
def _hostname(host: str) -> str:
    """Return the name or address in a `Host`, in lower case; empty if it is none."""
    name, colon, port = host.lower().rpartition(":")
    if not colon or not port.isdecimal():
        name = host.lower()
    name = name.removesuffix(".")
    if name.startswith("[") and name.endswith("]"):
        return name[1:-1]
    return name if name and not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-._") else ""


def _last(headers: Mapping[str, str], name: str) -> str:
    """Return what the nearest proxy wrote."""
    return headers.get(name, "").rpartition(",")[2].strip()
