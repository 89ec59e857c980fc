"""`config.toml` → `Config`. Every mistake in the file is reported at once, one line each."""

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from watcher.catalog.model import KINDS, UNASKED_KINDS
from watcher.catalog.policy import Policy
from watcher.config.find import Environ, default_store_url, home
from watcher.config.options import BY_SECTION, STRUCTS, FieldOption, alternatives, build, header
from watcher.config.parse import NAME, PERCENTAGE, WrongValueError, found, render_duration, suggestion
from watcher.config.secret import DatabaseURL, Secret
from watcher.config.settings import Channel, Config
from watcher.errors import ConfigError

SIZE_LIMIT = 1024 * 1024
"""Bytes; a configuration is a few KB, so what is larger is another kind of file."""

CREDENTIALS = "${CREDENTIALS_DIRECTORY}"
"""Where systemd puts what `LoadCredential=` names; it may begin the path of a secret, no other variable may."""

CheckURL = Callable[[str], str | None]
"""Says in a sentence what is wrong with a channel's URL, without repeating it; None: nothing."""
CheckTemplates = Callable[[Channel], Iterable[tuple[str, str]]]
"""Gives the keys of a channel's templates that are wrong, each with a sentence that says what."""


def load_config(path: Path | None, environ: Environ) -> Config:
    """The configuration in `path`; None gives the defaults.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong; one line for each mistake.
    """
    config, mistakes = _read(path, environ)
    return _accept(config, mistakes)


def check_config(
    path: Path | None,
    environ: Environ,
    check_channel_url: CheckURL | None = None,
    check_templates: CheckTemplates | None = None,
) -> Config:
    """Like `load_config`, and tries what a check would meet only later.

    That is: files of secrets, URLs that nobody serves, templates that cannot be used.
    """
    config, mistakes = _read(path, environ)
    if (key_file := config.source.api_key_file) is not None:
        try:
            key_file.open("rb").close()
        except OSError as error:
            mistakes.append(f"{path}: source.api_key_file: cannot read {key_file}: {error.strerror}")
    try:
        config.health.secret_url(environ)
    except ConfigError as error:
        mistakes.append(f"{path}: {error}")
    for channel in config.channels:
        if check_templates is not None:
            mistakes += (
                f'{path}: channel "{channel.name}": {key}: {problem}' for key, problem in check_templates(channel)
            )
        try:
            url = channel.secret_url(environ)
        except ConfigError as error:
            mistakes.append(f"{path}: {error}")
            continue
        if check_channel_url is not None and (problem := check_channel_url(url)):
            mistakes.append(f'{path}: channel "{channel.name}": {problem}')
    return _accept(config, mistakes)


def _accept(config: Config, mistakes: list[str]) -> Config:
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return config


def _read(path: Path | None, environ: Environ) -> tuple[Config, list[str]]:
    """The configuration with what is right in the file, and a line for each thing that is not."""
    if path is None:
        document, others_read = {}, False
    else:
        text, others_read = _read_text(path)
        document = _parse_toml(path, text)
    reader = _Reader(path, environ)
    config = reader.config(document)
    if others_read and reader.holds_secret:
        reader.warn(f"holds a secret URL and can be read by others; chmod 600 {path}, or use url_file or url_env")
    return replace(config, warnings=tuple(reader.warnings)), reader.mistakes


def _read_text(path: Path) -> tuple[str, bool]:
    """The file's text, and whether its group or others may read it."""
    try:
        with path.open("rb") as file:
            others_read = os.name == "posix" and bool(os.fstat(file.fileno()).st_mode & 0o044)
            content = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not a path'}") from None
    if len(content) > SIZE_LIMIT:
        raise ConfigError(f"{path}: larger than {SIZE_LIMIT // 1024} KiB; is it a configuration?")
    try:
        return content.decode("utf-8-sig"), others_read
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line}: not UTF-8 text; save the file as UTF-8") from None


def _parse_toml(path: Path, text: str) -> dict[str, Any]:
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
    """Reads one document; what is wrong goes to `mistakes`, what is odd to `warnings`."""

    def __init__(self, path: Path | None, environ: Environ) -> None:
        self.path = path
        self.environ = environ
        self.mistakes: list[str] = []
        self.warnings: list[str] = []
        self.holds_secret = False

    def wrong(self, sentence: str) -> None:
        self.mistakes.append(f"{self.path or 'defaults'}: {sentence}")

    def warn(self, sentence: str) -> None:
        self.warnings.append(f"{self.path}: {sentence}")

    def config(self, document: Mapping[str, Any]) -> Config:
        for key, value in document.items():
            if key not in BY_SECTION:
                thing = "section" if isinstance(value, dict | list) else "key"
                self.wrong(f"{_key(key)}: unknown {thing}{_belongs(key, BY_SECTION)}")
        sections = {section: self.section(section, document) for section in BY_SECTION if section != "channels"}
        if "url" not in sections["store"]:
            if (default := default_store_url(self.environ)) is None:
                self.wrong("store.url: there is no home folder to put the database in; set it, or $STATE_DIRECTORY")
            sections["store"]["url"] = DatabaseURL(default or "")
        config = Config(self.path, **{key: build(STRUCTS[key], values) for key, values in sections.items()})
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
            self.wrong(f"{section}: expected a table that starts with {header(section)}, got {found(table)}")
            return {}
        return self.values(section, table, f"{section}.")

    def values(self, section: str, table: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return the table's values that are right, by key."""
        options = BY_SECTION[section]
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key in options:
                try:
                    values[key] = self.value(options[key], value, where)
                except WrongValueError as error:
                    for sentence in error.sentences:
                        self.wrong(f"{where}{key}: {sentence}")
            else:
                self.wrong(f"{where}{_key(key)}: unknown key{_belongs(key, options)}")
        for option in options.values():
            if option.follows in values:
                values.setdefault(option.key, values[option.follows])
        for option, *instead in alternatives(section):
            keys = [option.key, *(other.key for other in instead)]
            given = [key for key in keys if key in table]
            if option.required and not instead and not given:
                self.wrong(f"{where}{option.key}: missing")
            elif option.required and len(given) != 1:
                self.wrong(f"{where}{', '.join(given) or option.key}: expected exactly one of {', '.join(keys)}")
            else:
                for key in given[1:]:
                    self.wrong(f"{where}{key}: {given[0]} is set, too; expected only one of them")
        return values

    def value(self, option: FieldOption, value: object, where: str) -> Any:
        parsed = option.type.parse(value)
        for word in parsed if option.known else ():
            if word not in option.known and (hint := suggestion(word, option.known)):
                self.warn(f"{where}{option.key}: {found(word)} is not known{hint}")
        match parsed:
            case Path():
                return self.secret_file(parsed)
            case DatabaseURL() if (path := parsed.reveal()).startswith("sqlite:///"):
                return DatabaseURL(f"sqlite:///{self.place(Path(path.removeprefix('sqlite:///')))}")
            case Secret() if str(parsed) != parsed.reveal():
                self.holds_secret = True
        return parsed

    def secret_file(self, path: Path) -> Path:
        """Like `place`, and with `${CREDENTIALS_DIRECTORY}` at its start: each unit of systemd has another.

        Where the variable is not set the path stays as it is: a status can be asked for without the secrets.
        """
        if path.parts[:1] != (CREDENTIALS,):
            return self.place(path)
        folder = self.environ.get("CREDENTIALS_DIRECTORY")
        return Path(folder).joinpath(*path.parts[1:]) if folder else path

    def place(self, path: Path) -> Path:
        """Return a path of the file: relative to its folder, `~` for the user's home."""
        at_home = home(self.environ)
        if path.parts[:1] == ("~",) and at_home is not None:
            return at_home.joinpath(*path.parts[1:])
        return self.path.parent / path if self.path is not None else path

    def channels(self, tables: object, policy: Policy) -> tuple[Channel, ...]:
        if not isinstance(tables, list):
            self.wrong(f"channels: expected tables that each start with [[channels]], got {found(tables)}")
            return ()
        channels: dict[str, Channel] = {}
        for number, table in enumerate(tables, start=1):
            if not isinstance(table, dict):
                self.wrong(f"channels[{number}]: expected a table, got {found(table)}")
                continue
            where = _channel(number, table)
            values = self.values("channels", table, where)
            if "name" not in values or not values.keys() & {"url", "url_file", "url_env"}:
                continue
            channel = build(Channel, values)
            if channel.name.casefold() in channels:
                self.wrong(f"{where}name: another channel has it already")
                continue
            channels[channel.name.casefold()] = channel
            least = channel.rules.min_change
            if least is not None and least < policy.min_change:
                announced = PERCENTAGE.render(policy.min_change)
                self.warn(f"{where}min_change: below that of [announce], {announced}, under which nothing is announced")
            got = {*channel.rules.events, *UNASKED_KINDS}
            unwanted = [kind for kind in channel.timing.urgent if kind not in got]
            if unwanted and channel.timing.urgent != KINDS:
                self.warn(f"{where}urgent: {', '.join(unwanted)} not among its events")
        return tuple(channels.values())


def _channel(number: int, table: Mapping[str, Any]) -> str:
    """Return `channels[2] "team": `, counted from 1, with the name where it is fit to be shown."""
    try:
        return f'channels[{number}] "{NAME.parse(table.get("name"))}": '
    except WrongValueError:
        return f"channels[{number}]: "


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", key) else found(key)


def _belongs(key: str, here: Iterable[str]) -> str:
    """Return where an unknown key was likely meant to stand, or what it was likely meant to be."""
    headers = [header(section) for section, options in BY_SECTION.items() if key in options]
    return f"; it belongs under {' or '.join(headers)}" if headers else suggestion(key, tuple(here))
