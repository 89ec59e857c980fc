"""Default places: of the configuration file and of the database."""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from watcher.config.options import SECTIONS
from watcher.config.parse import SHORT
from watcher.errors import ConfigError

FOLDER = "openrouter-watcher"
SIZE_LIMIT = 1024 * 1024
"""Bytes; a configuration has a few KB, so a larger file is something else."""

Environ = Mapping[str, str]


def find_config(explicit: Path | None, environ: Environ, cwd: Path) -> Path | None:
    """Return the configuration file to use, or None if there is none and the defaults apply.

    An explicit one is returned as it is: `load_config` says what is wrong with it. A `config.toml` in the current
    folder may belong to another program, so it counts only if it has nothing but our sections.

    Raises:
        ConfigError: `$WATCHER_CONFIG` names a file that does not exist.
    """
    if explicit is not None:
        return cwd / explicit
    if named := environ.get("WATCHER_CONFIG"):
        path = cwd / named
        if not _exists(path):
            raise ConfigError(f"{path}: does not exist; $WATCHER_CONFIG names it")
        return path
    config_home = _xdg_folder(environ, "XDG_CONFIG_HOME", ".config")
    here = cwd / "watcher.toml", cwd / "config.toml"
    others = (folder / FOLDER / "config.toml" for folder in (config_home, Path("/etc")) if folder is not None)
    for path in (*here, *others):
        if _exists(path) and not (path == here[1] and (path.is_fifo() or foreign_keys(path))):
            return path
    return None


def foreign_keys(path: Path) -> list[str]:
    """Return the keys at the top level of a file that are no sections of ours, not even misspelt ones.

    They mean that it is another program's. A file that cannot be read has none: loading says what is wrong with it.
    """
    if not path.is_file():
        return []
    try:
        with path.open("rb") as file:
            text = file.read(SIZE_LIMIT).decode("utf-8-sig", "replace")
    except OSError:
        return []
    try:
        keys = tomllib.loads(text)
    except (ValueError, RecursionError):  # ours with a mistake, or another program's: its headers tell
        keys = dict.fromkeys(re.findall(r"(?m)^\s*\[+\s*([\w-]+)", text))
    return [key for key in keys if not get_close_matches(key[:SHORT], SECTIONS, cutoff=0.8)]


def default_store_url(environ: Environ) -> str | None:
    """Return the URL of the database in `$STATE_DIRECTORY`, else in the XDG state folder; None without a home."""
    if first := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return f"sqlite:///{Path(first) / 'watcher.db'}"
    state_home = _xdg_folder(environ, "XDG_STATE_HOME", ".local/state")
    return f"sqlite:///{state_home / FOLDER / 'watcher.db'}" if state_home is not None else None


def home(environ: Environ) -> Path | None:
    """Return the user's home folder, if there is one."""
    return Path(environ["HOME"]) if environ.get("HOME") else None


def _xdg_folder(environ: Environ, variable: str, below_home: str) -> Path | None:
    # The XDG specification wants a relative path here ignored.
    if (given := Path(environ.get(variable, ""))).is_absolute():
        return given
    at_home = home(environ)
    return at_home / below_home if at_home is not None else None


def _exists(path: Path) -> bool:
    """Whether there is anything, even if it cannot be read: to skip that would hide a mistake."""
    try:
        path.stat()
    except OSError as error:
        return not isinstance(error, FileNotFoundError | NotADirectoryError)
    return True
