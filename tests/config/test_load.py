"""What a right configuration becomes, and where it is looked for."""

import subprocess
import sys
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from watcher.catalog.model import CHOSEN_KINDS, DEFAULT_KINDS, HEALTH_KINDS, KINDS
from watcher.catalog.policy import Policy
from watcher.config import Channel, Config, find_config, load_config
from watcher.config.clock import Digest, QuietHours
from watcher.config.secret import DatabaseURL, SourceURL
from watcher.config.settings import DeliverySettings, Rules, SourceSettings, StoreSettings, Timing
from watcher.errors import ConfigError

HOME = {"HOME": "/home/me"}


def load(folder: Path, text: str, environ: dict[str, str] = HOME) -> Config:
    file = folder / "config.toml"
    file.write_text(text)
    file.chmod(0o600)
    return load_config(file, environ)


def test_no_file_gives_the_defaults() -> None:
    url = "sqlite:////home/me/.local/state/openrouter-watcher/watcher.db"
    assert load_config(None, HOME) == Config(None, SourceSettings(), StoreSettings(DatabaseURL(url)))


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, "")
    assert (config.path, config.source, config.announce) == (tmp_path / "config.toml", SourceSettings(), Policy())
    assert (config.channels, config.warnings) == ((), ())


def test_every_setting_arrives(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        [source]
        url = "http://localhost:8000/api/v1/"
        output_modalities = ["text", "image"]
        category = "programming"
        supported_parameters = ["tools"]
        rss = false
        rss_chat_links = true
        interval = "1h30m"
        api_key_file = "key"
        [store]
        url = "sqlite:///data/watcher.db"
        [announce]
        settle = "90s"
        settle_new = "1m"
        settle_returned = "2m"
        settle_expiring = "3m"
        settle_retargeted = "4m"
        confirm_expired = 3
        confirm_gap = "1d"
        min_change = "0.5%"
        prices = ["*"]
        remind_days = [1, 7, 7]
        max_gone = "20%"
        max_gone_models = 9
        confirm_suspect = 4
        failing_polls = 5
        fold_models = 30
        fold_share = "15%"
        [delivery]
        give_up = "1d"
        retry_first = "10s"
        retry_most = "5m"
        timeout = "1s"
        [[channels]]
        name = " team "
        url_file = "~/team"
        events = ["*"]
        models = ["anthropic/*"]
        exclude = ["*:batch"]
        free_only = true
        modalities = ["text"]
        supported_parameters = ["tools"]
        min_change = "5%"
        max_prompt_price = 2.5
        min_context = 128000
        digest = "weekly fri 17:30"
        timezone = "Europe/Berlin"
        quiet_hours = "22:00-07:00"
        max_per_hour = 4
        urgent = ["expired", "source_failing"]
        """,
    )
    assert config == Config(
        path=tmp_path / "config.toml",
        source=SourceSettings(
            url=SourceURL("http://localhost:8000/api/v1"),
            output_modalities=("text", "image"),
            category="programming",
            supported_parameters=("tools",),
            rss=False,
            rss_chat_links=True,
            interval=timedelta(hours=1, minutes=30),
            api_key_file=tmp_path / "key",
        ),
        store=StoreSettings(DatabaseURL(f"sqlite:///{tmp_path}/data/watcher.db")),
        announce=Policy(
            settle=timedelta(seconds=90),
            settle_changed=timedelta(seconds=90),
            settle_new=timedelta(minutes=1),
            settle_returned=timedelta(minutes=2),
            settle_expiring=timedelta(minutes=3),
            settle_retargeted=timedelta(minutes=4),
            confirm_expired=3,
            confirm_gap=timedelta(days=1),
            min_change=Decimal("0.005"),
            prices=("*",),
            remind_days=(1, 7),
            max_gone=Decimal("0.2"),
            max_gone_models=9,
            confirm_suspect=4,
            failing_polls=5,
            fold_models=30,
            fold_share=Decimal("0.15"),
        ),
        channels=(
            Channel(
                name="team",
                url_file=Path("/home/me/team"),
                rules=Rules(
                    events=CHOSEN_KINDS,
                    models=("anthropic/*",),
                    exclude=("*:batch",),
                    free_only=True,
                    modalities=("text",),
                    supported_parameters=("tools",),
                    min_change=Decimal("0.05"),
                    max_prompt_price=Decimal("2.5"),
                    min_context=128_000,
                ),
                timing=Timing(
                    digest=Digest("week", time(17, 30), "fri"),
                    timezone="Europe/Berlin",
                    quiet_hours=QuietHours(time(22), time(7)),
                    max_per_hour=4,
                    urgent=("expired", "source_failing"),
                ),
            ),
        ),
        delivery=DeliverySettings(
            give_up=timedelta(days=1),
            retry_first=timedelta(seconds=10),
            retry_most=timedelta(minutes=5),
            timeout=timedelta(seconds=1),
        ),
    )


def channels(*settings: str) -> str:
    table = '[[channels]]\nname = "{}"\nurl = "json://localhost"\n{}\n'
    return "".join(table.format(number, each) for number, each in enumerate(settings))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (("", ""), [0]),
        (('events = ["new"]', ""), [0]),
        (("health = false", ""), []),
        (("", "health = true"), [1]),
        (("health = true", "health = true"), [0, 1]),
        (("", 'events = ["new", "source_failing"]'), []),
        (('events = ["*"]\nhealth = false', ""), []),
        (('events = ["*"]', ""), [0]),
    ],
)
def test_the_first_channel_learns_how_the_source_is_unless_another_one_does(
    settings: tuple[str, ...], told: list[int], tmp_path: Path
) -> None:
    got = [set(channel.rules.events) for channel in load(tmp_path, channels(*settings)).channels]
    assert [number for number, events in enumerate(got) if set(HEALTH_KINDS) <= events] == told
    assert all(events - set(HEALTH_KINDS) for events in got)


def test_a_channel_gets_the_default_events_about_every_model(tmp_path: Path) -> None:
    _, channel = load(tmp_path, channels("", "")).channels
    assert channel.rules == Rules(events=DEFAULT_KINDS, models=("*",))
    assert channel.timing == Timing(None, "UTC", None, None, ())


@pytest.mark.parametrize(
    ("written", "digest"),
    [
        ("hourly", Digest("hour")),
        ("daily 00:00", Digest("day")),
        ("weekly sun 23:59", Digest("week", time(23, 59), "sun")),
    ],
)
def test_a_digest(written: str, digest: Digest, tmp_path: Path) -> None:
    text = f'[[channels]]\nname = "team"\nurl = "json://localhost"\ndigest = "{written}"'
    assert load(tmp_path, text).channels[0].timing == Timing(digest)


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT-14", "Asia/Calcutta"]
)
def test_a_time_zone(zone: str, tmp_path: Path) -> None:
    text = f'[[channels]]\nname = "team"\nurl = "json://localhost"\ntimezone = "{zone}"'
    timing = load(tmp_path, text).channels[0].timing
    assert timing.zone.key == timing.timezone == zone


def test_settle_changed_can_differ_from_settle(tmp_path: Path) -> None:
    policy = load(tmp_path, '[announce]\nsettle = "1h"\nsettle_changed = "2h"').announce
    assert policy.settle_changed == timedelta(hours=2)


def test_an_absolute_database_stays_where_it_is(tmp_path: Path) -> None:
    assert load(tmp_path, '[store]\nurl = "sqlite:////srv/w.db"').store.url.reveal() == "sqlite:////srv/w.db"


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff[source]\r\nrss = false\r\n").source.rss is False


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "HOME": "/h"}, "/var/lib/a/watcher.db"),
        ({"XDG_STATE_HOME": "/state", "HOME": "/h"}, "/state/openrouter-watcher/watcher.db"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/openrouter-watcher/watcher.db"),
    ],
)
def test_where_the_database_is_by_default(environ: dict[str, str], expected: str) -> None:
    assert load_config(None, environ).store.url.reveal() == f"sqlite:///{expected}"


def test_the_query_is_what_chooses_the_models() -> None:
    assert SourceSettings().query == {"output_modalities": "all"}
    source = SourceSettings(
        output_modalities=("text", "image"), category="legal", supported_parameters=("tools", "seed")
    )
    assert source.query == {
        "output_modalities": "image,text",
        "category": "legal",
        "supported_parameters": "seed,tools",
    }


# What is odd is warned about


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ('[announce]\nprices = ["promt"]', 'announce.prices: "promt" is not known; did you mean "prompt"?'),
        (
            '[[channels]]\nname = "team"\nurl = "json://localhost"\nmin_change = "0.5%"',
            'channels[1] "team": min_change: below that of [announce], 1%, under which nothing is announced',
        ),
        (
            '[[channels]]\nname = "team"\nurl = "json://localhost"\nurgent = ["new", "changed", "source_failing"]',
            'channels[1] "team": urgent: changed not among its events',
        ),
        (
            '[[channels]]\nname = "team"\nurl = "json://localhost"\nevents = ["new"]\ndirection = "up"',
            'channels[1] "team": direction: it concerns repriced, which is not among its events',
        ),
    ],
)
def test_what_is_hardly_meant_is_warned_about(text: str, warning: str, tmp_path: Path) -> None:
    assert load(tmp_path, text).warnings == (f"{tmp_path}/config.toml: {warning}",)


def test_a_price_key_nobody_knows_yet_is_taken(tmp_path: Path) -> None:
    config = load(tmp_path, '[announce]\nprices = ["video_minute"]')
    assert (config.announce.prices, config.warnings) == (("video_minute",), ())


def test_every_kind_is_urgent_without_being_wanted(tmp_path: Path) -> None:
    config = load(tmp_path, '[[channels]]\nname = "team"\nurl = "json://localhost"\nurgent = ["*"]')
    assert (config.channels[0].timing.urgent, config.warnings) == (KINDS, ())


# Where the file is


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    """The places in the order in which they are looked at, each with a file."""
    files = ("named.toml", "cwd/watcher.toml", "cwd/config.toml", "xdg/openrouter-watcher/config.toml")
    places = [tmp_path / file for file in files]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    return places


def test_the_file_is_looked_for_in_order(places: list[Path], tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path / "home")}
    cwd = tmp_path / "cwd"
    assert find_config(Path("x.toml"), environ | {"WATCHER_CONFIG": str(places[0])}, cwd) == cwd / "x.toml"
    assert find_config(None, environ | {"WATCHER_CONFIG": "../named.toml"}, cwd) == cwd / "../named.toml"
    assert find_config(None, environ | {"WATCHER_CONFIG": ""}, cwd) == places[1]
    places[1].unlink()
    assert find_config(None, environ, cwd) == places[2]
    places[2].write_text("[server]")
    assert find_config(None, environ, cwd) == places[3]
    places[2].unlink()
    assert find_config(None, environ, cwd) == places[3]
    places[3].unlink()
    assert find_config(None, environ, cwd) in (None, Path("/etc/openrouter-watcher/config.toml"))


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("", True),
        ('[source]\ninterval = "5m"\n[[channels]]\nname = "a"', True),
        ('[anounce]\nsettle = "1h"', True),
        ("[source]\ninterval = 5m", True),
        ("\ufeff[store]", True),
        ('title = "My site"', False),
        ("[source]\n[params]", False),
        ("[build]\ntarget = wasm", False),
        ("[a.b]", False),
    ],
)
def test_a_config_toml_here_counts_only_if_it_is_ours(text: str, ours: bool, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    assert (find_config(None, {}, tmp_path) == file) is ours
    assert find_config(file, {}, tmp_path) == file


def test_without_xdg_the_file_is_looked_for_below_home(tmp_path: Path) -> None:
    file = tmp_path / ".config/openrouter-watcher/config.toml"
    file.parent.mkdir(parents=True)
    file.touch()
    assert find_config(None, {"HOME": str(tmp_path)}, tmp_path) == file


def test_a_file_that_is_there_but_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "config.toml").symlink_to(tmp_path / "config.toml")
    file = find_config(None, {}, tmp_path)
    assert file == tmp_path / "config.toml"
    with pytest.raises(ConfigError, match="cannot be read: Too many levels of symbolic links"):
        load_config(file, HOME)


def test_a_named_file_that_is_missing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.toml: does not exist; \$WATCHER_CONFIG names it"):
        find_config(None, {"WATCHER_CONFIG": "no.toml"}, tmp_path)


def test_loading_is_cheap() -> None:
    code = (
        "import sys; from watcher.config import load_config; load_config(None, {'HOME': '/h'});"
        "dear = ('sqlalchemy', 'apprise', 'rich', 'httpx', 'click', 'jinja2');"
        "print([module for module in dear if module in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
