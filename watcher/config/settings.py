"""The configuration as the rest of the program takes it: frozen, typed, and each option declared by its field.

What is set, read, shown and documented follows from the fields that have an `Option`; see `options`.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Struct

from watcher.catalog.model import CHOSEN_KINDS, DEFAULT_KINDS, KINDS, Kind
from watcher.catalog.option import Option
from watcher.catalog.policy import Policy
from watcher.config.clock import TIME_ZONE, Digest, QuietHours
from watcher.config.parse import (
    ADDRESS,
    CHANNEL_URL,
    NAME,
    NETWORK,
    PING_URL,
    PRICE,
    SPAN,
    TEMPLATE,
    URL_PATH,
    VARIABLE,
    choices,
    listing,
)
from watcher.config.secret import DatabaseURL, Secret, SourceURL, read_url
from watcher.errors import ConfigError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

MODALITIES = ("text", "image", "audio", "video", "file", "embeddings")
_PATTERNS = 'a list of patterns such as ["anthropic/*", "openai/gpt-*"]'


class SourceSettings(Struct, frozen=True):
    """`[source]`."""

    url: Annotated[SourceURL, "Base of the OpenRouter API."] = SourceURL("https://openrouter.ai/api/v1")
    output_modalities: Annotated[
        tuple[str, ...],
        'Models that produce one of these: "text", "image", "audio", "embeddings", …; "all" is the whole catalogue.',
        Option(least=1, known=("all", *MODALITIES), essential=True),
    ] = ("all",)
    category: Annotated[
        str | None,
        "Only models of this category of use, as OpenRouter sorts them.",
        Option(default_doc="all", example="programming"),
    ] = None
    supported_parameters: Annotated[
        tuple[str, ...], 'Only models that support these parameters, such as "tools" or "structured_outputs".'
    ] = ()
    rss: Annotated[bool, "Read the RSS feed too: it can know a model before the list does."] = True
    rss_chat_links: Annotated[bool, "Let the links of the feed lead to the chat page instead of the model's page."] = (
        False
    )
    interval: Annotated[
        timedelta,
        'Time between two polls, at least "60s"; some jitter is added.',
        Option(least=timedelta(seconds=60), essential=True),
    ] = timedelta(minutes=5)
    api_key_file: Annotated[
        Path | None,
        "File that holds an API key, which the public list does not need; or set OPENROUTER_API_KEY.",
        Option(example="/etc/openrouter-watcher/api-key"),
    ] = None

    @property
    def query(self) -> dict[str, str]:
        """The query parameters that choose the models; two settings that mean the same set give the same query."""
        query = {"output_modalities": _as_set(self.output_modalities)}
        if self.category is not None:
            query["category"] = self.category
        if self.supported_parameters:
            query["supported_parameters"] = _as_set(self.supported_parameters)
        return query


class StoreSettings(Struct, frozen=True):
    """`[store]`; a file stands in the URL with its absolute path."""

    url: Annotated[
        DatabaseURL,
        (
            "Database, as a URL: three slashes before a path relative to this file, four before an absolute one; "
            "or one of PostgreSQL (`postgresql://user@host/database`) that several machines share."
        ),
        Option(
            default_doc="watcher.db in $STATE_DIRECTORY, else in the XDG state folder "
            "(~/.local/state/openrouter-watcher)",
            example="sqlite:////var/lib/openrouter-watcher/watcher.db",
        ),
    ]
    keep: Annotated[
        timedelta,
        SPAN,
        (
            'How long polls and finished deliveries stay, at least "1d"; "none": for ever. '
            "Prices and events always stay."
        ),
    ] = timedelta(days=365)


class HealthSettings(Struct, frozen=True):
    """`[health]`. At most one of the three is set."""

    ping_url: Annotated[
        Secret | None,
        PING_URL,
        "Address to call: with /start before a poll, as it is after a good one, with /fail after another. A secret.",
        Option(example="https://hc-ping.com/your-uuid"),
    ] = None
    ping_url_file: Annotated[
        Path | None,
        "Or: a file that holds the address, such as a systemd credential; relative to this file.",
        Option(example="${CREDENTIALS_DIRECTORY}/ping-url"),
    ] = None
    ping_url_env: Annotated[
        str | None, VARIABLE, "Or: an environment variable that holds the address.", Option(example="WATCHER_PING_URL")
    ] = None

    def secret_url(self, environ: Mapping[str, str]) -> str | None:
        """Return the URL to ping, which is a secret; None if there is none. Raises ConfigError, as `read_url`."""
        return read_url("health", self, "ping_url", environ)


class DeliverySettings(Struct, frozen=True):
    """`[delivery]`; `retry_first` is never more than `retry_most`."""

    give_up: Annotated[
        timedelta,
        'After how long an alert that could not be delivered is given up, at least "1m".',
        Option(least=timedelta(minutes=1)),
    ] = timedelta(days=3)
    retry_first: Annotated[timedelta, "Wait before it is tried again; it doubles with each further failure …"] = (
        timedelta(seconds=30)
    )
    retry_most: Annotated[timedelta, "… up to this.", Option(least=timedelta(seconds=1))] = timedelta(hours=1)
    timeout: Annotated[
        timedelta,
        'Time that one channel has to take a message, all its parts together, at least "1s".',
        Option(least=timedelta(seconds=1)),
    ] = timedelta(seconds=20)


class WebSettings(Struct, frozen=True):
    """`[web]`."""

    listen: Annotated[
        str | None,
        ADDRESS,
        "Serve the models API at this address, such as 127.0.0.1:8399; another address than a loopback one is open to "
        "everyone who reaches it.",
        Option(default_doc="off", example="127.0.0.1:8399"),
    ] = None
    tokens_file: Annotated[
        Path | None,
        "File of tokens, one a line; then every request needs one as its bearer key.",
        Option(default_doc="no token is needed", example="/etc/openrouter-watcher/web-tokens"),
    ] = None
    allowed_hosts: Annotated[
        tuple[str, ...],
        'Host names under which it is served, such as ["models.example.org"], beside localhost and IP addresses.',
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        listing(NETWORK, 'a list of addresses or networks such as ["10.0.0.0/8"]'),
        'Proxies that may say by X-Forwarded-Host and X-Forwarded-Proto how they were asked, such as ["127.0.0.1"].',
    ] = ()
    prefix: Annotated[
        str, URL_PATH, 'Path under which a proxy serves it, such as "/openrouter".', Option(example="/openrouter")
    ] = ""
    allow_origin: Annotated[
        str,
        'Value of Access-Control-Allow-Origin on the public lists: which web pages may read them; "none" for no page.',
    ] = "*"


class Rules(Struct, frozen=True):
    """Which events a channel gets: those for which every rule here holds."""

    events: Annotated[
        tuple[Kind, ...], choices(CHOSEN_KINDS), f'Events it gets, of {", ".join(CHOSEN_KINDS)}; ["*"] is all.'
    ] = DEFAULT_KINDS
    models: Annotated[
        tuple[str, ...],
        'Models it gets events about, as patterns over ids, such as ["anthropic/*", "openai/gpt-*"].',
        Option(least=1, expected=_PATTERNS),
    ] = ("*",)
    exclude: Annotated[tuple[str, ...], 'Models it does not, such as ["*:batch"].', Option(expected=_PATTERNS)] = ()
    free_only: Annotated[bool, "Only models that are free, or were until now."] = False
    modalities: Annotated[
        tuple[str, ...],
        'Only models that accept or produce at least one of these, such as ["image"]; [] is any.',
        Option(known=MODALITIES),
    ] = ()
    supported_parameters: Annotated[tuple[str, ...], 'Only models that support all of these, such as ["tools"].'] = ()
    min_change: Annotated[
        Decimal | None,
        "How far a price must have moved from what this channel was last told; beyond that of [announce].",
        Option(default_doc="as in [announce]", example="5%"),
    ] = None
    max_prompt_price: Annotated[
        Decimal | None,
        PRICE,
        "Only models whose prompt tokens cost at most this, in USD per million.",
        Option(default_doc="any", example=5),
    ] = None
    min_context: Annotated[
        int | None,
        "Only models with a context of at least this many tokens.",
        Option(default_doc="any", example=128_000, least=1, most=1_000_000_000),
    ] = None


class Timing(Struct, frozen=True):
    """When a channel is told what it wants to know; `rules.timing` says what follows."""

    digest: Annotated[
        Digest | None,
        'When to send what has come up, together: "hourly", "daily 09:00" or "weekly mon 09:00".',
        Option(default_doc="at once", example="daily 09:00"),
    ] = None
    timezone: Annotated[str, TIME_ZONE, 'Time zone of digest, quiet_hours and alive, such as "Europe/Berlin".'] = "UTC"
    quiet_hours: Annotated[
        QuietHours | None,
        "Hours of the day in which nothing is sent; it goes when they end.",
        Option(default_doc="none", example="22:00-07:00"),
    ] = None
    max_per_hour: Annotated[
        int | None,
        "Messages in any 60 minutes; what is beyond waits, and goes as one message.",
        Option(default_doc="any number", example=4, least=1),
    ] = None
    urgent: Annotated[
        tuple[Kind, ...],
        choices(KINDS, least=0),
        'Events that wait for none of these, such as ["expired", "source_failing"]; ["*"] is all.',
    ] = ()
    alive: Annotated[
        Digest | None,
        'When to say that it still watches, with news or without: as digest, such as "daily 09:00".',
        Option(default_doc="never", example="daily 09:00"),
    ] = None

    @property
    def zone(self) -> "ZoneInfo":
        """The time zone itself."""
        from zoneinfo import ZoneInfo

        return ZoneInfo(self.timezone)


class Template(Struct, frozen=True):
    """A channel's own words, as Jinja2 templates; None: the built-in ones."""

    title_template: Annotated[
        str | None,
        TEMPLATE,
        "The title in your own words, as a Jinja2 template; see docs/templates.md.",
        Option(default_doc="the built-in title", example="{{ count }} news from OpenRouter: {{ title }}"),
    ] = None
    body_template: Annotated[
        str | None,
        TEMPLATE,
        "The body in your own words, written as the service wants it (HTML for mail).",
        Option(default_doc="the built-in text", example="{% for event in events %}{{ event.headline }}\n{% endfor %}"),
    ] = None
    body_template_file: Annotated[
        Path | None, "Or: a file that holds the template of the body; relative to this file.", Option(example="team.j2")
    ] = None


class Channel(Struct, frozen=True):
    """One of `[[channels]]`. Exactly one of `url`, `url_file` and `url_env` is set."""

    name: Annotated[
        str,
        NAME,
        "What you call this channel; each has its own name, which keeps what it was told.",
        Option(example="team", required=True),
    ]
    url: Annotated[
        Secret | None,
        CHANNEL_URL,
        (
            "Where to send, as an Apprise URL (https://github.com/caronc/apprise/wiki). It holds a secret: "
            "keep this file to yourself (mode 0600)."
        ),
        Option(example="mailtos://watcher:app-password@example.org?to=team@example.org", required=True),
    ] = None
    url_file: Annotated[
        Path | None,
        "Or: a file that holds the URL, such as a systemd credential; relative to this file.",
        Option(example="${CREDENTIALS_DIRECTORY}/team-url"),
    ] = None
    url_env: Annotated[
        str | None, VARIABLE, "Or: an environment variable that holds the URL.", Option(example="WATCHER_TEAM_URL")
    ] = None
    rules: Rules = Rules()
    timing: Timing = Timing()
    template: Template = Template()

    def secret_url(self, environ: Mapping[str, str]) -> str:
        """Return the Apprise URL, which is a secret, when something is sent. Raises ConfigError, as `read_url`."""
        owner = f'channel "{self.name}"'
        url = read_url(owner, self, "url", environ)
        if url is None:
            raise ConfigError(f"{owner}: it has no URL")
        return url


class Config(Struct, frozen=True):
    """Everything that `config.toml` says, with defaults for what it does not."""

    path: Path | None
    """The file it came from; None: defaults alone."""
    source: Annotated[SourceSettings, "What is watched, and how often."]
    store: Annotated[StoreSettings, "Where the history and the alerts still to be sent are kept."]
    announce: Annotated[Policy, "What counts as news, and from when."] = Policy()
    delivery: Annotated[
        DeliverySettings, "How long, and how often, an alert that a channel did not take is tried again."
    ] = DeliverySettings()
    web: Annotated[
        WebSettings, "The models API from the watcher's own database, by HTTP: `watcher web`, or inside `watcher run`."
    ] = WebSettings()
    health: Annotated[
        HealthSettings,
        "Who is told whether polls go well: a monitor such as healthchecks.io, which tells you when they do not.",
    ] = HealthSettings()
    channels: Annotated[
        tuple[Channel, ...], "Who is told. Repeat this section for each channel; with none, alerts go to the console."
    ] = ()
    warnings: tuple[str, ...] = ()
    """Lines for stderr about what is allowed but hardly meant."""


def _as_set(words: Iterable[str]) -> str:
    return ",".join(sorted(set(words)))
