"""The Apprise plugin for a channel's URL, and the format and lengths that its service takes.

Functions import Apprise when they need it: that takes 200 ms, and 500 ms once it loads all its 183 plugins. So the
common plugins are found by name here, and only the others by Apprise's own search.
"""

import re
import threading
from functools import partial
from importlib import import_module
from typing import Any

from msgspec import Struct

from watcher.delivery.diagnosis import observe
from watcher.messages.document import Format

NAME = "OpenRouter Watcher"
HOMEPAGE = "https://openrouter.ai/models"

_PLUGINS = {
    "discord": ("apprise.plugins.discord", "NotifyDiscord"),
    "form": ("apprise.plugins.custom_form", "NotifyForm"),
    "forms": ("apprise.plugins.custom_form", "NotifyForm"),
    "gchat": ("apprise.plugins.google_chat", "NotifyGoogleChat"),
    "gotify": ("apprise.plugins.gotify", "NotifyGotify"),
    "gotifys": ("apprise.plugins.gotify", "NotifyGotify"),
    "json": ("apprise.plugins.custom_json", "NotifyJSON"),
    "jsons": ("apprise.plugins.custom_json", "NotifyJSON"),
    "mailto": ("watcher.delivery.mail", "Mail"),
    "mailtos": ("watcher.delivery.mail", "Mail"),
    "matrix": ("apprise.plugins.matrix", "NotifyMatrix"),
    "matrixs": ("apprise.plugins.matrix", "NotifyMatrix"),
    "mmost": ("apprise.plugins.mattermost", "NotifyMattermost"),
    "mmosts": ("apprise.plugins.mattermost", "NotifyMattermost"),
    "ntfy": ("apprise.plugins.ntfy", "NotifyNtfy"),
    "ntfys": ("apprise.plugins.ntfy", "NotifyNtfy"),
    "pover": ("apprise.plugins.pushover", "NotifyPushover"),
    "rocket": ("apprise.plugins.rocketchat", "NotifyRocketChat"),
    "rockets": ("apprise.plugins.rocketchat", "NotifyRocketChat"),
    "slack": ("apprise.plugins.slack", "NotifySlack"),
    "tgram": ("apprise.plugins.telegram", "NotifyTelegram"),
    "workflow": ("apprise.plugins.workflows", "NotifyWorkflows"),
    "workflows": ("apprise.plugins.workflows", "NotifyWorkflows"),
    "xml": ("apprise.plugins.custom_xml", "NotifyXML"),
    "xmls": ("apprise.plugins.custom_xml", "NotifyXML"),
    "zulip": ("apprise.plugins.zulip", "NotifyZulip"),
}

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,19})://")
_MAX_PAUSE = 1.0
"""Seconds between two parts of one message; Apprise would wait 5.5 for most services."""
_MAIL_LIMIT = 95_000
"""Gmail hides what of a mail comes after 102 KB."""
_NTFY_LIMIT = 4_096
"""A longer message arrives as an attachment; ntfy counts bytes, and Apprise's 7,800 is not its limit."""
_TEAMS_LIMIT = 12_000
"""Teams takes 28 KB of JSON, in which a character can be twice as long; Apprise's 1,000 is a third of a screen."""
_LEAST_HTML = 4_000
"""A service that takes less gets text, which Apprise turns into HTML: the frame of our documents alone has 1,100."""
_SLACK_LIMIT = 35_000
_SLACK_BLOCK_LIMIT = 3_000
"""Characters of one section block, by Slack's documentation of Block Kit."""


class UnusableURLError(ValueError):
    """No service can be reached by this URL. The message says why, without any secret.

    `refused`: a plugin was found but refused the URL, and may have logged why.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class Service(Struct, frozen=True):
    """A plugin that is ready to send, and what its service takes."""

    plugin: Any
    """An Apprise `NotifyBase`."""
    format: Format
    limit: int
    """Bytes of title and body together in one message."""
    title_limit: int
    """Characters of a title; 0: the title is the first line of the body."""
    raw: bool
    """Whether the service gets our text unchanged; else Apprise converts it from the declared format."""

    @property
    def has_title(self) -> bool:
        """Whether the service shows a title apart from the body."""
        return self.title_limit > 0

    @property
    def is_mail(self) -> bool:
        """Whether the plugin is our own for mail, which takes both parts and an id."""
        return hasattr(self.plugin, "send_mail")


def scheme_of(url: str) -> str | None:
    """Return the part before `://`, which is no secret; None if there is no such part."""
    match = _SCHEME.match(url.strip())
    return match[1].lower() if match else None


_loading = threading.Lock()
"""Apprise's modules import each other in circles: of two threads that import them at once, one can find half of one."""


def open_service(url: str, timeout: float) -> Service:
    """Return the service behind the URL, with its socket timeouts (seconds) at most `timeout`.

    Raises:
        UnusableURLError: there is none.
    """
    try:
        with _loading:
            plugin: Any = _plugin(url.strip())
            observe(plugin)
    except UnusableURLError:
        raise
    except Exception as error:  # plugins raise anything at a URL that they do not expect
        # Only the kind of the error: its text may quote the URL.
        raise UnusableURLError(f"Apprise cannot use it ({type(error).__name__})", refused=True) from None
    plugin.redirects = False
    plugin.socket_connect_timeout = min(plugin.socket_connect_timeout or timeout, timeout)
    plugin.socket_read_timeout = timeout
    plugin.request_rate_per_sec = min(plugin.request_rate_per_sec, _MAX_PAUSE)
    return _service(plugin)


def _plugin(url: str) -> Any:
    from apprise import Apprise, AppriseAsset, PersistentStoreMode

    scheme = scheme_of(url)
    if scheme is None:
        raise UnusableURLError("it is not a URL such as mailto://… or slack://…")
    asset = AppriseAsset(
        app_id=NAME,
        app_desc=NAME,
        app_url=HOMEPAGE,
        # Services would show Apprise's own pictures, which they fetch from GitHub.
        image_url_mask="",
        image_url_logo="",
        # A redirected POST becomes a GET, which proves nothing about the alert.
        http_redirects=False,
        storage_mode=PersistentStoreMode.MEMORY,
        pgp_autogen=False,
        pem_autogen=False,
    )
    if scheme not in _PLUGINS:
        plugin = Apprise.instantiate(url, asset=asset)
        if plugin is None:
            raise _unknown(scheme)
        return plugin
    module, name = _PLUGINS[scheme]
    kind = getattr(import_module(module), name)
    # As Apprise does: a channel such as `#general` in the path is not a fragment.
    arguments: dict[str, Any] | None = kind.parse_url(url.replace("/#", "/%23"))
    if not arguments:
        raise UnusableURLError(f"it is not a complete {scheme}:// URL", refused=True)
    return kind(**arguments | {"asset": asset})


_SERVICES = "https://appriseit.com/services/"


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


def _service(plugin: Any) -> Service:
    limit, title = int(plugin.body_maxlen), int(plugin.title_maxlen)
    match type(plugin).__name__:
        case "NotifySlack":
            limit = _SLACK_BLOCK_LIMIT if plugin.use_blocks else _SLACK_LIMIT
            return Service(plugin, Format.SLACK, limit, title, raw=True)
        case "NotifyDiscord":
            # Embeds (format=markdown in the URL) make Apprise look for mentions in the text and add them as pings.
            plugin._format_override = None
            # Asked to come back later, Apprise would sleep and try again; the outbox decides that.
            plugin._send = partial(plugin._send, rate_limit=0)
            return Service(plugin, Format.MARKDOWN, limit, 0, raw=True)
        case "NotifyMattermost":  # says that it takes text, and shows it as Markdown
            return Service(plugin, Format.MARKDOWN, limit, 0, raw=True)
        case "NotifyTelegram":
            return Service(plugin, Format.TELEGRAM, limit, 0, raw=True)
        case "NotifyNtfy":
            return Service(plugin, _generic_format(plugin, limit), min(limit, _NTFY_LIMIT), title, raw=False)
        case "NotifyWorkflows":
            # Apprise checks the size of a message against this.
            plugin.body_maxlen = limit = max(limit, _TEAMS_LIMIT)
            return Service(plugin, _generic_format(plugin, limit), limit, title, raw=False)
        case "Mail":
            if plugin.wants_pgp:  # better no mail than one in the clear
                raise UnusableURLError("mail encrypted or signed with PGP (pgp=, wkd=) is not supported")
            return Service(plugin, Format.HTML, _MAIL_LIMIT, title, raw=True)
        case _:
            return Service(plugin, _generic_format(plugin, limit), limit, title, raw=False)


def _generic_format(plugin: Any, limit: int) -> Format:
    """Return the format that the plugin passes on unchanged; text, which Apprise escapes, where there is a choice."""
    from apprise import NotifyFormat

    resolved = plugin.resolve_format(NotifyFormat.TEXT)
    if resolved == NotifyFormat.HTML and limit >= _LEAST_HTML:
        return Format.HTML
    return Format.MARKDOWN if resolved == NotifyFormat.MARKDOWN else Format.TEXT
