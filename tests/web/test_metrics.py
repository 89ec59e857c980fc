"""`/metrics`, as a monitor reads it."""

import shutil
from datetime import timedelta

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as families

from tests.store.samples import START, document, event
from tests.web.conftest import NOW
from watcher.catalog.decision import Queued
from watcher.config.mine import MineSettings
from watcher.config.settings import Channel
from watcher.store.records import Poll

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def scrape(serve):
    """Return the samples of a scrape: (name, labels) → value."""

    def scrape(client):
        response = client.get(str(client.base_url).replace("/api/v1/", "/metrics"))
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("text/plain; version=")
        assert response.headers["cache-control"] == "no-store"
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in families(response.text)
            for sample in family.samples
        }

    return scrape


def test_it_tells_of_the_source_the_models_and_the_database(serve, scrape):
    found = scrape(serve())
    assert found["watcher_last_good_poll_age_seconds",] == 5 * 3600
    assert found["watcher_poll_interval_seconds",] == 300
    assert found["watcher_poll_duration_seconds",] == 0.001
    assert found["watcher_models",] == 3
    assert found["watcher_database_bytes",] > 10_000
    assert found["watcher_events_total", "new"] == 1
    assert found["watcher_events_total", "repriced"] == 0


def test_polls_are_counted_by_outcome_and_never_fall(serve, scrape, polls, database):
    client = serve()
    assert {key: value for key, value in scrape(client).items() if "polls_total" in key[0]} == {
        ("watcher_polls_total", outcome): 0 for outcome in ("good", "refused", "failed", "overtaken")
    }
    polls.see(document("a/one"), document("a/free"), at=START + timedelta(hours=2))
    with polls.store.writing() as session:
        session.state.add_poll(Poll(START + timedelta(hours=3), "failed", 10))
        session.state.add_poll(Poll(START + timedelta(hours=3), "failed", 10))
    for _ in range(2):
        found = scrape(client)
        assert [found["watcher_polls_total", outcome] for outcome in ("good", "failed")] == [1, 2]
        with polls.store.writing() as session:
            session.maintenance.prune(timedelta(seconds=1), NOW)


def test_without_a_good_poll_the_age_is_infinite_and_nothing_fails(serve, scrape, empty, tmp_path):
    found = scrape(serve(url=f"sqlite:///{shutil.copy(empty, tmp_path / 'nothing.db')}"))
    assert found["watcher_last_good_poll_age_seconds",] == float("inf")
    assert found["watcher_models",] == 0


def queue(polls, channel, *numbers, due=START):
    events = [event(number) for number in numbers]
    with polls.store.writing() as session:
        session.state.add_events(events)
        session.outbox.add([Queued(channel, each, due) for each in events], START)


def test_it_tells_of_the_deliveries_of_each_channel(serve, scrape, polls):
    queue(polls, "team", 1, 2)
    queue(polls, "digest", 3, due=NOW + timedelta(hours=9))
    with polls.store.writing() as session:
        batch = session.outbox.next_batch("team", NOW)
        session.outbox.mark_sent(batch[:1], NOW)
        session.outbox.mark_failed(batch[1:], NOW, "no", refused=True, at=NOW)
    found = scrape(serve())
    assert [found["watcher_deliveries", "team", state] for state in ("pending", "sent", "given_up")] == [1, 1, 0]
    assert found["watcher_deliveries", "digest", "pending"] == 1
    assert found["watcher_oldest_pending_seconds", "team"] == 6 * 3600
    assert found["watcher_oldest_pending_seconds", "digest"] == 0, "it is not due"


def test_a_channel_that_was_taken_out_has_no_series(serve, scrape, polls):
    queue(polls, "old", 1)
    with polls.store.writing() as session:
        session.outbox.mark_failed(session.outbox.next_batch("old", NOW), NOW, "no", refused=True, at=NOW)
    client = serve(config={"channels": (Channel("team"),)})
    assert scrape(client)["watcher_channel_failing", "old"] == 1, "something waits"
    with polls.store.writing() as session:
        session.outbox.give_up(session.outbox.next_batch("old", NOW), "no", at=NOW)
    found = scrape(client)
    assert not [key for key in found if "old" in key]
    assert found["watcher_channel_failing", "team"] == 0


def prices(found):
    return {key[1:]: value for key, value in found.items() if key[0] == "watcher_price_usd"}


def test_prices_of_mine_alone_are_series_and_gone_with_the_model(serve, scrape, polls):
    client = serve(config={"mine": MineSettings(models=("a/*", "b/new"))})
    assert prices(scrape(client)) == {
        ("a/one", "prompt"): 0.000002,
        ("a/one", "completion"): 0.000004,
        ("a/free", "prompt"): 0,
        ("a/free", "completion"): 0.000004,
        ("b/new", "prompt"): 0.0000005,
        ("b/new", "prompt@00:30-16:30"): 0.0000005,
        ("b/new", "prompt@16:30-00:30"): 0.00000025,
        ("b/new", "completion"): 0.000004,
    }
    varies = document("a/free", pricing={"prompt": "-1", "completion": "-1"})
    polls.see(document("a/one"), document("c/c"), varies, at=START + timedelta(hours=2))
    assert prices(scrape(client)) == {("a/one", "prompt"): 0.000001, ("a/one", "completion"): 0.000004}
    assert prices(scrape(serve())) == {}


def test_there_are_at_most_500_prices(serve, scrape, polls):
    cached = {"prompt": "0.000001", "completion": "0.000002", "input_cache_read": "0.0000001"}
    polls.see(*(document(f"a/{number}", pricing=cached) for number in range(200)), at=START + timedelta(hours=2))
    found = scrape(serve(config={"mine": MineSettings(models=("*",))}))
    assert len(prices(found)) == 500 and found["watcher_prices_left_out",] == 100
    assert sum(price == "prompt" for _, price in prices(found)) == 200


def test_a_scraper_gets_openmetrics_if_it_asks(serve):
    client = serve()
    url = str(client.base_url).replace("/api/v1/", "/metrics")
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    response = client.get(url, headers={"accept": accept})
    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert {family.name for family in openmetrics(response.text)} >= {"watcher_models", "watcher_events"}


@pytest.mark.parametrize("version", ["abc", "1.x", "1.0.0-rc.1", "", "=", "\xb2"])
@pytest.mark.parametrize("kind", ["application/openmetrics-text", "text/plain"])
def test_a_strange_version_in_accept_is_no_bug(serve, kind, version):
    client = serve()
    accept = f"{kind};version={version};q=0.5,*/*;q=0.1".encode("latin-1")
    response = client.get(str(client.base_url).replace("/api/v1/", "/metrics"), headers={"accept": accept})
    assert response.status_code == 200 and "watcher_models 3.0" in response.text


def test_it_needs_a_token_and_a_database(serve, tmp_path):
    (tmp_path / "tokens").write_text("secret-token\n")
    client = serve(tokens_file=tmp_path / "tokens")
    url = str(client.base_url).replace("/api/v1/", "/metrics")
    assert client.get(url).status_code == 401
    assert client.get(url, headers={"authorization": "Bearer secret-token"}).status_code == 200
    gone = serve(url=f"sqlite:///{tmp_path / 'gone.db'}")
    assert gone.get(str(gone.base_url).replace("/api/v1/", "/metrics")).status_code == 503
