"""Pictures of prices in mails, as they arrive."""

import shutil
import sys

import pytest
from msgspec.structs import replace

from testkit.receivers import MailServer
from tests.store.samples import HOUR, START, Polls, document
from watcher.cli.setup import sender
from watcher.config.load import load_config
from watcher.config.secret import DatabaseURL, Secret
from watcher.config.settings import Channel
from watcher.delivery import charts
from watcher.store.store import Store

pytest.importorskip("PIL")


@pytest.fixture
def mailed(empty, tmp_path, mail_server: MailServer):
    """Send what was announced to a channel by mail, and return the mails as they arrived."""
    charts._warn_once.cache_clear()
    url = f"sqlite:///{shutil.copy(empty, tmp_path / 'watcher.db')}"
    with Store.open(url) as store:
        polls = Polls(store)
        for hour, price in enumerate(("0.000001", "0.000002", "0.000002", "0.000002", "0.000002", "0.000002")):
            other = [document("a/new")] if hour else []
            polls.see(document("a/one", price), *other, at=START + hour * HOUR)
        with store.reading() as session:
            events = session.history.events()
    assert [event.kind for event in events] == ["new", "repriced"]

    def send(**settings):
        channel = Channel("team", url=Secret(mail_server.url), **settings)
        config = replace(load_config(None, {"HOME": "/"}), channels=(channel,))
        config = replace(config, store=replace(config.store, url=DatabaseURL(url)))
        before = len(mail_server.envelopes)
        result = sender(config)(channel, events)
        assert result.ok, result.detail
        return [mail_server.mail(at) for at in range(before, len(mail_server.envelopes))]

    return send


def pictures(mail):
    return [part for part in mail.walk() if part.get_content_type() == "image/png"]


def test_a_channel_that_asks_gets_a_chart_of_each_model_that_was_repriced(mailed):
    (mail,) = mailed(chart=True)
    (picture,) = pictures(mail)
    assert picture.get_content().startswith(b"\x89PNG") and picture.get_content_disposition() == "inline"
    id = picture["content-id"].strip("<>")
    html = mail.get_body(("html",)).get_content()
    assert html.count("<img") == 1 and f'src="cid:{id}"' in html
    assert 'alt="Prices of Name of a/one' in html
    assert html.index("Name of a/one") < html.index("<img") < html.index("openrouter-watcher · ref")
    assert "<img" not in mail.get_body(("plain",)).get_content()


def test_a_repeat_has_the_same_picture(mailed):
    first, second = (
        [(part["content-id"], part.get_content()) for part in pictures(mailed(chart=True)[0])] for _ in "ab"
    )
    assert first == second


def test_a_channel_that_does_not_ask_gets_none(mailed):
    (mail,) = mailed()
    assert pictures(mail) == [] and "<img" not in mail.get_body(("html",)).get_content()


def test_without_pillow_the_mail_goes_without_and_the_log_says_so(mailed, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "PIL", None)
    (mail,) = mailed(chart=True)
    assert pictures(mail) == [] and "openrouter-watcher[chart]" in caplog.text
