"""Where things are when nobody says: the configuration file and the database."""

from collections.abc import Mapping
from pathlib import Path

from watcher.errors import ConfigError

FOLDER = "openrouter-watcher"

Environ = Mapping[str, str]


def find_config(explicit: Path | None, environ: Environ, cwd: Path) -> Path | None:
    """The configuration file to use; None if there is none, so that the defaults hold.

    An explicit one is taken as it is: `load_config` says what is wrong with it.

    Raises:
        ConfigError: `$WATCHER_CONFIG` names a file that is not there.
    """
    if explicit is not None:
        return cwd / explicit
    if named := environ.get("WATCHER_CONFIG"):
        path = cwd / named
        if not _is_there(path):
            raise ConfigError(f"{path}: does not exist; $WATCHER_CONFIG names it")
        return path
    folders = [cwd]
    if (config_home := _xdg(environ, "XDG_CONFIG_HOME", ".config")) is not None:
        folders.append(config_home / FOLDER)
    folders.append(Path("/etc") / FOLDER)
    return next((path for path in (folder / "config.toml" for folder in folders) if _is_there(path)), None)


def default_store_url(environ: Environ) -> str | None:
    """The database in systemd's `$STATE_DIRECTORY`, else in the XDG state folder; None if there is no home either."""
    if first := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        folder = Path(first)
    elif (state_home := _xdg(environ, "XDG_STATE_HOME", ".local/state")) is not None:
        folder = state_home / FOLDER
    else:
        return None
    return f"sqlite:///{folder / 'watcher.db'}"


def home(environ: Environ) -> Path | None:
    return Path(environ["HOME"]) if environ.get("HOME") else None


def _xdg(environ: Environ, variable: str, below_home: str) -> Path | None:
    # The XDG specification wants a relative path here ignored.
    if (given := Path(environ.get(variable, ""))).is_absolute():
        return given
    at_home = home(environ)
    return at_home / below_home if at_home is not None else None


def _is_there(path: Path) -> bool:
    """Whether there is something, if only something that may not be read: skipping that would hide a mistake."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return True
