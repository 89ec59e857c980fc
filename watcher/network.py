"""Proxies and certificates as the environment names them, in one way for the source, the pings and the channels.

httpx and requests each read these variables in a way of their own, so here neither reads them. Messages quote no proxy,
since it can hold a password.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from watcher.errors import ConfigError

if TYPE_CHECKING:
    import ssl

    import httpx

Environ = Mapping[str, str]

CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR")
"""The variables that can name certificates to trust, of which the first that is set counts."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"\*?\.?([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])\.?(?::([0-9]{1,5}))?")
_LISTED = 100
"""Characters of entries of NO_PROXY that a warning quotes."""


def proxy_for(url: str, environ: Environ) -> str | None:
    """Return the URL of the proxy to reach `url` by; None: directly. Raises ConfigError."""
    server = urlsplit(url)
    for name in (f"{server.scheme}_proxy", "all_proxy"):
        if proxy := _value(environ, name):
            return None if any(_matches(entry, server) for entry in _no_proxy(environ)) else _checked(name, proxy)
    return None


def trusted(environ: Environ) -> Path | None:
    """Return the file or folder of certificates that the environment names, if any.

    Raises:
        ConfigError: it cannot be read.
    """
    for name in CERTIFICATES:
        if given := environ.get(name):
            path = Path(given)
            try:
                if not path.is_dir():
                    path.open("rb").close()
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or "not a path"
                raise ConfigError(f"{name} in the environment: cannot read {path}: {reason}") from None
            return path
    return None


def tls_context(environ: Environ, usual: str | None = None) -> "ssl.SSLContext":
    """Return what servers are checked by.

    Args:
        environ: it can name certificates to trust.
        usual: a file of certificates, where it names none; None: those of the machine.

    Raises:
        ConfigError: what it names cannot be used.
    """
    import ssl  # most commands need neither this nor addresses

    path = trusted(environ)
    if path is None:
        return ssl.create_default_context(cafile=usual)
    try:
        return (
            ssl.create_default_context(capath=str(path)) if path.is_dir() else ssl.create_default_context(cafile=path)
        )
    except OSError:  # ssl.SSLError is one
        raise ConfigError(f"{path}, which the environment names, holds no certificates in PEM format") from None


def client(url: str, environ: Environ, **options: Any) -> "httpx.Client":
    """Return an httpx client to reach the server of `url` by. Raises ConfigError.

    Only one for HTTPS loads certificates, which takes 20 to 50 ms.
    """
    import certifi
    import httpx

    proxy = proxy_for(url, environ)
    context = None
    if url.startswith("https:") or (proxy is not None and proxy.startswith("https:")):
        context = tls_context(environ, certifi.where())
    through = None if proxy is None else httpx.Proxy(proxy, ssl_context=context if proxy.startswith("https:") else None)
    return httpx.Client(verify=context or False, proxy=through, trust_env=False, **options)


def requests_options(url: str, environ: Environ) -> dict[str, Any]:
    """Return arguments with which `requests` looks at no variable and no `~/.netrc`. Raises ConfigError."""
    import certifi

    proxy, path = proxy_for(url, environ), trusted(environ)
    if path is not None and url.startswith("https:"):
        tls_context(environ)  # `requests` would blame the server for a file that holds no certificates
    return {
        "proxies": {"http": proxy, "https": proxy, "all": None},
        "verify": str(path or certifi.where()),
        "auth": _as_in_url,
    }


def problems(environ: Environ) -> Iterator[str]:
    """Yield what would make a request fail: a sentence for each setting that cannot be used."""
    for scheme in _DEFAULT_PORTS:
        try:
            proxy_for(f"{scheme}://a.host.invalid", environ)
        except ConfigError as error:
            yield str(error)
    try:
        tls_context(environ)
    except ConfigError as error:
        yield str(error)


def warnings(environ: Environ) -> Iterator[str]:
    """Yield a sentence for each setting that is passed over."""
    used = any(_value(environ, f"{scheme}_proxy") for scheme in (*_DEFAULT_PORTS, "all"))
    server = urlsplit("http://a.host.invalid")
    odd = [entry for entry in _no_proxy(environ) if used and _matches(entry, server) is None]
    if odd:
        listed = ", ".join(ascii(entry)[1:-1] for entry in odd)
        listed = listed if len(listed) <= _LISTED else listed[:_LISTED] + "…"
        yield f"NO_PROXY in the environment: neither a host nor a network, so passed over: {listed}"
    named = [name for name in CERTIFICATES if environ.get(name)]
    for name in named[1:]:
        if environ[name] != environ[named[0]] and name != "SSL_CERT_DIR":  # many set it beside SSL_CERT_FILE
            yield f"{name} in the environment has no effect, since {named[0]} is set"


def _as_in_url(request: Any) -> Any:
    """Authorize a request by the user and password in its URL, if any. By default `requests` reads `~/.netrc`, too."""
    from requests.auth import HTTPBasicAuth
    from requests.utils import get_auth_from_url

    user, password = get_auth_from_url(request.url)
    return HTTPBasicAuth(user, password)(request) if user or password else request


def _value(environ: Environ, name: str) -> str:
    """Return a variable that is written in small or in capital letters; the small ones count first."""
    return environ.get(name, environ.get(name.upper(), "")).strip()


def _checked(name: str, proxy: str) -> str:
    url = proxy if "://" in proxy else f"http://{proxy}"
    where = f"{name.upper()} in the environment"
    if url.startswith("socks"):
        raise ConfigError(f"{where}: SOCKS is not supported; name an HTTP proxy there, or unset it")
    try:
        parts = urlsplit(url)
        if parts.scheme in _DEFAULT_PORTS and parts.hostname and parts.port != 0 and re.fullmatch("[!-~]+", url):
            return url
    except ValueError:
        pass
    raise ConfigError(f"{where}: not the URL of a proxy such as http://proxy.example:3128; correct or unset it")


def _no_proxy(environ: Environ) -> list[str]:
    return [entry for entry in re.split(r"[\s,]+", _value(environ, "no_proxy")) if entry]


def _matches(entry: str, server: SplitResult) -> bool | None:
    """Return whether an entry of NO_PROXY names the server: a host with all below it, an address, or a network.

    None: it is nothing of that.
    """
    if entry == "*":
        return True
    host = (server.hostname or "").rstrip(".")
    network, address = _network(entry), _network(host)
    if network is not None:
        return address is not None and address.version == network.version and bool(address.subnet_of(network))
    scheme, separator, rest = entry.partition("://")
    match = _NAME.fullmatch(rest if separator else entry)
    if match is None:
        return None
    port = server.port or _DEFAULT_PORTS.get(server.scheme)
    if (separator and scheme not in ("all", server.scheme)) or (match[2] and int(match[2]) != port):
        return False
    name = match[1].strip("[]").lower()
    return host == name or host.endswith(f".{name}")


def _network(entry: str) -> Any:
    """Return an `ipaddress` network, which an address alone is, too; None if it is none."""
    from ipaddress import ip_network

    try:
        return ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None
