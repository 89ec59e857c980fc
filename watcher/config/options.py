"""Every option, found in the fields of `Config` and of the structs in it.

Loading, `config check|show|init|schema`, `config.example.toml` and the manual page follow from this table.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from msgspec import NODEFAULT, Struct, structs

from watcher.catalog.option import Option
from watcher.config.clock import DIGEST, QUIET_HOURS, Digest, QuietHours
from watcher.config.parse import FLAG, PATH, PERCENTAGE, SOURCE_URL, STORE_URL, WORD, Type, duration, integer, listing
from watcher.config.secret import DatabaseURL, SourceURL
from watcher.config.settings import Config

S = TypeVar("S", bound=Struct)


class FieldOption(Option, frozen=True, kw_only=True):
    """One key of one section. Values are as the structs hold them; `type` turns them into TOML and back."""

    section: str
    key: str
    doc: str
    type: Type[Any]
    default: Any
    """None: the option has no default."""

    @property
    def instead_of(self) -> str | None:
        """The key that this one can replace: `url` for `url_file` and `url_env`."""
        other = self.key.removesuffix("_file").removesuffix("_env")
        return other if other != self.key and other in BY_SECTION[self.section] else None


_TYPES: Mapping[Any, Type[Any]] = {
    bool: FLAG,
    str: WORD,
    Decimal: PERCENTAGE,
    Path: PATH,
    Digest: DIGEST,
    QuietHours: QUIET_HOURS,
    SourceURL: SOURCE_URL,
    DatabaseURL: STORE_URL,
}


def _type(annotation: Any, option: Option) -> Type[Any]:
    """Return how the values of a field without a `Type` of its own are read and written."""
    if type(None) in (parts := get_args(annotation)):
        return _type(parts[0], option)
    if get_origin(annotation) is tuple:
        return listing(_type(parts[0], option), option.expected, option.least)
    if annotation is timedelta:
        return duration(option.least or timedelta())
    return integer(option.least, option.most) if annotation is int else _TYPES[annotation]


def _options(section: str, settings: type[Struct]) -> Iterator[FieldOption]:
    for field in structs.fields(settings):
        if get_origin(field.type) is not Annotated:  # a part of the section that is a struct of its own
            yield from _options(section, field.type)
            continue
        annotation, *notes = get_args(field.type)
        by_type: dict[type, Any] = {type(note): note for note in notes}
        option = by_type.get(Option, Option())
        yield FieldOption(
            **structs.asdict(option),
            section=section,
            key=field.name,
            doc=by_type[str],
            type=by_type.get(Type) or _type(annotation, option),
            default=_default(field),
        )


def _default(field: structs.FieldInfo) -> Any:
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return None if field.default is NODEFAULT else field.default


_SECTIONS = {f.name: get_args(f.type) for f in structs.fields(Config) if get_origin(f.type) is Annotated}
SECTIONS: Mapping[str, str] = {name: doc for name, (_, doc) in _SECTIONS.items()}
"""What each section is about."""
STRUCTS: Mapping[str, type[Any]] = {name: (get_args(holds) or (holds,))[0] for name, (holds, _) in _SECTIONS.items()}
"""The struct that receives a section, or one of its tables."""
BY_SECTION: Mapping[str, Mapping[str, FieldOption]] = {
    section: {option.key: option for option in _options(section, settings)} for section, settings in STRUCTS.items()
}
OPTIONS = tuple(option for options in BY_SECTION.values() for option in options.values())


def alternatives(section: str) -> Iterator[tuple[list[str], bool]]:
    """Yield each key of a section with those that can be set instead of it, and whether one of them must be set."""
    options = BY_SECTION[section]
    for key, group in groupby(options.values(), lambda option: option.instead_of or option.key):
        yield [option.key for option in group], options[key].required


def header(section: str) -> str:
    """Return the line that starts a table of a section."""
    return f"[[{section}]]" if section == "channels" else f"[{section}]"


def build(settings: type[S], values: Mapping[str, Any]) -> S:
    """Return a struct, and in it the parts of its section, with the given values of options."""
    fields = structs.fields(settings)
    parts = {field.name: build(field.type, values) for field in fields if get_origin(field.type) is not Annotated}
    return settings(**{key: values[key] for key in settings.__struct_fields__ if key in values}, **parts)


def values(section: str, settings: Struct) -> dict[str, Any]:
    """Return the values of all options of a section by key, including those in parts of the struct."""
    found: dict[str, Any] = {}
    for key in settings.__struct_fields__:
        value = getattr(settings, key)
        found |= {key: value} if key in BY_SECTION[section] else values(section, value)
    return found
