"""Finding the API key. No message here ever holds the key or a part of it."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from watcher.errors import ConfigError
from watcher.files import open_to_read
from watcher.redaction import remember

ENVIRONMENT = "OPENROUTER_API_KEY"
CREDENTIAL = "openrouter_api_key"
"""The credential in systemd's `LoadCredential=`: a file in `$CREDENTIALS_DIRECTORY`."""

_LIMIT = 4096  # bytes; a real key has about 75, and /dev/zero or a wrong file must not be read whole


class ApiKey(Struct, frozen=True):
    """A checked key, and where it is from, for messages."""

    secret: str
    origin: str

    def __repr__(self) -> str:
        return f"ApiKey from {self.origin}"


def find_api_key(environ: Mapping[str, str], api_key_file: Path | None) -> ApiKey | None:
    """Return the API key; None if none is configured, as the public list needs none.

    The first of these that exists counts: `api_key_file`, `OPENROUTER_API_KEY` (unless empty, as container tools pass
    a variable that is not set), the systemd credential `openrouter_api_key`. Raises ConfigError if the file cannot be
    read, or if it holds no key.
    """
    if api_key_file is not None:
        return _read(api_key_file, "source.api_key_file")
    if value := environ.get(ENVIRONMENT):
        return ApiKey(_checked(value, ENVIRONMENT), ENVIRONMENT)
    if folder := environ.get("CREDENTIALS_DIRECTORY"):
        path = Path(folder) / CREDENTIAL
        if path.exists():
            return _read(path, "the systemd credential")
    return None


def _checked(value: str, where: str) -> str:
    """Return a key from `where` without its trailing newline, and have it hidden in all texts from now on.

    Raises ConfigError if it is blank, or holds a character that no HTTP header may hold.
    """
    key = value.rstrip("\r\n")
    if not key.strip():
        raise ConfigError(f"{where}: the API key is blank; put the key there, or remove the setting to go without one")
    if not all("!" <= c <= "~" for c in key):
        raise ConfigError(
            f"{where}: the API key holds a space, a control or a non-ASCII character, which no key has; "
            "write the key alone, on one line"
        )
    remember(key)
    return key


def _read(path: Path, what: str) -> ApiKey:
    try:
        with open_to_read(path) as file:
            raw = file.read(_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a possible path"
        raise ConfigError(
            f"{what}: cannot read the API key from {str(path)!r}: {reason}; "
            "check that the file exists and that this user may read it"
        ) from None
    if len(raw) > _LIMIT:
        raise ConfigError(f"{what}: {str(path)!r} is larger than {_LIMIT} bytes, so it does not hold an API key")
    # Other bytes than ASCII become characters that `_checked` refuses.
    origin = f"{what} {str(path)!r}"
    return ApiKey(_checked(raw.decode("latin-1"), origin), origin)
