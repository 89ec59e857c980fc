"""Secrets reach the sender, and nothing else."""

import io
import json
import logging
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from rich.pretty import Pretty

from watcher.config import Channel, check_config, load_config
from watcher.config.secret import DatabaseURL, Secret, SourceURL
from watcher.config.settings import SourceSettings
from watcher.config.write import show, show_json
from watcher.errors import ConfigError

HOME = {"HOME": "/home/me"}
SECRET = "hunter2"
INLINE = f'[[channels]]\nname = "team"\nurl = "slack://{SECRET}/{SECRET}"\n'


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "config.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_the_url_stands_in_the_file_itself(tmp_path: Path) -> None:
    (channel,) = load_config(write(tmp_path, INLINE), HOME).channels
    assert channel.secret_url({}) == f"slack://{SECRET}/{SECRET}"


def test_the_url_stands_in_a_file_of_its_own_beside_it(tmp_path: Path) -> None:
    for mark in ("", "\ufeff"):  # some editors begin a file with a mark
        (tmp_path / "url").write_text(f"{mark}json://{SECRET}\r\n", encoding="utf-8")
        (channel,) = load_config(write(tmp_path, '[[channels]]\nname = "team"\nurl_file = "url"'), HOME).channels
        assert channel.secret_url({}) == f"json://{SECRET}"


def test_the_url_stands_in_the_environment(tmp_path: Path) -> None:
    (channel,) = load_config(write(tmp_path, '[[channels]]\nname = "team"\nurl_env = "TEAM"'), HOME).channels
    assert channel.secret_url({"TEAM": f"json://{SECRET}\n"}) == f"json://{SECRET}"


CREDENTIALS = '[source]\napi_key_file = "${CREDENTIALS_DIRECTORY}/key"\n[[channels]]\nname = "team"\n'


def test_the_url_and_the_key_are_credentials_of_systemd(tmp_path: Path) -> None:
    file = write(tmp_path, CREDENTIALS + 'url_file = "${CREDENTIALS_DIRECTORY}/team"')
    for unit in ("daemon", "check"):
        folder = tmp_path / unit
        folder.mkdir()
        (folder / "team").write_text(f"json://{unit}\n")
        (folder / "key").touch()
        config = check_config(file, {**HOME, "CREDENTIALS_DIRECTORY": str(folder)})
        assert config.channels[0].secret_url({}) == f"json://{unit}"
        assert config.source.api_key_file == folder / "key"


@pytest.mark.parametrize("unset", [{}, {"CREDENTIALS_DIRECTORY": ""}])
def test_without_credentials_a_configuration_can_be_read_but_not_its_secrets(
    unset: dict[str, str], tmp_path: Path
) -> None:
    file = write(tmp_path, CREDENTIALS + 'url_file = "${CREDENTIALS_DIRECTORY}/team"')
    (channel,) = load_config(file, HOME | unset).channels
    with pytest.raises(ConfigError, match=r"cannot read \$\{CREDENTIALS_DIRECTORY\}/team: No such file"):
        channel.secret_url({})


@pytest.mark.parametrize(
    "path",
    ["a/${CREDENTIALS_DIRECTORY}/team", "${CREDENTIALS_DIRECTORY}team", "$CREDENTIALS_DIRECTORY/team", "${HOME}/team"],
)
def test_no_other_variable_and_no_other_place_is_expanded(path: str, tmp_path: Path) -> None:
    file = write(tmp_path, f'[[channels]]\nname = "team"\nurl_file = "{path}"')
    (channel,) = load_config(file, {**HOME, "CREDENTIALS_DIRECTORY": "/elsewhere"}).channels
    assert channel.url_file == tmp_path / path


def test_the_database_is_no_credential(tmp_path: Path) -> None:
    file = write(tmp_path, '[store]\nurl = "sqlite:///${CREDENTIALS_DIRECTORY}/w.db"')
    config = load_config(file, {**HOME, "CREDENTIALS_DIRECTORY": "/elsewhere"})
    assert config.store.url.reveal() == f"sqlite:///{tmp_path}/${{CREDENTIALS_DIRECTORY}}/w.db"


UNREADABLE = [
    (None, "url_file: cannot read {file}: No such file or directory"),
    (b"", "url_file: {file} is empty"),
    (b"\n", "url_file: {file} is empty"),
    (b"\xff" + SECRET.encode(), "url_file: {file} is not UTF-8 text"),
    (SECRET.encode(), "url_file: {file} does not hold one URL on one line"),
    (f'"json://{SECRET}"'.encode(), "url_file: {file} has quotes around the URL: leave them out"),
    (f"'json://{SECRET}'\n".encode(), "url_file: {file} has quotes around the URL: leave them out"),
    (f"json://{SECRET}\njson://{SECRET}".encode(), "url_file: {file} does not hold one URL on one line"),
    (b"json://" + b"a" * 100_000, "url_file: {file} does not hold one URL on one line"),
]


@pytest.mark.parametrize(("content", "expected"), UNREADABLE)
def test_a_url_file_that_holds_no_url_names_the_channel(content: bytes | None, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "url"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        Channel("team", url_file=file).secret_url({})
    assert str(raised.value) == 'channel "team": ' + expected.format(file=file)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "is not set"),
        ({"TEAM": ""}, "is empty"),
        ({"TEAM": SECRET}, "does not hold one URL on one line"),
    ],
)
def test_a_variable_that_holds_no_url_names_the_channel(environ: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Channel("team", url_env="TEAM").secret_url(environ)
    assert str(raised.value) == f'channel "team": url_env: the environment variable TEAM {expected}'


def test_nothing_that_shows_a_configuration_shows_a_secret(tmp_path: Path) -> None:
    file = write(tmp_path, f'[source]\nurl = "https://me:{SECRET}@proxy.example/api"\n' + INLINE)
    config = load_config(file, HOME)
    pretty = io.StringIO()
    Console(file=pretty, width=300).print(Pretty(config, expand_all=True))
    shown = [repr(config), str(config), pretty.getvalue(), show(config), show_json(config)]
    for text in shown:
        assert SECRET not in text
        assert "slack://…(hidden)" in text
        assert "https://…(hidden)@proxy.example/api" in text


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        (Secret(f"slack://{SECRET}/{SECRET}?{SECRET}=1"), "slack://…(hidden)"),
        (Secret(SECRET), "…(hidden)"),
        (SourceURL(f"https://{SECRET}@host/api"), "https://…(hidden)@host/api"),
        (DatabaseURL(f"postgresql://me:{SECRET}@db/w"), "postgresql://me:…(hidden)@db/w"),
        (DatabaseURL(f"postgresql://db/w?sslpassword={SECRET}&a=b"), "postgresql://db/w?sslpassword=…(hidden)&a=b"),
        (DatabaseURL("sqlite:////srv/w.db"), "sqlite:////srv/w.db"),
    ],
)
def test_a_secret_hides_itself_from_whatever_prints_it(
    secret: Secret, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("watcher").warning("%s %r", secret, secret)
    written = json.dumps({"url": secret}, default=str, ensure_ascii=False)
    assert caplog.messages == [f"{shown} {shown!r}"]
    assert [f"{secret}", "".join(map(str, [secret])), json.loads(written)["url"]] == [shown] * 3
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)


def test_a_channel_without_a_url_in_the_file_shows_none() -> None:
    assert "url=None" in repr(Channel("team", url_env="TEAM"))
    assert "https://openrouter.ai/api/v1" in repr(SourceSettings())


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True), (0o644, True)])
def test_a_file_with_a_secret_that_others_can_read_is_warned_about(mode: int, warned: bool, tmp_path: Path) -> None:
    file = write(tmp_path, INLINE, mode)
    expected = f"{file}: holds a secret URL and can be read by others; chmod 600 {file}, or use url_file or url_env"
    assert load_config(file, HOME).warnings == ((expected,) if warned else ())


def test_a_file_without_a_secret_may_be_read_by_all(tmp_path: Path) -> None:
    file = write(tmp_path, '[[channels]]\nname = "team"\nurl_env = "TEAM"', 0o644)
    assert load_config(file, HOME).warnings == ()


# The check tries what a load leaves alone


def test_the_check_finds_secrets_that_cannot_be_read_and_urls_nobody_serves(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '[source]\napi_key_file = "key"\nrss = 1\n[[channels]]\nname = "env"\nurl_env = "NO"\n' + INLINE,
    )
    with pytest.raises(ConfigError) as raised:
        check_config(file, HOME, lambda url: "no such service" if url.startswith("slack") else None)
    assert str(raised.value).split("\n") == [
        f"{file}: source.rss: expected true or false, got 1",
        f"{file}: source.api_key_file: cannot read {tmp_path}/key: No such file or directory",
        f'{file}: channel "env": url_env: the environment variable NO is not set',
        f'{file}: channel "team": no such service',
    ]


def test_the_check_passes_what_is_right(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    file = write(tmp_path, '[source]\napi_key_file = "key"\n' + INLINE)
    assert check_config(file, HOME, lambda url: None) == load_config(file, HOME)
    assert check_config(file, HOME) == load_config(file, HOME)
