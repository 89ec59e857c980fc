"""`watcher config check|show|init|schema`."""

import json
import re
import stat
import tomllib
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.store.samples import START, Polls, document
from watcher.cli.config import config_group
from watcher.cli.setup import Context
from watcher.config import write
from watcher.errors import ConfigError, UsageError, WatcherError
from watcher.store.store import Store

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a verb in an empty folder, on `config.toml` there if it exists."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("WATCHER_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "STATE_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "watcher.cli.config.check_url",
        lambda url: None if url.startswith("json://") else "no service has this URL",
    )

    def run(*arguments: str, config: str | None = None) -> Result:
        if config is not None:
            Path("config.toml").write_text(config)
            Path("config.toml").chmod(0o600)
        result = CliRunner().invoke(config_group, arguments, obj=Context())
        if result.exception is not None and not isinstance(result.exception, SystemExit | WatcherError):
            raise result.exception
        return result

    return run


def test_check_says_ok_and_what_is_set(run: Run, tmp_path: Path) -> None:
    result = run("check", config='[[channels]]\nname = "team"\nurl = "json://localhost"')
    assert result.stdout.splitlines() == [
        f"{tmp_path}/config.toml: ok",
        "channels: team",
        "interval: 5m",
        f"database: {tmp_path}/.local/state/openrouter-watcher/watcher.db",
    ]
    assert result.stderr == ""


def test_check_without_a_file_says_so(run: Run) -> None:
    result = run("check")
    assert result.stdout.splitlines()[:2] == [
        "no configuration file: the defaults hold",
        "channels: none, alerts go to the console",
    ]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("text", ['title = "my site"\n[params]', "[tool.other]\nx = 1"])
def test_another_programs_config_toml_stops_nothing_and_is_told_at_a_terminal(
    run: Run, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run("check", config=text)
    assert result.stdout.splitlines()[0] == "no configuration file: the defaults hold"
    assert result.stderr == ""
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    assert Context().find_config() is None
    assert "config.toml here is another program's (t" in terminal.getvalue()
    for chosen in (Context(Path("mine.toml")), Context(Path("config.toml"))):
        terminal.truncate(0)
        chosen.find_config()
        assert terminal.getvalue() == ""


def test_check_names_every_mistake_and_the_url_nobody_serves(run: Run, tmp_path: Path) -> None:
    result = run("check", config='[announce]\nsetle = "1h"\n[[channels]]\nname = "team"\nurl = "nobody://secret"')
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).splitlines() == [
        f'{tmp_path}/config.toml: announce.setle: unknown key; did you mean "settle"?',
        f'{tmp_path}/config.toml: channel "team": no service has this URL',
    ]


def test_check_warns_on_stderr(run: Run, tmp_path: Path) -> None:
    result = run("check", config='[announce]\nprices = ["promt"]')
    assert result.stdout.startswith(f"{tmp_path}/config.toml: ok")
    assert result.stderr.startswith(f'warning: {tmp_path}/config.toml: announce.prices: "promt" is not known')


def test_show_is_toml_and_json(run: Run) -> None:
    config = '[[channels]]\nname = "team"\nurl = "slack://secret"'
    as_toml = tomllib.loads(run("show", config=config).stdout)
    as_json = json.loads(run("show", "--json").stdout)
    assert as_toml["channels"][0]["url"] == as_json["channels"][0]["url"] == "slack://…(hidden)"
    assert as_toml["announce"] == as_json["announce"]


def test_init_prints_a_file_that_checks(run: Run) -> None:
    text = run("init").stdout
    assert text == write.init()
    assert run("check", config=text).exit_code == 0


def test_init_writes_a_short_file_with_the_channel_first_for_the_models_that_are_named(run: Run) -> None:
    text = run("init", "--models", "a/b, c/*,", "--channel", "json://localhost").stdout
    assert len(text.splitlines()) <= 30
    assert list(tomllib.loads(text)) == ["channels", "source", "announce"]
    assert tomllib.loads(text)["channels"] == [
        {"name": "alerts", "url": "json://localhost", "models": ["a/b", "c/*"]},
    ]
    assert run("check", config=text).exit_code == 0


def test_what_init_offers_can_be_set_by_taking_the_mark_away(run: Run) -> None:
    text = re.sub(r"(?m)^#(?=[\[a-z])", "", run("init").stdout)
    assert run("check", config=text.replace("mailtos://", "json://")).exit_code == 0


def test_init_writes_every_option_if_asked(run: Run) -> None:
    assert run("init", "--all").stdout == write.full()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--models", "a/b"), "--models belongs to a channel; name its URL with --channel"),
        (("--channel", "slack.com/secret"), "--channel: expected an Apprise URL"),
        (("--channel", "nobody://secret"), "--channel: no service has this URL"),
        (("--all", "--channel", "json://x"), "--all writes the defaults"),
    ],
)
def test_init_refuses_what_it_cannot_write_down(run: Run, arguments: tuple[str, ...], reason: str) -> None:
    result = run("init", *arguments)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith(reason)
    assert "secret" not in str(result.exception)


def test_init_writes_a_private_file_and_replaces_none_unless_told(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "new/config.toml"
    assert run("init", "--output", str(file)).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("# mine")
    refused = run("init", "--output", str(file))
    assert isinstance(refused.exception, UsageError)
    assert str(refused.exception) == f"{file} exists already; --force replaces it"
    assert file.read_text() == "# mine"
    assert run("init", "--output", str(file), "--force").exit_code == 0
    assert file.read_text() == write.init()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("output", "command"),
    [
        ("config.toml", "watcher config check"),
        (".config/openrouter-watcher/config.toml", "watcher config check"),
        ("my own.toml", "watcher --config 'my own.toml' config check"),
    ],
)
def test_init_says_how_the_file_is_checked(run: Run, output: str, command: str) -> None:
    result = run("init", "--output", output)
    assert result.stderr == f"{output}: written; now name a channel in it and run `{command}`\n"


def test_check_warns_of_a_pattern_that_names_no_known_model(run: Run, tmp_path: Path) -> None:
    config = '[store]\nurl = "sqlite:///w.db"\n[[channels]]\nname = "team"\nurl = "json://x"\nmodels = {}'
    models = '["gpt-*", "openai/*", "*:free", "nobody/*"]'
    assert run("check", config=config.format(models)).stderr == ""
    with Store.open(f"sqlite:///{tmp_path}/w.db") as store:
        Polls(store).see(document("openai/gpt-9"), document("openai/o9:free"), at=START)
    assert run("check").stderr.splitlines() == [
        f'warning: {tmp_path}/config.toml: channel "team": models: "gpt-*" names none of 2 known models; '
        'did you mean "*/gpt-*"?',
        f'warning: {tmp_path}/config.toml: channel "team": models: "nobody/*" names none of 2 known models',
    ]
    assert run("check", config=config.format('["*"]')).stderr == ""
    mine = '[mine]\nmodels = ["openai/gpt-*", "openai/gpt-9:nitro", "openai/gpt-8"]\n'
    assert run("check", config=mine + config.format('["@mine"]')).stderr.splitlines() == [
        f'warning: {tmp_path}/config.toml: mine.models: "openai/gpt-8" names none of 2 known models'
    ]


def test_init_says_why_it_cannot_write(run: Run) -> None:
    result = run("init", "--output", "/proc/nowhere/config.toml")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "cannot write /proc/nowhere/config.toml: No such file or directory"


def test_schema_is_json(run: Run) -> None:
    assert json.loads(run("schema").stdout) == write.schema()


def test_a_folder_that_was_deleted_is_one_clear_line(run: Run, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(gone)
        gone.rmdir()
        result = run("show")
    assert str(result.exception) == "the current folder cannot be used: No such file or directory"
