"""One tiny configuration for each way in which one can be wrong, and the line that says so."""

from pathlib import Path

import pytest

from watcher.config import load_config
from watcher.errors import ConfigError

HOME = {"HOME": "/home/me"}
NAME = '[[channels]]\nname = "team"\n'
CHANNEL = NAME + 'url = "json://localhost"\n'

MISTAKES = [
    # sections and keys
    ('[anounce]\nsettle = "3h"', 'anounce: unknown section; did you mean "announce"?'),
    ("[colours]", "colours: unknown section"),
    ("interval = 5", "interval: unknown key; it belongs under [source]"),
    ('min_change = "5%"', "min_change: unknown key; it belongs under [announce] or [[channels]]"),
    ('[announce]\nmin_chang = "5%"', 'announce.min_chang: unknown key; did you mean "min_change"?'),
    ("[announce]\nxyzzy = 1", "announce.xyzzy: unknown key"),
    ("[source]\nsettle = 1", "source.settle: unknown key; it belongs under [announce]"),
    ('[source]\n"a\\u001b[31m" = 1', 'source."a\\u001b[31m": unknown key'),
    ("[source]\n" + "k" * 41 + " = 1", "source.a string of 41 characters: unknown key"),
    ('source = "openrouter"', 'source: expected a table that starts with [source], got "openrouter"'),
    ("[[store]]", "store: expected a table that starts with [store], got a list"),
    ('[channels]\nname = "team"', "channels: expected tables that each start with [[channels]], got a table"),
    ("channels = [7]", "channels[1]: expected a table, got 7"),
    # source
    *(
        (
            f'[source]\nurl = "{url}"',
            'source.url: expected a URL such as "https://openrouter.ai/api/v1", without a query',
        )
        for url in ("openrouter.ai", "ftp://h/", "http://h/?a=b", "http://h/#a", "http://h /")
    ),
    ("[source]\noutput_modalities = []", "source.output_modalities: expected {words}, got an empty list"),
    ('[source]\noutput_modalities = "all"', 'source.output_modalities: expected {words}, got "all"'),
    (
        '[source]\noutput_modalities = ["text,image"]',
        'source.output_modalities: entry 1: expected a word without spaces or commas, got "text,image"',
    ),
    ("[source]\ncategory = true", "source.category: expected a word without spaces or commas, got true"),
    ('[source]\nrss = "yes"', 'source.rss: expected true or false, got "yes"'),
    ('[source]\ninterval = "10s"', 'source.interval: expected a duration of at least "1m", got "10s"'),
    (
        "[source]\ninterval = 300",
        'source.interval: expected a duration such as "90s", "5m", "1h30m" or "1d", got 300',
    ),
    ("[source]\napi_key_file = 1", "source.api_key_file: expected the path of a file"),
    (
        '[source]\napi_key_file = "sk-or-v1-secret"',
        "source.api_key_file: expected the path of a file that holds the key, not the key itself",
    ),
    # store
    ('[store]\nurl = "mysql://me:secret@host/db"', "store.url: expected {database}"),
    ('[store]\nurl = "watcher.db"', "store.url: expected {database}"),
    ('[store]\nurl = "sqlite://"', "store.url: expected {database}"),
    ('[store]\nurl = "postgresql://me:secret@host"', "store.url: expected {database}"),
    ('[store]\nurl = "postgresql://me:sec@ret@host/db"', "store.url: expected {database}"),
    ('[store]\nurl = "postgresql://me:sec/ret@host/db"', "store.url: expected {database}"),
    ('[store]\nurl = "postgresql+psycopg://me:secret@host/db"', "store.url: expected {database}"),
    ('[store]\nurl = "sqlite:///"', "store.url: expected {database}"),
    ('[store]\nurl = "sqlite:///a.db?mode=ro"', "store.url: expected {database}"),
    (
        '[store]\nurl = "sqlite:///:memory:"',
        "store.url: expected a file or a server: what is kept in memory is forgotten after each check",
    ),
    # announce
    ('[announce]\nsettle = ""', "announce.settle: expected {duration}, got \"\""),
    ('[announce]\nsettle = "3 h"', "announce.settle: expected {duration}, got \"3 h\""),
    ("[announce]\nsettle = 1.5", "announce.settle: expected {duration}, got 1.5"),
    ("[announce]\nsettle = 2026-01-04", "announce.settle: expected {duration}, got a date"),
    ('[announce]\nsettle = "9999d"', 'announce.settle: expected a duration of at most "3650d", got "9999d"'),
    (
        '[announce]\nsettle = "999999999d999999999h"',
        'announce.settle: expected a duration of at most "3650d", got "999999999d999999999h"',
    ),
    ("[announce.settle]", "announce.settle: expected {duration}, got a table"),
    ("[announce]\nmin_change = 5", 'announce.min_change: expected {percentage}, got 5'),
    ('[announce]\nmin_change = "-1%"', 'announce.min_change: expected {percentage}, got "-1%"'),
    ('[announce]\nmax_gone = "101%"', 'announce.max_gone: expected a percentage of at most 100%, got "101%"'),
    ("[announce]\nconfirm_expired = 0", "announce.confirm_expired: expected a whole number from 1 to 1000, got 0"),
    ("[announce]\nfailing_polls = true", "announce.failing_polls: expected a whole number from 1 to 1000, got true"),
    (
        "[announce]\nfold_models = 0x" + "f" * 5000,
        "announce.fold_models: expected a whole number from 1 to 100000, got a very large number",
    ),
    (
        "[announce]\nremind_days = [14, -1]",
        "announce.remind_days: entry 2: expected a whole number from 0 to 365, got -1",
    ),
    ('[announce]\nprices = "*"', 'announce.prices: expected {keys}, got "*"'),
    # delivery
    ('[delivery]\ntimeout = "0s"', 'delivery.timeout: expected a duration of at least "1s", got "0s"'),
    ('[delivery]\ngive_up = "59s"', 'delivery.give_up: expected a duration of at least "1m", got "59s"'),
    ("[delivery]\nretry_first = 30", "delivery.retry_first: expected {duration}, got 30"),
    (
        '[delivery]\nretry_first = "2h"',
        'delivery.retry_first: expected a duration of at most retry_most, "1h", got "2h"',
    ),
    ("delivery = []", "delivery: expected a table that starts with [delivery], got an empty list"),
    # channels
    ('[[channels]]\nurl = "json://localhost"', "channels[1]: name: missing"),
    ('[[channels]]\nname = "  "\nurl = "json://localhost"', 'channels[1]: name: expected {name}, got "  "'),
    ('[[channels]]\nname = "a\\nb"\nurl = "json://localhost"', 'channels[1]: name: expected {name}, got "a\\nb"'),
    ('[[channels]]\nname = "slack://secret"\nurl_env = "TEAM"', "channels[1]: name: expected {name}, got a URL"),
    (NAME, '{team}url: expected exactly one of url, url_file, url_env'),
    (
        CHANNEL + 'url_env = "TEAM_URL"',
        '{team}url, url_env: expected exactly one of url, url_file, url_env',
    ),
    (
        '[source]\n# Where alerts go.\n#[[channels]]\nname = "team"',
        "source.name: unknown key; it belongs under [[channels]], which is a comment in line 3: remove its #",
    ),
    (CHANNEL + CHANNEL.replace("team", "Team"), 'channels[2] "Team": name: another channel has it already'),
    (NAME + 'url = "secret"', '{team}url: expected {apprise}'),
    (NAME + 'url = ["a://secret"]', '{team}url: expected {apprise}'),
    (NAME + 'url_file = "slack://secret"', '{team}url_file: expected the path of a file'),
    (
        NAME + 'url_env = "$SECRET"',
        '{team}url_env: expected the name of an environment variable such as "SLACK_URL"',
    ),
    (CHANNEL + "min_change = 5", '{team}min_change: expected {percentage}, got 5'),
    (CHANNEL + 'evnts = ["new"]', '{team}evnts: unknown key; did you mean "events"?'),
    (CHANNEL + "title_template = 5", "{team}title_template: expected {template}, got 5"),
    (CHANNEL + 'body_template = " "', '{team}body_template: expected {template}, got " "'),
    (
        CHANNEL + 'body_template = "' + "x" * 70_000 + '"',
        "{team}body_template: expected {template}, got a string of 70000 characters",
    ),
    (CHANNEL + 'body_template_file = "a://b"', "{team}body_template_file: expected the path of a file"),
    (
        CHANNEL + 'body_template = "x"\nbody_template_file = "y"',
        "{team}body_template_file: body_template is set, too; expected only one of them",
    ),
    (
        CHANNEL + 'events = ["alive"]',
        "{team}events: entry 1: expected one of {kinds} or *, got \"alive\"",
    ),
    (CHANNEL + 'alive = "09:00"', '{team}alive: expected {digest}, got "09:00"'),
    ('[store]\nkeep = "1h"', 'store.keep: expected a duration of at least "1d" such as "90d", or "none", got "1h"'),
    ("[store]\nkeep = 7", 'store.keep: expected {span}, got 7'),
    ("[store]\nkeep = false", 'store.keep: expected {span}, got false'),
    ('[health]\nping_url = "hc-ping.com/1"', 'health.ping_url: expected a URL such as "https://hc-ping.com/your-uuid"'),
    ("[health]\nping_url = 1", 'health.ping_url: expected a URL such as "https://hc-ping.com/your-uuid"'),
    (
        '[health]\nping_url = "https://a/b"\nping_url_file = "c"',
        "health.ping_url_file: ping_url is set, too; expected only one of them",
    ),
    (
        '[health]\nping_url_env = "A"\nping_url_file = "c"',
        "health.ping_url_env: ping_url_file is set, too; expected only one of them",
    ),
    (CHANNEL + 'events = "new"', '{team}events: expected {events}, got "new"'),
    (CHANNEL + "events = []", '{team}events: expected {events}, got an empty list'),
    (
        CHANNEL + 'events = ["new", "expird"]',
        '{team}events: entry 2: expected one of {kinds} or *, got "expird"; did you mean "expired"?',
    ),
    (CHANNEL + "models = [1]", '{team}models: entry 1: expected a word without spaces or commas, got 1'),
    (CHANNEL + "max_prompt_price = nan", '{team}max_prompt_price: expected {price}, got NaN'),
    (CHANNEL + "max_prompt_price = inf", '{team}max_prompt_price: expected {price}, got Infinity'),
    (CHANNEL + "max_prompt_price = -1", '{team}max_prompt_price: expected {price}, got -1'),
    (CHANNEL + "max_prompt_price = 1e-999999", '{team}max_prompt_price: expected {price}, got 1E-999999'),
    (
        CHANNEL + "max_prompt_price = 0." + "1" * 99,
        '{team}max_prompt_price: expected {price}, got a very long number',
    ),
    (CHANNEL + 'min_context = "128k"', '{team}min_context: expected a whole number from 1 to 1000000000, got "128k"'),
    (CHANNEL + 'digest = "daily"', '{team}digest: expected {digest}, got "daily"'),
    (CHANNEL + 'digest = "daily 9:00"', '{team}digest: expected {digest}, got "daily 9:00"'),
    (CHANNEL + 'digest = "daily 24:00"', '{team}digest: expected {digest}, got "daily 24:00"'),
    (CHANNEL + 'digest = "weekly 09:00"', '{team}digest: expected {digest}, got "weekly 09:00"'),
    (CHANNEL + 'digest = "weekly monday 09:00"', '{team}digest: expected {digest}, got "weekly monday 09:00"'),
    (CHANNEL + 'digest = "hourly 09:00"', '{team}digest: expected {digest}, got "hourly 09:00"'),
    (CHANNEL + "digest = 09:00:00", '{team}digest: expected {digest}, got a time'),
    (CHANNEL + 'quiet_hours = "22:00"', '{team}quiet_hours: expected {hours}, got "22:00"'),
    (CHANNEL + 'quiet_hours = "22:00-7:00"', '{team}quiet_hours: expected {hours}, got "22:00-7:00"'),
    (CHANNEL + "quiet_hours = false", '{team}quiet_hours: expected {hours}, got false'),
    (
        CHANNEL + 'quiet_hours = "07:00-07:00"',
        '{team}quiet_hours: expected hours with two different ends such as "22:00-07:00", got "07:00-07:00"',
    ),
    (CHANNEL + "timezone = 2", '{team}timezone: expected {zone}, got 2'),
    (CHANNEL + 'timezone = ""', '{team}timezone: expected {zone}, got ""'),
    (CHANNEL + 'timezone = "../localtime"', '{team}timezone: expected {zone}, got "../localtime"'),
    (CHANNEL + 'timezone = "right/UTC"', '{team}timezone: expected {zone}, got "right/UTC"'),
    (
        CHANNEL + 'timezone = "New York"',
        '{team}timezone: expected {zone}, got "New York"; did you mean "America/New_York"?',
    ),
    (
        CHANNEL + 'timezone = "Europe/Berln"',
        '{team}timezone: expected {zone}; there is no "Europe/Berln"; did you mean "Europe/Berlin"?',
    ),
    (
        CHANNEL + 'timezone = "lord_howe"',
        '{team}timezone: expected {zone}; there is no "lord_howe"; did you mean "Australia/Lord_Howe"?',
    ),
    (CHANNEL + 'timezone = "utc"', '{team}timezone: expected {zone}; there is no "utc"; did you mean "UTC"?'),
    (CHANNEL + 'timezone = "Europe"', '{team}timezone: expected {zone}; there is no "Europe"'),
    (CHANNEL + 'timezone = "CEST"', '{team}timezone: expected {zone}; there is no "CEST"'),
    (CHANNEL + f'timezone = "{"x" * 99}"', '{team}timezone: expected {zone}; there is no a string of 99 characters'),
    (CHANNEL + "max_per_hour = 0", '{team}max_per_hour: expected a whole number from 1 to 1000, got 0'),
    (
        CHANNEL + 'urgent = ["expird"]',
        '{team}urgent: entry 1: expected one of {urgent} or *, got "expird"; did you mean "expired"?',
    ),
    # not TOML at all
    ("[source", "line 1, column 8: not TOML: Expected ']' at the end of a table declaration"),
    ("[source]\nrss = maybe", "line 2, column 7: not TOML: Invalid value"),
    ("[source]\nrss = true\nrss = true", "line 3, column 11: not TOML: Cannot overwrite a value"),
    ("a = " + "[" * 100_000, "not TOML that can be read: a number too long or lists nested too deep"),
    ("a = " + "9" * 5000, "not TOML that can be read: a number too long or lists nested too deep"),
]  # fmt: skip

WORDS = {
    "words": 'a list of words such as ["text", "image"]',
    "duration": 'a duration such as "90s", "5m", "1h30m" or "1d"',
    "span": 'a duration of at least "1d" such as "90d", or "none"',
    "template": "the text of a template, at most 64 KiB",
    "database": 'a URL of an SQLite file such as "sqlite:////var/lib/openrouter-watcher/watcher.db", or of a '
    'PostgreSQL database such as "postgresql://watcher@db.example.com/watcher", its special characters written as %XX',
    "name": "a name of 1 to 100 printable characters",
    "team": 'channels[1] "team": ',
    "events": 'a list of events such as ["new", "expired"], or ["*"]',
    "keys": 'a list of price keys such as ["prompt", "completion"], or ["*"]',
    "percentage": 'a percentage such as "5%" or "0.5%"',
    "apprise": 'an Apprise URL such as "mailtos://…" or "slack://…", without quotes around it',
    "digest": '"hourly", "daily 09:00" or "weekly mon 09:00"',
    "hours": 'hours such as "22:00-07:00"',
    "zone": 'a time zone such as "Europe/Berlin" or "UTC"',
    "price": "a price in USD per million tokens such as 2.5",
    "kinds": "expired, expiring, repriced, retargeted, new, returned, changed, provider_gone, provider_repriced, "
    "provider_added, catalog_suspect, source_failing, source_recovered",
    "urgent": "expired, expiring, repriced, retargeted, new, returned, changed, provider_gone, provider_repriced, "
    "provider_added, undelivered, catalog_suspect, source_failing, source_recovered, alive",
}


def mistakes_in(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_config(path, HOME)
    return str(raised.value).split("\n")


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[str(number) for number in range(len(MISTAKES))])
def test_a_mistake_is_one_line_that_names_file_key_and_what_was_expected(
    text: str, expected: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    for word, meaning in WORDS.items():
        expected = expected.replace("{" + word + "}", meaning)
    assert mistakes_in(file) == [f"{file}: {expected}"]
    assert "secret" not in expected.lower()


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        """
        colour = "red"
        [source]
        interval = "1s"
        rss = 1
        [store]
        url = "mysql://x"
        [announce]
        min_chang = "1%"
        remind_days = [-1, 400]
        [[channels]]
        name = "team"
        url = "json://localhost"
        [[channels]]
        name = "team"
        url_env = "URL"
        min_change = 5
        free = true
        [[channels]]
        name = "Team"
        digest = "often"
        [[channels]]
        events = ["old"]
        """
    )
    keys = [line.removeprefix(f"{file}: ").rsplit(": expected")[0].rsplit(": unknown")[0] for line in mistakes_in(file)]
    assert keys == [
        "colour",
        "source.interval",
        "source.rss",
        "store.url",
        "announce.min_chang",
        "announce.remind_days: entry 1",
        "announce.remind_days: entry 2",
        'channels[2] "team": min_change',
        'channels[2] "team": free',
        'channels[2] "team": name: another channel has it already',
        'channels[3] "Team": digest',
        'channels[3] "Team": url',
        'channels[3] "Team": name: another channel has it already',
        "channels[4]: events: entry 1",
        "channels[4]: name: missing",
        "channels[4]: url",
    ]


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    assert mistakes_in(tmp_path / "no.toml") == [f"{tmp_path}/no.toml: cannot be read: No such file or directory"]


def test_a_folder(tmp_path: Path) -> None:
    assert mistakes_in(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]


def test_a_path_that_cannot_be_one() -> None:
    assert mistakes_in(Path("/a\0b")) == ["/a\0b: cannot be read: not a path"]


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(b"# one\n# caf\xe9\n")
    assert mistakes_in(file) == [f"{file}: line 2: not UTF-8 text; save the file as UTF-8"]


def test_a_file_without_end() -> None:
    assert mistakes_in(Path("/dev/zero")) == ["/dev/zero: larger than 1024 KiB; is it a configuration?"]


def test_no_home_for_the_database() -> None:
    with pytest.raises(ConfigError, match="no home folder to put the database in"):
        load_config(None, {})
