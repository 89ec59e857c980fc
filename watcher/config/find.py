"""Default places: of the configuration file and of the database."""

from collections.abc import Mapping
from pathlib import Path

from watcher.errors import ConfigError

FOLDER = "openrouter-watcher"

Environ = Mapping[str, str]


def find_config(explicit: Path | None, environ: Environ, cwd: Path) -> Path | None:
    """Return the configuration file to use, or None if there is none and the defaults apply.

    An explicit one is returned as it is: `load_config` says what is wrong with it.

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
    folders = (cwd, config_home and config_home / FOLDER, Path("/etc") / FOLDER)
    paths = (folder / "config.toml" for folder in folders if folder is not None)
    return next((path for path in paths if _exists(path)), None)


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
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        pass
    return True
