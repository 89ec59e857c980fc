"""The Apprise plugin for a channel's URL.

Functions import Apprise when they need it: that takes 200 ms, and 500 ms and 36 MB once it loads all its 183 plugins.
So the common plugins are found by name here, and only the others by Apprise's own search.
"""

import re
import threading
from importlib import import_module
from typing import Any

from watcher.delivery.addressees import (
    AddresseeError,
    check_parameters,
    check_targets,
    check_url_parts,
    relevant,
    with_ascii_host,
)
from watcher.delivery.diagnosis import captured_warnings, observe
from watcher.delivery.kinds import PAGE

NAME = "OpenRouter Watcher"

_PLUGINS = {
    "discord": "watcher.delivery.discord:Discord",
    "form": "apprise.plugins.custom_form:NotifyForm",
    "gchat": "apprise.plugins.google_chat:NotifyGoogleChat",
    "gotify": "apprise.plugins.gotify:NotifyGotify",
    "json": "watcher.delivery.webhook:WebHook",
    "mailto": "watcher.delivery.mail:Mail",
    "matrix": "apprise.plugins.matrix:NotifyMatrix",
    "mmost": "apprise.plugins.mattermost:NotifyMattermost",
    "ntfy": "watcher.delivery.phone:Ntfy",
    "pover": "apprise.plugins.pushover:NotifyPushover",
    "rocket": "apprise.plugins.rocketchat:NotifyRocketChat",
    "slack": "watcher.delivery.slack:Slack",
    "tgram": "watcher.delivery.phone:Telegram",
    "workflow": "watcher.delivery.teams:Teams",
    "xml": "apprise.plugins.custom_xml:NotifyXML",
    "zulip": "apprise.plugins.zulip:NotifyZulip",
}
_BY_WEB_ADDRESS = ("slack", "discord", "workflow", "ntfy")
"""Services of ours that can be given by the address that their own pages show."""
_WITHOUT_S = frozenset({"discord", "gchat", "pover", "slack", "tgram", "zulip"})
"""Schemes that are always encrypted; the others have a second one with an `s`, such as `jsons`."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,19})://")
_SERVICES = "https://appriseit.com/services/"
_loading = threading.Lock()
"""Apprise's modules import each other in circles: of two threads that import them at once, one can find half of one."""


class UnusableURLError(ValueError):
    """No service can be reached by this URL. The message says why, without any secret.

    `refused`: a plugin was found but refused the URL, and may have logged why.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


def open_plugin(url: str) -> Any:
    """Return the Apprise plugin (a `NotifyBase`) for the URL.

    Raises:
        UnusableURLError: there is none.
    """
    try:
        with _loading:
            plugin = _open(url.strip())
            observe()
            return plugin
    except UnusableURLError:
        raise
    except AddresseeError as error:
        raise UnusableURLError(str(error)) from None
    except Exception as error:  # plugins raise anything at a URL that they do not expect
        # Only the kind of the error: its text may quote the URL.
        raise UnusableURLError(f"Apprise cannot use it ({type(error).__name__})", refused=True) from None


def _open(url: str) -> Any:
    from apprise import Apprise, AppriseAsset, PersistentStoreMode

    match = _SCHEME.match(url)
    if match is None:
        raise UnusableURLError("it is not a URL such as mailto://… or slack://…")
    check_url_parts(url)
    # As Apprise does: a channel such as `#general` in the path is not a fragment.
    url = with_ascii_host(url).replace("/#", "/%23")
    scheme = match[1].lower()
    asset = AppriseAsset(
        app_id=NAME,
        app_desc=NAME,
        app_url=PAGE,
        # Services would show Apprise's own pictures, which they fetch from GitHub.
        image_url_mask="",
        image_url_logo="",
        # A redirected POST becomes a GET, which proves nothing about the alert.
        http_redirects=False,
        storage_mode=PersistentStoreMode.MEMORY,
        pgp_autogen=False,
        pem_autogen=False,
    )
    base = scheme.removesuffix("s")
    path = _PLUGINS.get(scheme) or (None if base in _WITHOUT_S else _PLUGINS.get(base))
    if base == "http":
        for name in _BY_WEB_ADDRESS:
            kind = _load(_PLUGINS[name])
            if arguments := kind.parse_native_url(url):
                return _checked(kind(**arguments | {"asset": asset}), url, base)
    if path is None:
        plugin = Apprise.instantiate(url, asset=asset)
        if plugin is None:
            raise _unknown(scheme)
        return _checked(plugin, url, base)
    kind = _load(path)
    arguments = kind.parse_url(url)
    if not arguments:
        raise UnusableURLError(f"it is not a complete {scheme}:// URL", refused=True)
    return _checked(kind(**arguments | {"asset": asset}), url, base)


def _checked(plugin: Any, url: str, base: str) -> Any:
    """Return the plugin if it reaches exactly those whom the URL names. Raises AddresseeError and UnusableURLError."""
    dropped = relevant(captured_warnings())
    if base != "http":  # a web hook as a service shows it names nobody
        check_parameters(url, type(plugin))
        if base == "mailto":  # our own `Mail` reads exactly
            return plugin
        check_targets(url, plugin, dropped)
    if dropped:
        raise UnusableURLError("Apprise would not use a part of it", refused=True)
    return plugin


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def _unknown(scheme: str) -> UnusableURLError:
    from difflib import get_close_matches

    from apprise import manager_plugins

    manager: Any = manager_plugins.NotificationManager
    known: list[str] = manager().schemas()
    if scheme in ("http", "https"):
        own = scheme.replace("http", "json")
        message = f"no service is known by this {scheme}:// address, or it is not complete; see {_SERVICES}"
        return UnusableURLError(f"{message}, and for a program of yours that takes JSON write {own}://")
    if scheme in known:
        return UnusableURLError(f"it is not a complete {scheme}:// URL, see {_SERVICES}", refused=True)
    close = get_close_matches(scheme, known, 1)
    hint = f"; did you mean {close[0]}://?" if close else f", see {_SERVICES}"
    return UnusableURLError(f"Apprise knows no service {scheme}://{hint}")
