"""The configuration as frozen, typed structs. Each annotated field declares an option; see `options`."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Struct

from watcher.catalog.model import CHOSEN_KINDS, DEFAULT_KINDS, HEALTH_KINDS, KINDS, QUANTIZATIONS, Kind
from watcher.catalog.option import Option
from watcher.catalog.policy import Policy
from watcher.config.clock import TIME_ZONE, Digest, QuietHours
from watcher.config.mine import PATTERNS, MineSettings
from watcher.config.parse import (
    ADDRESS,
    AMOUNT,
    CHANNEL_URL,
    DIRECTION,
    ENDPOINTS,
    NAME,
    NETWORK,
    PING_URL,
    PRICE,
    RETENTION,
    TEMPLATE,
    URL_PATH,
    VARIABLE,
    kinds_among,
    listing,
)
from watcher.config.secret import DatabaseURL, Secret, SourceURL, read_url

MODALITIES = ("text", "image", "audio", "video", "file", "embeddings")


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
    endpoints: Annotated[
        str,
        ENDPOINTS,
        'Watch what each provider offers, too: "mine" for the models of [mine], each asked for once an hour.',
    ] = "off"
    endpoints_per_hour: Annotated[int, "Most calls for that in an hour.", Option(least=1)] = 50
    account: Annotated[
        bool,
        "Watch what your account's preferences, privacy settings and guardrails allow, not the public list; this needs "
        "the API key.",
    ] = False
    api_key_file: Annotated[
        Path | None,
        "File that holds an API key, which the public list does not need; or set OPENROUTER_API_KEY.",
        Option(example="/etc/openrouter-watcher/api-key"),
    ] = None

    @property
    def query(self) -> dict[str, str]:
        """The query parameters that select the models. Lists with the same words give the same query."""
        query = {"output_modalities": _sorted_words(self.output_modalities)}
        if self.category is not None:
            query["category"] = self.category
        if self.supported_parameters:
            query["supported_parameters"] = _sorted_words(self.supported_parameters)
        return query


class StoreSettings(Struct, frozen=True):
    """`[store]`. The path of a file in the URL is absolute."""

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
        RETENTION,
        'Time to keep polls and finished deliveries, at least "1d"; "none": for ever. Prices and events stay.',
    ] = timedelta(days=365)


class HealthSettings(Struct, frozen=True):
    """`[health]`. At most one of the three is set."""

    ping_url: Annotated[
        Secret | None,
        PING_URL,
        "URL to call at each poll: with /start before it, as it is after a good one, else with /fail. A secret.",
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
        """Return the URL to ping, a secret; None if there is none. Raises ConfigError, as `read_url`."""
        return None if self == HealthSettings() else read_url("health", self, "ping_url", environ)


class DeliverySettings(Struct, frozen=True):
    """`[delivery]`; `retry_first` is never more than `retry_most`."""

    give_up: Annotated[
        timedelta,
        'How long to retry an alert that could not be delivered, at least "1m"; then it is given up.',
        Option(least=timedelta(minutes=1)),
    ] = timedelta(days=3)
    retry_first: Annotated[timedelta, "Wait before the first retry; it doubles with each further failure …"] = (
        timedelta(seconds=30)
    )
    retry_most: Annotated[timedelta, "… up to this.", Option(least=timedelta(seconds=1))] = timedelta(hours=1)
    timeout: Annotated[
        timedelta,
        'Longest time to send a message to one channel, all its parts together, at least "1s".',
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
        "File of tokens, one a line; then every request needs one as its bearer key. A token with a path behind it "
        "opens that feed or badge alone, from its URL.",
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
    """Which events a channel gets: those that match every rule."""

    events: Annotated[
        tuple[Kind, ...], kinds_among(CHOSEN_KINDS), f'Events to send, of {", ".join(CHOSEN_KINDS)}; ["*"] is all.'
    ] = DEFAULT_KINDS
    health: Annotated[
        bool | None,
        f"Send {', '.join(HEALTH_KINDS)} too; false: never send them.",
        Option(default_doc="true for the first channel, if no other one asks for them", example=True),
    ] = None
    models: Annotated[
        tuple[str, ...],
        'Only models that match one of these, such as ["anthropic/*", "openai/gpt-*"]; "@mine" is those of [mine].',
        Option(least=1, expected=PATTERNS),
    ] = ("*",)
    exclude: Annotated[tuple[str, ...], 'Models to leave out, such as ["*:batch"].', Option(expected=PATTERNS)] = ()
    providers: Annotated[
        tuple[str, ...],
        'The providers you use, by their tags, such as ["anthropic", "deepinfra/turbo"]: price changes are then about'
        " their endpoints, where those are watched.",
    ] = ()
    quantization: Annotated[
        tuple[str, ...], 'The same by quantization, such as ["bf16", "fp8"].', Option(known=QUANTIZATIONS)
    ] = ()
    free_only: Annotated[bool, "Only models that are free, or were free until now."] = False
    modalities: Annotated[
        tuple[str, ...],
        'Only models that accept or produce at least one of these, such as ["image"]; [] is any.',
        Option(known=MODALITIES),
    ] = ()
    supported_parameters: Annotated[tuple[str, ...], 'Only models that support all of these, such as ["tools"].'] = ()
    min_change: Annotated[
        Decimal | None,
        "How far a price must have moved since this channel's last alert about it; at least that of [announce].",
        Option(default_doc="as in [announce]", example="5%"),
    ] = None
    min_impact: Annotated[
        Decimal | None,
        AMOUNT,
        "Of the price changes (repriced), only those that change your bill of a month by this much, all since this "
        "channel's last alert about the model together; where your tokens are not known, all.",
        Option(default_doc="any", example="$5"),
    ] = None
    direction: Annotated[
        str | None,
        DIRECTION,
        'Of the price changes (repriced), only those that go "up" or "down"; one that does both is sent to either.',
        Option(default_doc="both", example="up"),
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
    """When a channel gets its events; `rules.timing` applies it."""

    digest: Annotated[
        Digest | None,
        'When to send all waiting events together: "hourly", "daily 09:00" or "weekly mon 09:00".',
        Option(default_doc="at once", example="daily 09:00"),
    ] = None
    timezone: Annotated[str, TIME_ZONE, 'Time zone of digest, quiet_hours and alive, such as "Europe/Berlin".'] = "UTC"
    quiet_hours: Annotated[
        QuietHours | None,
        "Hours of the day in which nothing is sent; waiting events go when they end.",
        Option(default_doc="none", example="22:00-07:00"),
    ] = None
    max_per_hour: Annotated[
        int | None,
        "Most messages in any 60 minutes; further events wait, and go as one message.",
        Option(default_doc="any number", example=4, least=1),
    ] = None
    urgent: Annotated[
        tuple[Kind, ...],
        kinds_among(KINDS, least=0),
        'Events that skip all these waits, such as ["expired", "source_failing"]; ["*"] is all.',
    ] = ()
    alive: Annotated[
        Digest | None,
        'When to send a heartbeat, with news or without; written as digest, such as "daily 09:00".',
        Option(default_doc="never", example="daily 09:00"),
    ] = None

    @property
    def zone(self) -> ZoneInfo:
        """The `timezone`."""
        return ZoneInfo(self.timezone)


class Template(Struct, frozen=True):
    """A channel's own Jinja2 templates; None: the built-in text."""

    title_template: Annotated[
        str | None,
        TEMPLATE,
        "Your own title, as a Jinja2 template; see docs/templates.md.",
        Option(default_doc="the built-in title", example="{{ count }} news from OpenRouter: {{ title }}"),
    ] = None
    body_template: Annotated[
        str | None,
        TEMPLATE,
        "Your own body, in the markup of the service (HTML for mail).",
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
        "Name of the channel, unlike any other; its alerts are stored under this name.",
        Option(example="team", required=True),
    ]
    url: Annotated[
        Secret | None,
        CHANNEL_URL,
        "Apprise URL to send to (https://github.com/caronc/apprise/wiki). A secret: give this file mode 0600.",
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
    chart: Annotated[
        bool,
        "Put a chart below the price changes of a mail that has no template; needs the chart extra (Pillow).",
        Option(example=True),
    ] = False
    rules: Rules = Rules()
    timing: Timing = Timing()
    template: Template = Template()

    def secret_url(self, environ: Mapping[str, str]) -> str:
        """Return the Apprise URL, a secret, from wherever it is set. Raises ConfigError, as `read_url`."""
        return read_url(f'channel "{self.name}"', self, "url", environ)


class Config(Struct, frozen=True):
    """All settings of `config.toml`, with defaults for those that are not set."""

    path: Path | None
    """The file; None: there is none, and the defaults apply."""
    source: Annotated[SourceSettings, "What to watch, and how often."]
    store: Annotated[StoreSettings, "Where to store the history and the alerts that wait."]
    announce: Annotated[Policy, "What counts as news, and from when."] = Policy()
    delivery: Annotated[DeliverySettings, "How long, and how often, to retry an alert that could not be delivered."] = (
        DeliverySettings()
    )
    web: Annotated[
        WebSettings, "The models API from the watcher's own database, by HTTP: `watcher web`, or inside `watcher run`."
    ] = WebSettings()
    health: Annotated[
        HealthSettings,
        "A monitor to call at each poll, such as healthchecks.io; it alerts you when polls fail or stop.",
    ] = HealthSettings()
    mine: Annotated[MineSettings, 'The models that you use: a channel\'s `models = ["@mine"]` means these.'] = (
        MineSettings()
    )
    channels: Annotated[
        tuple[Channel, ...],
        "Where alerts go. Repeat this section for each channel; with none, alerts go to the console.",
    ] = ()
    warnings: tuple[str, ...] = ()
    """Lines for stderr about settings that are allowed but probably wrong."""


def _sorted_words(words: Iterable[str]) -> str:
    return ",".join(sorted(set(words)))
