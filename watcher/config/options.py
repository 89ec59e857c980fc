"""Every option, in one table: what it is called, its type, default, meaning and example, and whether it is secret.

Loading, `config check|show|init|schema` and `config.example.toml` follow from this table; an option is added here, as
a field of the struct that receives it (`settings`, or `catalog.policy` for `[announce]`), and nowhere else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from msgspec import Struct

from watcher.catalog.model import CHOSEN_KINDS, KINDS
from watcher.catalog.policy import Policy
from watcher.config.conceal import scheme_only, without_password, without_userinfo
from watcher.config.parse import (
    CHANNEL_URL,
    DIGEST,
    FLAG,
    HTTP_URL,
    NAME,
    PATH,
    PERCENTAGE,
    PING_URL,
    PRICE,
    QUIET_HOURS,
    SPAN,
    STORE_URL,
    TEMPLATE,
    TIME_ZONE,
    VARIABLE,
    WORD,
    Type,
    choices,
    duration,
    integer,
    listing,
)
from watcher.config.settings import Delivery, Health, Rules, Source, Store, Template, Timing

Section = Literal["source", "store", "announce", "delivery", "health", "channels"]

SECTIONS: Mapping[Section, str] = {
    "source": "What is watched, and how often.",
    "store": "Where the history and the alerts still to be sent are kept.",
    "announce": "What counts as news, and from when.",
    "delivery": "How long, and how often, an alert that a channel did not take is tried again.",
    "health": "Who is told whether polls go well: a monitor such as healthchecks.io, which tells you when they do not.",
    "channels": "Who is told. Repeat this section for each channel; with none, alerts go to the console.",
}

PRICE_KEYS = (
    *("prompt", "completion", "request", "image", "image_output", "image_token", "audio", "audio_output"),
    *("input_audio_cache", "web_search", "internal_reasoning"),
    *("input_cache_read", "input_cache_write", "input_cache_write_1h"),
)
"""Seen in the API so far; another one is taken as it is, but a near miss is warned about."""
MODALITIES = ("text", "image", "audio", "video", "file", "embeddings")


@dataclass(frozen=True)
class Option:
    """One key of one section. Values are as the structs hold them; `type` turns them into TOML and back."""

    section: Section
    key: str
    type: Type[Any]
    doc: str
    default: Any = None
    """None: there is nothing unless it is set."""
    example: Any = None
    """Shown where there is no default."""
    default_doc: str | None = None
    """The default in words, where it is not a value of its own."""
    follows: str | None = None
    """Key of the same section whose value this one has unless it is set."""
    instead_of: str | None = None
    """Key of the same section that this one replaces: exactly one of them must be set."""
    excludes: tuple[str, ...] = ()
    """Keys of the same section that must not be set beside this one."""
    required: bool = False
    essential: bool = False
    """Set, not commented out, in what `config init` writes."""
    conceal: Callable[[str], str] | None = None
    """The value is secret; this gives what may be shown of it."""
    known: tuple[str, ...] = ()
    """Words that are likely meant in a list that is open to others."""


def _in(section: Section, defaults: type[Struct]) -> Callable[..., Option]:
    """Options of a section whose defaults are those of the struct that receives them."""
    from msgspec import NODEFAULT, structs

    fields = {field.name: field.default for field in structs.fields(defaults)}

    def option(key: str, type: Type[Any], doc: str, **rest: Any) -> Option:
        default = fields[key]
        return Option(section, key, type, doc, default=None if default is NODEFAULT else default, **rest)

    return option


_source = _in("source", Source)
_announce = _in("announce", Policy)
_delivery = _in("delivery", Delivery)
_store = _in("store", Store)
_health = _in("health", Health)
_rule = _in("channels", Rules)
_timing = _in("channels", Timing)
_template = _in("channels", Template)

_DURATION = duration()
_WORDS = 'a list of words such as ["text", "image"]'
_GLOBS = 'a list of patterns such as ["anthropic/*", "openai/gpt-*"]'
_KEYS = 'a list of price keys such as ["prompt", "completion"], or ["*"]'
_KINDS = 'a list of events such as ["new", "expired"], or ["*"]'
_DAYS = "a list of days such as [14, 3, 1]"
_several_days = listing(integer(0, 365), _DAYS)
_REMINDERS = Type(lambda value: tuple(sorted(_several_days.parse(value), reverse=True)), list, _several_days.schema)
_COUNT = integer(1, 1000)
_SOME_TIME = duration(least=timedelta(seconds=1))

OPTIONS: tuple[Option, ...] = (
    _source(
        "url",
        HTTP_URL,
        "Base of the OpenRouter API.",
        conceal=without_userinfo,
    ),
    _source(
        "output_modalities",
        listing(WORD, _WORDS, least=1),
        'Models that produce one of these: "text", "image", "audio", "embeddings", …; "all" is the whole catalogue.',
        essential=True,
        known=("all", *MODALITIES),
    ),
    _source(
        "category",
        WORD,
        "Only models of this category of use, as OpenRouter sorts them.",
        example="programming",
        default_doc="all",
    ),
    _source(
        "supported_parameters",
        listing(WORD, _WORDS),
        'Only models that support these parameters, such as "tools" or "structured_outputs".',
    ),
    _source(
        "rss",
        FLAG,
        "Read the RSS feed too: it can know a model before the list does.",
    ),
    _source(
        "rss_chat_links",
        FLAG,
        "Let the links of the feed lead to the chat page instead of the model's page.",
    ),
    _source(
        "interval",
        duration(least=timedelta(seconds=60)),
        'Time between two polls, at least "60s"; some jitter is added.',
        essential=True,
    ),
    _source(
        "api_key_file",
        PATH,
        "File that holds an API key, which the public list does not need; or set OPENROUTER_API_KEY.",
        example="/etc/openrouter-watcher/api-key",
    ),
    Option(
        "store",
        "url",
        STORE_URL,
        "Database, as a URL: three slashes before a path relative to this file, four before an absolute one; or one of "
        "PostgreSQL (`postgresql://user@host/database`) that several machines share.",
        example="sqlite:////var/lib/openrouter-watcher/watcher.db",
        conceal=without_password,
        default_doc="watcher.db in $STATE_DIRECTORY, else in the XDG state folder (~/.local/state/openrouter-watcher)",
    ),
    _store(
        "keep",
        SPAN,
        'How long polls and finished deliveries stay, at least "1d"; "none": for ever. Prices and events always stay.',
    ),
    _announce(
        "settle",
        _DURATION,
        'How long a price must hold still before it is announced as repriced; "0s": at once.',
        essential=True,
    ),
    _announce(
        "settle_changed",
        _DURATION,
        "The same for other fields: context length, modalities, parameters, name, …",
        follows="settle",
        default_doc="as settle",
    ),
    _announce("settle_new", _DURATION, "The same for a new model."),
    _announce("settle_returned", _DURATION, "The same for an expired model that is back."),
    _announce("settle_expiring", _DURATION, "The same for an expiration date that was set, moved or withdrawn."),
    _announce("settle_retargeted", _DURATION, "The same for an alias, or an id, that leads to another model."),
    _announce(
        "damping",
        integer(1, 10),
        "By how much each recent announcement of its kind lengthens what a model's next one must hold still; 1: off.",
    ),
    _announce("damping_half_life", duration(least=timedelta(hours=1)), "After this time an announcement counts half."),
    _announce("damping_most", _DURATION, "The longest that damping asks to hold still."),
    _announce(
        "confirm_expired",
        _COUNT,
        "Good polls in a row that a model must be missing from to have expired.",
    ),
    _announce(
        "confirm_gap",
        _DURATION,
        "If the last good poll is longer ago than this, one poll without the model is enough.",
    ),
    _announce(
        "min_change",
        PERCENTAGE,
        "How far a price must have moved from what was last announced; to and from free always counts.",
        essential=True,
    ),
    _announce(
        "prices",
        listing(WORD, _KEYS),
        f'Prices that are announced: {", ".join(PRICE_KEYS)}; ["*"] is all.',
        known=("*", *PRICE_KEYS),
    ),
    _announce(
        "remind_days",
        _REMINDERS,
        "Days before the expiration date on which to remind; [] never does.",
    ),
    _announce(
        "max_gone",
        PERCENTAGE,
        "A poll in which more of the models than this are gone at once is suspect …",
    ),
    _announce("max_gone_models", integer(0, 100_000), "… if it is also more than this many models."),
    _announce(
        "confirm_suspect",
        _COUNT,
        "Polls in a row that must agree before a suspect catalogue is believed.",
    ),
    _announce("failing_polls", _COUNT, "Failed polls in a row after which source_failing is announced."),
    _announce(
        "fold_models",
        integer(1, 100_000),
        "A field that changes the same way on at least this many models in one poll …",
    ),
    _announce("fold_share", PERCENTAGE, "… and on this share of the catalogue, is announced as one event, not many."),
    _delivery(
        "give_up",
        duration(least=timedelta(minutes=1)),
        'After how long an alert that could not be delivered is given up, at least "1m".',
    ),
    _delivery("retry_first", _DURATION, "Wait before it is tried again; it doubles with each further failure …"),
    _delivery("retry_most", _SOME_TIME, "… up to this."),
    _delivery(
        "timeout",
        _SOME_TIME,
        'Time that one channel has to take a message, all its parts together, at least "1s".',
    ),
    _health(
        "ping_url",
        PING_URL,
        "Address to call: with /start before a poll, as it is after a good one, with /fail after another. A secret.",
        example="https://hc-ping.com/your-uuid",
        conceal=scheme_only,
    ),
    _health(
        "ping_url_file",
        PATH,
        "Or: a file that holds the address, such as a systemd credential; relative to this file.",
        example="${CREDENTIALS_DIRECTORY}/ping-url",
        excludes=("ping_url",),
    ),
    _health(
        "ping_url_env",
        VARIABLE,
        "Or: an environment variable that holds the address.",
        example="WATCHER_PING_URL",
        excludes=("ping_url", "ping_url_file"),
    ),
    Option(
        "channels",
        "name",
        NAME,
        "What you call this channel; each has its own name, which keeps what it was told.",
        example="team",
        required=True,
    ),
    Option(
        "channels",
        "url",
        CHANNEL_URL,
        "Where to send, as an Apprise URL (https://github.com/caronc/apprise/wiki). It holds a secret: "
        "keep this file to yourself (mode 0600).",
        example="mailtos://watcher:app-password@example.org?to=team@example.org",
        conceal=scheme_only,
    ),
    Option(
        "channels",
        "url_file",
        PATH,
        "Or: a file that holds the URL, such as a systemd credential; relative to this file.",
        example="${CREDENTIALS_DIRECTORY}/team-url",
        instead_of="url",
    ),
    Option(
        "channels",
        "url_env",
        VARIABLE,
        "Or: an environment variable that holds the URL.",
        example="WATCHER_TEAM_URL",
        instead_of="url",
    ),
    _rule(
        "events",
        choices(CHOSEN_KINDS, _KINDS),
        f'Events it gets, of {", ".join(CHOSEN_KINDS)}; ["*"] is all.',
    ),
    _rule(
        "models",
        listing(WORD, _GLOBS, least=1),
        'Models it gets events about, as patterns over ids, such as ["anthropic/*", "openai/gpt-*"].',
    ),
    _rule("exclude", listing(WORD, _GLOBS), 'Models it does not, such as ["*:batch"].'),
    _rule("free_only", FLAG, "Only models that are free, or were until now."),
    _rule(
        "modalities",
        listing(WORD, _WORDS),
        'Only models that take or give at least one of these, such as ["image"]; [] is any.',
        known=MODALITIES,
    ),
    _rule(
        "supported_parameters",
        listing(WORD, _WORDS),
        'Only models that support all of these, such as ["tools"].',
    ),
    _rule(
        "min_change",
        PERCENTAGE,
        "How far a price must have moved from what this channel was last told; beyond that of [announce].",
        example=PERCENTAGE.parse("5%"),
        default_doc="as in [announce]",
    ),
    _rule(
        "max_prompt_price",
        PRICE,
        "Only models whose prompt tokens cost at most this, in USD per million.",
        example=PRICE.parse(5),
        default_doc="any",
    ),
    _rule(
        "min_context",
        integer(1, 1_000_000_000),
        "Only models with a context of at least this many tokens.",
        example=128_000,
        default_doc="any",
    ),
    _timing(
        "digest",
        DIGEST,
        'When to send what has come up, together: "hourly", "daily 09:00" or "weekly mon 09:00".',
        example=DIGEST.parse("daily 09:00"),
        default_doc="at once",
    ),
    _timing("timezone", TIME_ZONE, 'Time zone of digest, quiet_hours and alive, such as "Europe/Berlin".'),
    _timing(
        "quiet_hours",
        QUIET_HOURS,
        "Hours of the day in which nothing is sent; it goes when they end.",
        example=QUIET_HOURS.parse("22:00-07:00"),
        default_doc="none",
    ),
    _timing(
        "max_per_hour",
        _COUNT,
        "Messages in any 60 minutes; what is beyond waits, and goes as one message.",
        example=4,
        default_doc="any number",
    ),
    _timing(
        "urgent",
        choices(KINDS, _KINDS, least=0),
        'Events that wait for none of these, such as ["expired", "source_failing"]; ["*"] is all.',
    ),
    _timing(
        "alive",
        DIGEST,
        'When to say that it still watches, with news or without: as digest, such as "daily 09:00".',
        example=DIGEST.parse("daily 09:00"),
        default_doc="never",
    ),
    _template(
        "title_template",
        TEMPLATE,
        "The title in your own words, as a Jinja2 template; see docs/templates.md.",
        example="{{ count }} news from OpenRouter: {{ title }}",
        default_doc="the built-in title",
    ),
    _template(
        "body_template",
        TEMPLATE,
        "The body in your own words, written as the service wants it (HTML for mail).",
        example="{% for event in events %}{{ event.headline }}\n{% endfor %}",
        default_doc="the built-in text",
    ),
    _template(
        "body_template_file",
        PATH,
        "Or: a file that holds the template of the body; relative to this file.",
        example="team.j2",
        excludes=("body_template",),
    ),
)

BY_SECTION: Mapping[Section, Mapping[str, Option]] = {
    section: {option.key: option for option in OPTIONS if option.section == section} for section in SECTIONS
}
