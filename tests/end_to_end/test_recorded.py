"""The whole job on real input: recorded snapshots served over HTTP, the real command, real mail and web hooks.

What arrives is compared with what really changed in the recorded files, worked out here in the plainest way.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import pytest

from testkit.command import Watcher
from testkit.lasting import RecordedResponse
from testkit.receivers import MailServer, Sink
from watcher.simulator import Fault, Simulator, recorded_scenes

STEPS = 16
CONFIG = """
[source]
url = "{url}"
[store]
url = "sqlite:///watcher.db"
[announce]
settle = "0s"     # a run takes seconds here, not hours
[[channels]]
name = "mail"
url = "{mail}"
[[channels]]
name = "hook"
url = "json://{hook}/"
"""

Prices = dict[str, dict[str, Decimal]]
News = set[tuple[str, str]]


def prices(body: bytes) -> Prices:
    return {
        model["id"]: {key: Decimal(model["pricing"][key]) for key in ("prompt", "completion")}
        for model in json.loads(body)["data"]
    }


def moved(old: Decimal, new: Decimal) -> bool:
    return old != new and (old == 0 or new == 0 or -1 in (old, new) or abs(new - old) / old >= Decimal("0.01"))


class Ledger:
    """What a careful person would have told, going through the snapshots by hand."""

    def __init__(self, first: Prices) -> None:
        self.told = {model: dict(price) for model, price in first.items()}
        self.gone: set[str] = set()
        self.missing: dict[str, int] = {}

    def news(self, now: Prices) -> News:
        news: News = set()
        for model, price in now.items():
            self.missing.pop(model, None)
            if model not in self.told:
                news.add(("new", model))
                self.told[model] = dict(price)
            elif model in self.gone:
                news.add(("returned", model))
                self.gone.discard(model)
                self.told[model] = dict(price)
            else:
                changed = [key for key in price if moved(self.told[model][key], price[key])]
                if changed:
                    news.add(("repriced", model))
                    self.told[model] |= {key: price[key] for key in changed}
        for model in self.told.keys() - now.keys() - self.gone:
            self.missing[model] = self.missing.get(model, 0) + 1
            if self.missing[model] == 2:
                news.add(("expired", model))
                self.gone.add(model)
        return news


def liveliest(recorded: list[RecordedResponse], steps: int) -> Sequence[tuple[datetime, bytes]]:
    """The consecutive snapshots with the most kinds of news, and the most news among those."""
    told = [prices(body) for _, body in recorded]

    def score(start: int) -> tuple[int, int]:
        ledger = Ledger(told[start])
        news = [item for now in told[start + 1 : start + steps] for item in ledger.news(now)]
        return len({kind for kind, _ in news}), len(news)

    start = max(range(len(recorded) - steps), key=score)
    return recorded[start : start + steps]


@pytest.mark.slow
def test_mail_and_web_hook_tell_exactly_what_changed_in_the_recorded_files(
    recorded: list[RecordedResponse], watcher: Watcher, sink: Sink, mail_server: MailServer
) -> None:
    chosen = liveliest(recorded, STEPS)
    ledger = Ledger(prices(chosen[0][1]))
    seen: News = set()
    with Simulator(recorded_scenes(chosen)) as simulator:
        watcher.configure(CONFIG.format(url=simulator.url, mail=mail_server.url, hook=sink.address))
        first = watcher.run("--check", "--json")
        assert (first.code, first.json["events"], sink.requests, mail_server.envelopes) == (0, [], [], [])
        for _, body in chosen[1:]:
            simulator.advance()
            expected = ledger.news(prices(body))
            sink.requests.clear()
            mail_server.envelopes.clear()
            ran = watcher.run("--check", "--json", "--exit-code")
            assert ran.code == (1 if ran.json["events"] else 0), ran.err
            hooked = [event for request in sink.requests for event in json.loads(request.body)["events"]]
            assert {(event["kind"], event["model"]) for event in hooked} == expected
            assert len(hooked) == len(expected)
            assert len(sink.requests) == len(mail_server.envelopes) == (1 if expected else 0)
            if expected:
                mail = mail_server.text()
                assert all(model in mail for _, model in expected)
            for event in hooked:
                if event["kind"] == "repriced":
                    now = prices(body)[event["model"]]
                    assert all(Decimal(change["new"]) == now[key] for key, change in event["prices"].items())
            seen |= expected
        quiet = watcher.run("--check", "--json")
        assert quiet.json["events"] == []
    assert {kind for kind, _ in seen} >= {"new", "expired", "repriced"}, "the chosen steps prove too little"


@pytest.mark.slow
def test_what_only_the_feed_knows_is_new_once_and_no_news_when_the_list_has_it(
    recorded: list[RecordedResponse], watcher: Watcher, sink: Sink, mail_server: MailServer
) -> None:
    ids = [prices(body).keys() for _, body in recorded]
    bases = [{model.partition(":")[0] for model in listed} for listed in ids]
    start = next(n for n in range(len(ids)) if (fresh := ids[n + 1] - ids[n]) and fresh == bases[n + 1] - bases[n])
    chosen = recorded[start : start + 2]
    fresh = ids[start + 1] - ids[start]
    with Simulator(recorded_scenes(chosen)) as simulator:
        watcher.configure(CONFIG.format(url=simulator.url, mail=mail_server.url, hook=sink.address))
        assert watcher.run("--check").code == 0
        simulator.advance()
        simulator.set_fault(Fault.named("404", path="!*use_rss=true*"))
        ran = watcher.run("--check", "--json")
        assert ran.code == 69
        told = sink.json()["events"]
        assert {(event["kind"], event["model"]) for event in told} == {("new", model) for model in fresh}
        assert all(event["marks"] == ["unlisted"] for event in told)
        assert all(model in mail_server.text() for model in fresh)
        simulator.set_fault(None)
        ran = watcher.run("--check", "--json")
        assert (ran.code, [event for event in ran.json["events"] if event["kind"] == "new"]) == (0, [])
