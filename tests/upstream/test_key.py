"""Where the API key comes from, and that no message gives it away."""

from pathlib import Path

import pytest

from watcher.errors import ConfigError
from watcher.upstream.key import ApiKey, find_api_key

KEY = "sk-or-v1-0123456789abcdef"


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "openrouter_api_key").write_text("sk-systemd\n")
    return folder


def test_without_any_there_is_none(tmp_path: Path) -> None:
    assert find_api_key({}, None) is None
    assert find_api_key({"OPENROUTER_API_KEY": ""}, None) is None
    assert find_api_key({"CREDENTIALS_DIRECTORY": str(tmp_path)}, None) is None


def test_the_file_comes_before_the_environment_and_that_before_the_credential(
    tmp_path: Path, credentials: Path
) -> None:
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    credential = f"the systemd credential {str(credentials / 'openrouter_api_key')!r}"
    assert find_api_key(environ, None) == ApiKey("sk-systemd", credential)
    environ["OPENROUTER_API_KEY"] = "sk-environment"
    assert find_api_key(environ, None) == ApiKey("sk-environment", "OPENROUTER_API_KEY")
    file = tmp_path / "key"
    file.write_text("sk-file\n")
    found = find_api_key(environ, file)
    assert found == ApiKey("sk-file", f"source.api_key_file {str(file)!r}")
    assert "sk-file" not in repr(found), "a traceback or a log line shows only where it is from"


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_trailing_newline_is_no_part_of_it(tmp_path: Path, end: str) -> None:
    (tmp_path / "key").write_bytes((KEY + end).encode())
    for environ, file in (({}, tmp_path / "key"), ({"OPENROUTER_API_KEY": KEY + end}, None)):
        found = find_api_key(environ, file)
        assert found is not None and found.secret == KEY


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"   ",
        b"%s\nsecond",
        b"%s\x00",
        b"%s\x1b[0m",
        b" %s",
        b"%s x",
        b"\xef\xbb\xbf%s",
        b"%s\xff",
        b"%s" * 500,
    ],
)
def test_what_cannot_be_a_key_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key file"
    file.write_bytes(content.replace(b"%s", KEY.encode()))
    with pytest.raises(ConfigError) as caught:
        find_api_key({}, file)
    assert str(file) in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("value", [" ", "\n", KEY + " x", KEY + "\t", KEY + "\r\nX: bad", KEY + "ü"])
def test_a_variable_that_cannot_be_a_key_is_named_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigError, match="OPENROUTER_API_KEY") as caught:
        find_api_key({"OPENROUTER_API_KEY": value}, None)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ["missing", ".", "missing/key", "nul\x00"])
def test_a_file_that_cannot_be_read_is_an_error_and_not_no_key(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot read the API key") as caught:
        find_api_key({"OPENROUTER_API_KEY": KEY}, tmp_path / name)
    assert repr(str(tmp_path / name)) in str(caught.value)


def test_a_file_without_end_is_not_read_whole() -> None:
    with pytest.raises(ConfigError, match="larger than"):
        find_api_key({}, Path("/dev/zero"))
