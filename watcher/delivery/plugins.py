"""The Apprise plugin for a channel's URL.

Functions import Apprise, and our own plugins, when they need it: that takes 200 ms, and 500 ms and 36 MB once it loads
all its 183 plugins. So the common plugins are found by name here, and only the others by Apprise's own search.
"""

import re
import threading
from pkgutil import resolve_name
from typing import Any

from watcher.delivery.addressees import (
    UnusableURLError,
    check_parameters,
    check_targets,
    check_url_parts,
    with_ascii_host,
)
from watcher.delivery.diagnosis import LogCapture, observe
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
_FORMS = {
    "discord://": "discord://WebhookID/WebhookToken",
    "https://discord.com/": "https://discord.com/api/webhooks/WebhookID/WebhookToken",
    "https://hooks.slack.com/": "https://hooks.slack.com/services/T…/B…/…",
    "slack://": "slack://TokenA/TokenB/TokenC/#channel",
    "tgram://": "tgram://BotToken/ChatID",
}
"""How the URLs of common services begin, and what they consist of."""
_HARMLESS = "Added default"
"""How Apprise's only warning begins that speaks of no part of the URL."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,19})://")
_SERVICES = "https://appriseit.com/services/"
_loading = threading.Lock()
"""Apprise's modules import each other in circles: of two threads that import them at once, one can find half of one."""


def open_plugin(url: str) -> Any:
    """Return the Apprise plugin that reaches exactly those whom the URL names. Raises UnusableURLError."""
    with LogCapture(url) as log, _loading:
        try:
            plugin = _checked(url.strip(), log)
            observe()
        except Exception as error:  # plugins raise anything at a URL that they do not expect
            raise UnusableURLError(_problem(url, error, log)) from None
    return plugin


def _checked(url: str, log: LogCapture) -> Any:
    match = _SCHEME.match(url)
    if match is None:
        raise UnusableURLError("it is not a URL such as mailto://… or slack://…")
    check_url_parts(url)
    # As Apprise does: a channel such as `#general` in the path is not a fragment.
    url = with_ascii_host(url).replace("/#", "/%23")
    plugin = _open(url, match[1].lower())
    dropped = [line for line in log.lines if not line.startswith(_HARMLESS)]
    if match[1].lower().removesuffix("s") != "http":  # a web hook as a service shows it names nobody
        check_parameters(url, type(plugin))
        if type(plugin).__name__ == "Mail":  # ours, which reads exactly
            return plugin
        check_targets(url, plugin, dropped)
    if dropped:
        raise UnusableURLError("Apprise would not use a part of it", refused=True)
    return plugin


def _open(url: str, scheme: str) -> Any:
    from apprise import Apprise, AppriseAsset, PersistentStoreMode

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
    if base == "http":
        for name in _BY_WEB_ADDRESS:
            kind = resolve_name(_PLUGINS[name])
            if arguments := kind.parse_native_url(url):
                return kind(**arguments | {"asset": asset})
    path = _PLUGINS.get(scheme) or (None if base in _WITHOUT_S else _PLUGINS.get(base))
    if path is None:
        plugin = Apprise.instantiate(url, asset=asset)
        if plugin is None:
            raise _unknown(scheme)
        return plugin
    kind = resolve_name(path)
    arguments = kind.parse_url(url)
    if not arguments:
        raise UnusableURLError(f"it is not a complete {scheme}:// URL", refused=True)
    return kind(**arguments | {"asset": asset})


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


def _problem(url: str, error: Exception, log: LogCapture) -> str:
    """Return why a URL cannot be used; what a plugin has logged about its own URL is more precise than the error."""
    refused = getattr(error, "refused", True)
    if re.split(r"[/?#]", url.partition("://")[2])[0].count("@") > 1:
        return "a @ in the user name or the password has to be written as %40"
    authority, _, rest = url.partition("://")[2].partition("/")
    for start, form in _FORMS.items():
        if url.lower().startswith(start) and (refused or start.startswith("http")):
            return f"it is not complete, or a part of it is mistyped; expected {form}"
    if "@" in rest and re.search(r":(?!\d*$)[^]@]*$", authority):
        return "a / in the user name or the password has to be written as %2F"
    if refused and (logged := log.reasons()):
        return logged
    # Of an error that is not ours only the kind: its text may quote the URL.
    return str(error) if isinstance(error, UnusableURLError) else f"Apprise cannot use it ({type(error).__name__})"
