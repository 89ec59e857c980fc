"""Log lines: for people, for the journal, as JSON; a line an event, whatever strangers write."""

import io
import json
import logging
import re
import sys
from collections.abc import Iterator

import pytest

from watcher.daemon import logs
from watcher.daemon.logs import Style

HOSTILE = "gpt\n<0>fake \x1b[31m\x9b1mred\r\n2026-01-01 00:00:00 error: fake\u2028x\u202e\x00\ud800 @everyone"
SHOWN = "gpt <0>fake red 2026-01-01 00:00:00 error: fake x @everyone"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    logger = logging.getLogger("watcher")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def logger(style: Style, *, verbose: bool = False, **environ: str) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    logs.set_up(style, environ, verbose=verbose, stream=stream)
    return logging.getLogger("watcher"), stream


def fail(log: logging.Logger, text: str = "what") -> None:
    """Log an error as the program does for its bugs."""
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("this is a bug")


def test_a_line_for_people_has_its_time_in_utc_and_a_word_only_if_it_matters() -> None:
    log, stream = logger("human")
    log.info("sent")
    log.warning("late")
    log.error("broken")
    at = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.fullmatch(f"{at} sent\n{at} warning: late\n{at} error: broken\n", stream.getvalue())


def test_the_journal_gets_priorities_and_has_the_time_itself() -> None:
    log, stream = logger("journal", verbose=True)
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        log.log(level, "said")
    assert stream.getvalue() == "<7>said\n<6>said\n<4>said\n<3>said\n<2>said\n"


def test_json_has_a_line_an_event() -> None:
    log, stream = logger("json")
    log.warning("channel %s: %d alerts", "team", 2)
    (line,) = stream.getvalue().splitlines()
    fields = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", fields.pop("at"))
    assert fields == {"level": "warning", "message": "channel team: 2 alerts"}


@pytest.mark.parametrize(
    ("environ", "style"),
    [({}, r"\d{4}-.* said\n"), ({"JOURNAL_STREAM": "8:1"}, "<6>said\n"), ({"TERM": "x"}, r"\d{4}-.* said\n")],
)
def test_auto_is_the_journals_style_where_the_journal_listens(environ: dict[str, str], style: str) -> None:
    log, stream = logger("auto", **environ)
    log.info("said")
    assert re.fullmatch(style, stream.getvalue())


@pytest.mark.parametrize("style", ["human", "journal", "json"])
@pytest.mark.parametrize("as_argument", [True, False])
def test_hostile_text_stays_on_one_line(style: Style, as_argument: bool) -> None:
    log, stream = logger(style)
    if as_argument:
        log.error("new: %s", HOSTILE)
    else:
        log.error("new: " + HOSTILE)
    (line,) = stream.getvalue().splitlines()
    assert f"new: {SHOWN}" in line
    assert line.isprintable()


@pytest.mark.parametrize("style", ["human", "journal", "json"])
def test_a_line_has_an_end(style: Style) -> None:
    log, stream = logger(style)
    log.info("x" * 1_000_000)
    assert len(stream.getvalue()) < 3000


def test_a_traceback_is_shown_to_those_who_ask() -> None:
    log, stream = logger("human")
    fail(log)
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("error: this is a bug (ValueError; --verbose shows where)")


def test_every_line_of_a_traceback_has_its_priority_in_the_journal() -> None:
    log, stream = logger("journal", verbose=True)
    fail(log)
    found = stream.getvalue().splitlines()
    assert len(found) >= 4
    assert found[0] == "<3>this is a bug"
    assert found[1] == "<3>  Traceback (most recent call last):"
    assert found[-1] == "<3>  ValueError: what"
    assert all(line.startswith("<3>") for line in found)


@pytest.mark.parametrize(("style", "start"), [("human", ""), ("journal", "<3>")])
def test_hostile_text_in_a_traceback_begins_no_line(style: Style, start: str) -> None:
    log, stream = logger(style, verbose=True)
    fail(log, HOSTILE)
    _, *others = stream.getvalue().splitlines()
    assert all(line.startswith(f"{start}  ") and line.isprintable() for line in others)
    assert any("fake" in line for line in others)


def test_a_traceback_in_json_is_a_field() -> None:
    log, stream = logger("json", verbose=True)
    fail(log, HOSTILE)
    (line,) = stream.getvalue().splitlines()
    trace = json.loads(line)["trace"]
    assert trace[0].strip() == "Traceback (most recent call last):"
    assert all(one.isprintable() for one in trace)


def test_what_changed_nothing_is_shown_to_those_who_ask() -> None:
    for verbose, shown in ((False, ""), (True, "<7>polled\n")):
        log, stream = logger("journal", verbose=verbose)
        log.debug("polled")
        assert stream.getvalue() == shown


def test_setting_up_again_does_not_double_the_lines() -> None:
    logger("human")
    log, stream = logger("journal")
    log.info("once")
    assert stream.getvalue() == "<6>once\n"


def test_it_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("journal", {}, verbose=False)
    logging.getLogger("watcher").info("said")
    assert capsys.readouterr() == ("", "<6>said\n")


def test_a_stderr_that_is_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    logs.set_up("human", {}, verbose=False)
    logging.getLogger("watcher").info("said")
