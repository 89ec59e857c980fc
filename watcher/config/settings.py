"""The configuration as the rest of the program takes it: frozen, typed, and silent about its secrets in `repr`."""

from collections.abc import Iterable, Mapping
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from watcher.catalog.model import DEFAULT_KINDS, Kind
from watcher.catalog.policy import Policy
from watcher.config.conceal import scheme_only, without_password, without_userinfo
from watcher.errors import ConfigError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""In the order of `date.weekday()`."""

URL_FILE_LIMIT = 64 * 1024
"""Bytes of a `url_file` that are read; a URL is far shorter."""


class Source(Struct, frozen=True):
    """`[source]`: what is watched, and how often."""

    url: str = "https://openrouter.ai/api/v1"
    """Base of the API, without a slash at its end."""
    output_modalities: tuple[str, ...] = ("all",)
    category: str | None = None
    supported_parameters: tuple[str, ...] = ()
    rss: bool = True
    """Whether the RSS feed is read too."""
    rss_chat_links: bool = False
    interval: timedelta = timedelta(minutes=5)
    api_key_file: Path | None = None

    @property
    def query(self) -> dict[str, str]:
        """The query parameters that choose the models; two settings that mean the same set give the same query."""
        query = {"output_modalities": _as_set(self.output_modalities)}
        if self.category is not None:
            query["category"] = self.category
        if self.supported_parameters:
            query["supported_parameters"] = _as_set(self.supported_parameters)
        return query

    def __repr__(self) -> str:
        return _repr(self, url=without_userinfo(self.url))

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return list(_shown(self, url=without_userinfo(self.url)).items())


class Store(Struct, frozen=True):
    """`[store]`: where the database is, as an SQLAlchemy URL with an absolute path."""

    url: str
    keep: timedelta = timedelta(days=365)
    """How long polls and finished deliveries stay; zero: for ever."""

    def __repr__(self) -> str:
        return _repr(self, url=without_password(self.url))

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return list(_shown(self, url=without_password(self.url)).items())


class Health(Struct, frozen=True):
    """`[health]`: whom to tell that polls go well. At most one of the three is set; none is shown in `repr`."""

    ping_url: str | None = None
    ping_url_file: Path | None = None
    ping_url_env: str | None = None

    def secret_url(self, environ: Mapping[str, str]) -> str | None:
        """The URL to ping, which is a secret; None if there is none.

        Raises:
            ConfigError: the file or the variable that should hold it does not; it is named, its content is not.
        """
        return _secret("health", "ping_url", self.ping_url, self.ping_url_file, self.ping_url_env, environ)

    def __repr__(self) -> str:
        return _repr(self, ping_url=self.ping_url and scheme_only(self.ping_url))

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return list(_shown(self, ping_url=self.ping_url and scheme_only(self.ping_url)).items())


class Delivery(Struct, frozen=True):
    """`[delivery]`: how long, and how often, what a channel did not take is tried again."""

    give_up: timedelta = timedelta(days=3)
    """After this long an alert that could not be delivered is given up."""
    retry_first: timedelta = timedelta(seconds=30)
    """Wait after the first failure; it doubles with each further one …"""
    retry_most: timedelta = timedelta(hours=1)
    """… up to this; never less than `retry_first`."""
    timeout: timedelta = timedelta(seconds=20)
    """For one channel, all parts of a message together."""


class Rules(Struct, frozen=True):
    """Which events a channel gets: those for which every rule here holds."""

    events: tuple[Kind, ...] = DEFAULT_KINDS
    models: tuple[str, ...] = ("*",)
    """Globs over model ids, case-insensitive; one that matches is enough."""
    exclude: tuple[str, ...] = ()
    """Globs over model ids that are left out although `models` takes them in."""
    free_only: bool = False
    modalities: tuple[str, ...] = ()
    """Modalities of which the model takes or gives at least one; empty: any."""
    supported_parameters: tuple[str, ...] = ()
    """Parameters that the model supports, all of them; empty: any."""
    min_change: Decimal | None = None
    """Fraction of the price this channel was last told; None: as the policy's."""
    max_prompt_price: Decimal | None = None
    """USD per million prompt tokens."""
    min_context: int | None = None
    """Tokens."""


class Digest(Struct, frozen=True):
    """When what waits for a channel is sent together, by the clock of its time zone."""

    every: Literal["hour", "day", "week"]
    at: time = time()
    """Time of the day, to the minute; of no meaning for `hour`, which is each full hour."""
    weekday: Weekday = "mon"
    """For `week`."""


class QuietHours(Struct, frozen=True):
    """The part of each day, by the clock of the channel's time zone, in which nothing is sent.

    From `start` up to, but without, `end`; over midnight if `end` is the earlier. The two differ.
    """

    start: time
    end: time


class Timing(Struct, frozen=True):
    """When a channel is told what it wants to know; `alerts.timing` says what follows."""

    digest: Digest | None = None
    """None: at once."""
    timezone: str = "UTC"
    """IANA name of the zone whose clock `digest` and `quiet_hours` go by."""
    quiet_hours: QuietHours | None = None
    max_per_hour: int | None = None
    """Messages in any 60 minutes; what is beyond waits, and goes as one."""
    urgent: tuple[Kind, ...] = ()
    """Kinds that neither digest, quiet hours nor `max_per_hour` hold back."""
    alive: Digest | None = None
    """When it is told that all is well, whether there is news or not; None: never."""

    @property
    def zone(self) -> "ZoneInfo":
        """The time zone itself."""
        from zoneinfo import ZoneInfo

        return ZoneInfo(self.timezone)


class Template(Struct, frozen=True):
    """A channel's own words, as Jinja2 templates; None: the built-in ones. `alerts.template` renders them."""

    title_template: str | None = None
    body_template: str | None = None
    body_template_file: Path | None = None
    """Instead of `body_template`."""


class Channel(Struct, frozen=True):
    """One of `[[channels]]`. Exactly one of `url`, `url_file` and `url_env` is set; none is shown in `repr`."""

    name: str
    url: str | None = None
    url_file: Path | None = None
    url_env: str | None = None
    rules: Rules = Rules()
    timing: Timing = Timing()
    template: Template = Template()

    def secret_url(self, environ: Mapping[str, str]) -> str:
        """The Apprise URL itself: a secret, to be asked for when something is sent.

        Raises:
            ConfigError: the file or the variable that should hold it does not; it is named, its content is not.
        """
        owner = f'channel "{self.name}"'
        url = _secret(owner, "url", self.url, self.url_file, self.url_env, environ)
        if url is None:
            raise ConfigError(f"{owner}: it has no URL")
        return url

    def __repr__(self) -> str:
        return _repr(self, url=self.url and scheme_only(self.url))

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return list(_shown(self, url=self.url and scheme_only(self.url)).items())


class Config(Struct, frozen=True):
    """Everything that `config.toml` says, with defaults for what it does not."""

    path: Path | None
    """The file it came from; None: defaults alone."""
    source: Source
    store: Store
    announce: Policy = Policy()
    channels: tuple[Channel, ...] = ()
    delivery: Delivery = Delivery()
    health: Health = Health()
    warnings: tuple[str, ...] = ()
    """Lines for stderr about what is allowed but hardly meant."""


def _secret(
    owner: str, key: str, url: str | None, file: Path | None, variable: str | None, environ: Mapping[str, str]
) -> str | None:
    """Return the URL, from wherever it is; None if none is set."""
    if file is not None:
        return _only_url(_content(owner, f"{key}_file", file), f"{owner}: {key}_file: {file}")
    if variable is not None:
        where = f"{owner}: {key}_env: the environment variable {variable}"
        if variable not in environ:
            raise ConfigError(f"{where} is not set")
        return _only_url(environ[variable].strip(), where)
    return url


def _content(owner: str, key: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(URL_FILE_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError(f"{owner}: {key}: cannot read {path}: {reason}") from None
    try:
        return content.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise ConfigError(f"{owner}: {key}: {path} is not UTF-8 text") from None


def _only_url(url: str, where: str) -> str:
    if not url:
        raise ConfigError(f"{where} is empty")
    if "://" not in url or not url.isprintable() or len(url) > URL_FILE_LIMIT:
        raise ConfigError(f"{where} does not hold one URL on one line")
    return url


def _as_set(words: Iterable[str]) -> str:
    return ",".join(sorted(set(words)))


def _shown(struct: Struct, **instead: str | None) -> dict[str, Any]:
    return {name: instead.get(name, getattr(struct, name)) for name in struct.__struct_fields__}


def _repr(struct: Struct, **instead: str | None) -> str:
    fields = ", ".join(f"{name}={value!r}" for name, value in _shown(struct, **instead).items())
    return f"{type(struct).__name__}({fields})"
