"""Where the API key comes from. Nothing here ever puts the key, or a part of it, into a message."""

from collections.abc import Mapping
from pathlib import Path

from watcher.errors import ConfigError

ENVIRONMENT = "OPENROUTER_API_KEY"
CREDENTIAL = "openrouter_api_key"
"""Name of the credential in systemd's `LoadCredential=`; it is then a file in `$CREDENTIALS_DIRECTORY`."""

_MOST = 4096  # bytes; a real key has about 75, and /dev/zero or a wrong file must not be read whole


def find_api_key(environ: Mapping[str, str], api_key_file: Path | None) -> str | None:
    """The API key, or None when none is configured: the public list is read without one.

    Looked for in `api_key_file`, then in `OPENROUTER_API_KEY` (an empty variable counts as not set, as container
    tools pass it), then in the systemd credential `openrouter_api_key`. The first that is there decides.

    Raises:
        ConfigError: the file cannot be read, or what is there cannot be a key.
    """
    if api_key_file is not None:
        return _read(api_key_file, "source.api_key_file")
    if value := environ.get(ENVIRONMENT):
        return checked_key(value, ENVIRONMENT)
    if folder := environ.get("CREDENTIALS_DIRECTORY"):
        path = Path(folder) / CREDENTIAL
        if path.exists():
            return _read(path, "the systemd credential")
    return None


def checked_key(value: str, where: str) -> str:
    """`value` without its trailing newline, if it can stand in an HTTP header; `where` names its origin.

    Raises:
        ConfigError: it is blank, or holds white space, control or non-ASCII characters.
    """
    key = value.rstrip("\r\n")
    if not key.strip():
        raise ConfigError(f"{where}: the API key is blank; put the key there, or remove the setting to go without one")
    if not all("!" <= c <= "~" for c in key):
        raise ConfigError(
            f"{where}: the API key holds a space, a control or a non-ASCII character, which no key has; "
            "write the key alone, on one line"
        )
    return key


def _read(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a possible path"
        raise ConfigError(
            f"{what}: cannot read the API key from {str(path)!r}: {reason}; "
            "check that the file exists and that this user may read it"
        ) from None
    if len(raw) > _MOST:
        raise ConfigError(f"{what}: {str(path)!r} is larger than {_MOST} bytes, so it holds no API key")
    # Bytes that are no ASCII become characters that `checked_key` refuses.
    return checked_key(raw.decode("latin-1"), f"{what} {str(path)!r}")
