"""The options and a configuration, written out: `config show`, `config init`, the example and the JSON Schema."""

import json
import re
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any

from watcher.config.options import BY_SECTION, SECTIONS, FieldOption, alternatives, header, values
from watcher.config.settings import Config

WIDTH = 110
SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"

_SHORT = {
    "channels": ("name", "url", "models", "events", "min_change", "direction", "digest"),
    "source": ("interval",),
    "announce": ("settle",),
}
"""The options in the file to start from: those that people set, the channel first."""

_INIT = """\
Configuration of openrouter-watcher. Remove the # before a line to set it.
`watcher config check` names every mistake, `watcher config init --all` writes a file with every option."""

_FULL = """\
Configuration of openrouter-watcher. It works as it is: alerts go to the console.
Remove the # before a line that starts with #key to set it; what stands there is the default, or an example.
`watcher config check` names every mistake, `watcher config show` what is in force."""

_EXAMPLE = """\
Every option of openrouter-watcher. What is set here is the default; what has none is an example after a #.
To start, `watcher config init` writes a file of your own. Generated from watcher/config/settings.py."""


# A configuration


def effective(config: Config) -> dict[str, Any]:
    """Return the settings in force as TOML values, with secrets hidden; None: not set."""
    return {section: _effective(section, getattr(config, section)) for section in SECTIONS}


def _effective(section: str, settings: Any) -> Any:
    if isinstance(settings, tuple):
        return [_effective(section, one) for one in settings]
    options = BY_SECTION[section]
    return {
        key: None if value is None else options[key].type.render(value)
        for key, value in values(section, settings).items()
    }


def show(config: Config) -> str:
    """Return the settings in force as TOML, with secrets hidden."""
    blocks = []
    for section, part in effective(config).items():
        for table in part if isinstance(part, list) else [part]:
            lines = [f"{key} = {toml(value)}" for key, value in table.items() if value is not None]
            blocks.append("\n".join((header(section), *lines)))
    return "\n\n".join(blocks) + "\n"


def show_json(config: Config) -> str:
    """Return the settings in force as JSON, with secrets hidden."""
    return json.dumps(effective(config), indent=2, default=_number, ensure_ascii=False) + "\n"


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def toml(value: Any) -> str:
    """Return a value in TOML."""
    match value:
        case Decimal():
            return f"{value:f}"
        case list():
            return f"[{', '.join(toml(element) for element in value)}]"
        case dict():
            pairs = ", ".join(f"{_bare(key)} = {toml(inner)}" for key, inner in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case bool() | int():
            return json.dumps(value)
        case _:
            # JSON's escapes are TOML's; only DEL stands bare in JSON and must not in TOML.
            text = str(value).encode("utf-8", "replace").decode("utf-8")
            return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _bare(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml(key)


def default(option: FieldOption) -> Any:
    """Return the default of an option as a TOML value; None: it has none."""
    return None if option.default is None else option.type.render(option.default)


# Files to start from


def init(models: Sequence[str] = (), url: str | None = None) -> str:
    """Return a short configuration that works as it is, with a channel for these models if there is a URL."""
    given = {"url": url, "name": url and "alerts", "models": list(models) or None}
    blocks = [_comment(_INIT)]
    for section, keys in _SHORT.items():
        lines = [_comment(SECTIONS[section]), ("" if url or section != "channels" else "#") + header(section)]
        for option in map(BY_SECTION[section].__getitem__, keys):
            value = given.get(option.key) if section == "channels" else None
            usual = option.example if option.default is None else default(option)
            mark = "" if value and url else "#"
            lines += (_comment(option.doc), f"{mark}{option.key} = {toml(value or usual)}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def full() -> str:
    """Return a commented configuration of all options: the essential ones are set, the others behind a `#`."""
    return _file(_FULL, set_all=False)


def example() -> str:
    """Return `config.example.toml`: every default is set, and one channel."""
    return _file(_EXAMPLE, set_all=True)


def _file(preface: str, *, set_all: bool) -> str:
    blocks = [_comment(preface)]
    for section, doc in SECTIONS.items():
        blocks.append(f"{_comment(doc)}\n{'' if set_all or section != 'channels' else '#'}{header(section)}")
        for option in BY_SECTION[section].values():
            is_set = option.required or (option.default is not None and option.follows is None)
            mark = "" if option.essential or (set_all and is_set) else "#"
            line = f"{mark}{option.key} = {toml(option.example if option.default is None else default(option))}"
            blocks.append(f"{_comment(_description(option))}\n{line}")
    return "\n\n".join(blocks) + "\n"


def _description(option: FieldOption) -> str:
    return f"{option.doc}\nDefault: {option.default_doc}." if option.default_doc else option.doc


def _comment(text: str) -> str:
    wrapped = (textwrap.wrap(paragraph, WIDTH, break_on_hyphens=False) for paragraph in text.splitlines())
    return "\n".join(f"# {line}" for lines in wrapped for line in lines)


# For editors


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the file, for editors."""
    tables = {section: _table_schema(section) for section in SECTIONS}
    tables["channels"] = {"type": "array", "items": tables["channels"]}
    return {
        "$schema": SCHEMA_ID,
        "title": "openrouter-watcher configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {section: {"description": doc, **tables[section]} for section, doc in SECTIONS.items()},
    }


def _table_schema(section: str) -> dict[str, Any]:
    table: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {key: _option_schema(option) for key, option in BY_SECTION[section].items()},
    }
    for keys, required in alternatives(section):
        if required and len(keys) > 1:
            table["oneOf"] = [{"required": [key]} for key in keys]
        elif required:
            table.setdefault("required", []).append(keys[0])
        elif len(keys) > 1:
            table.setdefault("not", {"anyOf": []})["anyOf"] += [{"required": [*two]} for two in combinations(keys, 2)]
    return table


def _option_schema(option: FieldOption) -> dict[str, Any]:
    written = {"description": _description(option), **option.type.schema}
    if option.default is not None and option.follows is None:
        written["default"] = default(option)
    if option.example is not None:
        written["examples"] = [option.example]
    return written
