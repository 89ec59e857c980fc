"""`config.toml` → `Config`. Every mistake in the file is reported at once, one line each."""

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from watcher import network
from watcher.catalog.model import HEALTH_KINDS, KINDS, UNASKED_KINDS
from watcher.catalog.policy import Policy
from watcher.config.find import SIZE_LIMIT, Environ, default_store_url, home
from watcher.config.mine import MINE, MineSettings
from watcher.config.options import BY_SECTION, STRUCTS, FieldOption, alternatives, build, header
from watcher.config.parse import NAME, PERCENTAGE, WrongValueError, describe, render_duration, suggestion
from watcher.config.secret import DatabaseURL, Secret
from watcher.config.settings import Channel, Config
from watcher.errors import ConfigError
from watcher.files import open_to_read

CREDENTIALS = "${CREDENTIALS_DIRECTORY}"
"""The folder of systemd's `LoadCredential=`. The path of a secret may begin with it, and with no other variable."""

CheckURL = Callable[[str], str | None]
"""Returns what is wrong with a channel's URL, in a sentence without the URL, or None."""
CheckTemplates = Callable[[Channel], Iterable[tuple[str, str]]]
"""Yields the keys of a channel's templates that are wrong, each with a sentence that says what."""


def load_config(path: Path | None, environ: Environ) -> Config:
    """Return the configuration in `path`; None gives the defaults.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong; one line for each mistake.
    """
    reader = _Reader(path, environ)
    return reader.finish(reader.read())


def check_config(
    path: Path | None,
    environ: Environ,
    check_channel_url: CheckURL = lambda _url: None,
    check_templates: CheckTemplates = lambda _channel: (),
) -> Config:
    """Like `load_config`, but also try the files of secrets, the channels' URLs and the templates."""
    reader = _Reader(path, environ)
    config = reader.read()
    reader.mistakes += network.problems(environ)
    if (key_file := config.source.api_key_file) is not None:
        try:
            open_to_read(key_file).close()
        except (OSError, ValueError) as error:
            reader.wrong(f"source.api_key_file: cannot read {key_file}: {getattr(error, 'strerror', 'not a path')}")
    try:
        config.health.secret_url(environ)
    except ConfigError as error:
        reader.wrong(str(error))
    for channel in config.channels:
        for key, problem in check_templates(channel):
            reader.wrong(f'channel "{channel.name}": {key}: {problem}')
        try:
            url_problem = check_channel_url(channel.secret_url(environ))
        except ConfigError as error:
            reader.wrong(str(error))
        else:
            if url_problem is not None:
                reader.wrong(f'channel "{channel.name}": {url_problem}')
    return reader.finish(config)


def _read_text(path: Path) -> tuple[str, bool]:
    """Return the file's text, and whether its group or others may read it."""
    try:
        with open_to_read(path) as file:
            shared = os.name == "posix" and bool(os.fstat(file.fileno()).st_mode & 0o044)
            content = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not a path'}") from None
    if len(content) > SIZE_LIMIT:
        raise ConfigError(f"{path}: larger than {SIZE_LIMIT // 1024} KiB; is it a configuration?")
    try:
        return content.decode("utf-8-sig"), shared
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line}: not UTF-8 text; save the file as UTF-8") from None


def _parse_toml(path: Path | None, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).rpartition(" (at ")
        at_end = f"line {text.count(chr(10)) + 1}, column {len(text) - text.rfind(chr(10))}"
        where = place.removesuffix(")") if place.startswith("line ") else at_end
        raise ConfigError(f"{path}: {where}: not TOML: {message}") from None
    except (ValueError, RecursionError):  # thousands of digits in a number, or of brackets
        raise ConfigError(f"{path}: not TOML that can be read: a number too long or lists nested too deep") from None


class _Reader:
    """Reads one file, and collects mistakes and warnings."""

    def __init__(self, path: Path | None, environ: Environ) -> None:
        self.path = path
        self.environ = environ
        self.mistakes: list[str] = []
        self.warnings: list[str] = []
        self.holds_secret = False
        self.has_mine = self.watches_endpoints = False
        self.commented = ""
        """A hint for keys of a channel whose header still is a comment."""

    def wrong(self, sentence: str) -> None:
        self.mistakes.append(f"{self.path or 'defaults'}: {sentence}")

    def warn(self, sentence: str) -> None:
        self.warnings.append(f"{self.path}: {sentence}")

    def finish(self, config: Config) -> Config:
        """Return the configuration with its warnings. Raises ConfigError if there were mistakes."""
        if self.mistakes:
            raise ConfigError("\n".join(self.mistakes))
        return replace(config, warnings=(*self.warnings, *network.warnings(self.environ)))

    def read(self) -> Config:
        """Return the configuration with all values that are right."""
        text, shared = _read_text(self.path) if self.path is not None else ("", False)
        if header := re.search(r"^[ \t]*#[ \t]*\[\[channels\]\]", text, re.MULTILINE):
            line = text.count("\n", 0, header.end()) + 1
            self.commented = f"; it belongs under [[channels]], which is a comment in line {line}: remove its #"
        config = self.config(_parse_toml(self.path, text))
        if shared and self.holds_secret:
            self.warn(
                f"holds a secret URL and can be read by others; chmod 600 {self.path}, or use url_file or url_env"
            )
        return config

    def config(self, document: Mapping[str, Any]) -> Config:
        for key, value in document.items():
            if key not in BY_SECTION:
                thing = "section" if isinstance(value, dict | list) else "key"
                self.wrong(f"{_key(key)}: unknown {thing}{_hint(key, BY_SECTION)}")
        sections = {section: self.section(section, document) for section in BY_SECTION if section != "channels"}
        if "url" not in sections["store"]:
            if (default := default_store_url(self.environ)) is None:
                self.wrong("store.url: there is no home folder to put the database in; set it, or $STATE_DIRECTORY")
            sections["store"]["url"] = DatabaseURL(default or "")
        config = Config(self.path, **{key: build(STRUCTS[key], values) for key, values in sections.items()})
        self.has_mine, self.watches_endpoints = config.mine != MineSettings(), config.source.endpoints == "mine"
        if self.watches_endpoints and not self.has_mine:
            self.warn('source.endpoints: "mine" is no model: [mine] has no models, paths or tokens')
        for key in ("category", "supported_parameters") if config.source.account else ():
            if getattr(config.source, key):
                self.wrong(f"source.{key}: the list of an account cannot be narrowed by it; remove it, or account")
        first, most = config.delivery.retry_first, config.delivery.retry_most
        if first > most:
            self.wrong(
                f'delivery.retry_first: expected a duration of at most retry_most, "{render_duration(most)}", '
                f'got "{render_duration(first)}"'
            )
        return replace(config, channels=self.channels(document.get("channels", []), config.announce))

    def section(self, section: str, document: Mapping[str, Any]) -> dict[str, Any]:
        table = document.get(section, {})
        if not isinstance(table, dict):
            self.wrong(f"{section}: expected a table that starts with {header(section)}, got {describe(table)}")
            return {}
        return self.values(section, table, f"{section}.")

    def values(self, section: str, table: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return the table's values that are right, by key."""
        options = BY_SECTION[section]
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in options:
                commented = self.commented if key in BY_SECTION["channels"] else ""
                self.wrong(f"{where}{_key(key)}: unknown key{commented or _hint(key, options)}")
                continue
            try:
                values[key] = self.value(options[key], value, where)
            except WrongValueError as error:
                for sentence in error.sentences:
                    self.wrong(f"{where}{key}: {sentence}")
        for option in options.values():
            if option.follows in values:
                values.setdefault(option.key, values[option.follows])
        for keys, required in alternatives(section):
            given = [key for key in keys if key in table]
            if required and len(keys) == 1 and not given:
                self.wrong(f"{where}{keys[0]}: missing")
            elif required and len(given) != 1:
                self.wrong(f"{where}{', '.join(given) or keys[0]}: expected exactly one of {', '.join(keys)}")
            else:
                for key in given[1:]:
                    self.wrong(f"{where}{key}: {given[0]} is set, too; expected only one of them")
        return values

    def value(self, option: FieldOption, value: object, where: str) -> Any:
        parsed = option.type.parse(value)
        for word in parsed if option.known else ():
            if word not in option.known and (hint := suggestion(word, option.known)):
                self.warn(f"{where}{option.key}: {describe(word)} is not known{hint}")
        match parsed:
            case Path(parts=(first, *rest)) if first == CREDENTIALS:
                # Without the variable the path stays as it is: `watcher status` needs no secrets.
                folder = self.environ.get("CREDENTIALS_DIRECTORY")
                return Path(folder, *rest) if folder else parsed
            case Path():
                return self.place(parsed)
            case (Path(), *_):
                return tuple(map(self.place, parsed))
            case DatabaseURL() if (path := parsed.reveal()).startswith("sqlite:///"):
                return DatabaseURL(f"sqlite:///{self.place(Path(path.removeprefix('sqlite:///')))}")
            case Secret() if str(parsed) != parsed.reveal():
                self.holds_secret = True
        return parsed

    def place(self, path: Path) -> Path:
        """Return a path of the file: relative to its folder, `~` for the user's home."""
        at_home = home(self.environ)
        if path.parts[:1] == ("~",) and at_home is not None:
            return at_home.joinpath(*path.parts[1:])
        return self.path.parent / path if self.path is not None else path

    def channels(self, tables: object, policy: Policy) -> tuple[Channel, ...]:
        if not isinstance(tables, list):
            self.wrong(f"channels: expected tables that each start with [[channels]], got {describe(tables)}")
            return ()
        channels: list[Channel] = []
        where: list[str] = []
        names: set[str] = set()
        for number, table in enumerate(tables, start=1):
            if not isinstance(table, dict):
                self.wrong(f"channels[{number}]: expected a table, got {describe(table)}")
                continue
            place = _channel(number, table)
            values = self.values("channels", table, place)
            if "name" in values:
                if values["name"].casefold() in names:
                    self.wrong(f"{place}name: another channel has it already")
                names.add(values["name"].casefold())
                if values.keys() & {"url", "url_file", "url_env"}:
                    channels.append(build(Channel, values))
                    where.append(place)
        channels = list(_with_health(channels))
        for channel, place in zip(channels, where, strict=True):
            self.warn_about(channel, policy, place)
        return tuple(channels)

    def warn_about(self, channel: Channel, policy: Policy, where: str) -> None:
        """Warn about settings that are allowed, but have no effect."""
        least = channel.rules.min_change
        if MINE in channel.rules.models and not self.has_mine:
            self.warn(f'{where}models: "{MINE}" names nothing: [mine] has no models, paths or tokens')
        if least is not None and least < policy.min_change:
            announced = PERCENTAGE.render(policy.min_change)
            self.warn(f"{where}min_change: below that of [announce], {announced}, under which nothing is announced")
        events = {*channel.rules.events, *UNASKED_KINDS}
        unwanted = [kind for kind in channel.timing.urgent if kind not in events]
        if unwanted and channel.timing.urgent != KINDS:
            self.warn(f"{where}urgent: {', '.join(unwanted)} not among its events")
        if (channel.rules.providers or channel.rules.quantization) and not self.watches_endpoints:
            self.warn(f'{where}providers and quantization need [source] endpoints = "mine": they change nothing')
        if channel.rules.direction and events.isdisjoint(("repriced", "provider_repriced")):
            self.warn(f"{where}direction: it concerns repriced, which is not among its events")


def _with_health(channels: Sequence[Channel]) -> Iterator[Channel]:
    """Yield the channels with the events about the source among the events of those that get them.

    If no channel asks for them, the first one gets them unless it says `health = false`: nobody should be blind.
    """
    asked = any(rules.health or set(HEALTH_KINDS) & set(rules.events) for rules in (one.rules for one in channels))
    for channel in channels:
        rules = channel.rules
        health = True if rules.health is None and not asked and channel is channels[0] else rules.health
        if health is not None:
            others = tuple(kind for kind in rules.events if kind not in HEALTH_KINDS)
            rules = replace(rules, health=health, events=others + (HEALTH_KINDS if health else ()))
        yield replace(channel, rules=rules)


def _channel(number: int, table: Mapping[str, Any]) -> str:
    """Return `channels[2] "team": `, counted from 1; without the name if that cannot be shown."""
    try:
        return f'channels[{number}] "{NAME.parse(table.get("name"))}": '
    except WrongValueError:
        return f"channels[{number}]: "


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", key) else describe(key)


def _hint(key: str, known: Iterable[str]) -> str:
    """Return the section that an unknown key belongs to, else a similar known key; or nothing."""
    headers = [header(section) for section, options in BY_SECTION.items() if key in options]
    return f"; it belongs under {' or '.join(headers)}" if headers else suggestion(key, tuple(known))
