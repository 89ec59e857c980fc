"""The one recorded body of the RSS feed, beside the lists of its time."""

import json
import lzma
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.test_cycle import Listing
from watcher.api.rss import render
from watcher.config.secret import DatabaseURL
from watcher.config.settings import Config, SourceSettings, StoreSettings
from watcher.cycle import check
from watcher.store.store import Store
from watcher.upstream.archive import Capture, read_archive
from watcher.upstream.feed import read_feed

DATA = Path(os.environ.get("WATCHER_DATA") or Path(__file__).parents[2] / "shared" / "data")
FEEDS = sorted(DATA.glob("openrouter-rss-*.xml.xz"))
WINTER = sorted(DATA.glob("openrouter-models-2025-12-*.tar.xz"))

pytestmark = pytest.mark.skipif(not (FEEDS and WINTER), reason=f"no recorded feed and lists in {DATA}")


class Recorded:
    """The source as it was when the feed was recorded, and from then on."""

    def __init__(self) -> None:
        self.body = lzma.decompress(FEEDS[0].read_bytes())

    @cached_property
    def captures(self) -> list[Capture]:
        recorded = FEEDS[0].name.removeprefix("openrouter-rss-").removesuffix(".xml.xz")
        found: list[Capture] = []
        for capture in read_archive(str(WINTER[0])):
            if f"{capture.at:%Y-%m-%dT%H-%M-%SZ}" <= recorded:
                found = [capture]
            elif models(capture).keys() != models(found[-1]).keys():
                found.append(capture)
        return found

    def feed(self, capture: Capture) -> bytes:
        """The feed as it was when the list became that of the capture: what is new comes first."""
        first = models(self.captures[0])
        new = [model for model_id, model in models(capture).items() if model_id not in first]
        items = render(new).partition(b"<item>")[2].rpartition(b"</item>")[0]
        head, _, rest = self.body.partition(b"<item>")
        return head + (b"<item>" + items + b"</item>" if new else b"") + b"<item>" + rest

    def told(self, store: Store, feed_ahead: int) -> Iterator[tuple[Capture, list[Any]]]:
        """Yield each later capture, and the `new` events at its poll; the feed is that of so many captures later."""
        config = Config(None, SourceSettings(rss=True), StoreSettings(DatabaseURL("unused")))
        for number, capture in enumerate(self.captures):
            ahead = self.captures[min(number + feed_ahead, len(self.captures) - 1)]
            source = Answers(capture.body, self.feed(ahead) if number else self.body)
            report = check(store, source, config, now=capture.at)
            assert (report.poll.outcome, report.poll.feed) == ("good", None)
            assert number or report.events == ()
            yield capture, [event for event in report.events if event.kind == "new"]


class Answers:
    """A source that gives these two bodies."""

    def __init__(self, listed: bytes, fed: bytes) -> None:
        self.listed, self.fed = listed, fed

    def models(self) -> Listing:
        return Listing((self.listed,))

    def feed(self, chat_links: bool = False) -> bytes:
        return self.fed

    def count(self) -> int:
        return len(json.loads(self.listed)["data"])


def models(capture: Capture) -> dict[str, Any]:
    return {model["id"]: model for model in json.loads(capture.body)["data"]}


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'w.db'}") as opened:
        yield opened


def test_every_item_is_read(recorded: Recorded) -> None:
    feed = read_feed(recorded.body)
    assert len(feed.models) == recorded.body.count(b"<item>")
    assert feed.whole
    assert len({entry.id for entry in feed.models}) == 566
    assert all(entry.slug for entry in feed.models)


@pytest.mark.slow
def test_one_odd_item_costs_no_other_one_anything(recorded: Recorded) -> None:
    whole = read_feed(recorded.body).models
    marked = b"<guid isPermaLink"
    at = recorded.body.index(marked, len(recorded.body) // 2)
    for odd in (b"&", b"&#11;", b"<media:thumbnail/>", "模型".encode("gbk")):
        found = read_feed(recorded.body[:at] + odd + recorded.body[at:]).models
        assert len(set(whole) - set(found)) <= 1
        assert len(set(found) - set(whole)) <= 1


@pytest.mark.slow
def test_what_is_listed_later_is_new_once_and_under_its_own_id(recorded: Recorded, store: Store) -> None:
    seen = models(recorded.captures[0]).keys()
    count = 0
    for capture, told in recorded.told(store, feed_ahead=0):
        fresh = models(capture).keys() - seen
        assert sorted(event.model for event in told) == sorted(fresh)
        assert all("unlisted" not in event.marks for event in told)
        seen, count = seen | fresh, count + len(fresh)
    assert count > 10


@pytest.mark.slow
def test_a_feed_that_is_ahead_of_the_list_tells_each_model_once(recorded: Recorded, store: Store) -> None:
    first = models(recorded.captures[0]).keys()
    ever = set().union(*map(models, recorded.captures))
    told = [event for _, events in recorded.told(store, feed_ahead=1) for event in events]
    unlisted = {event.model for event in told if "unlisted" in event.marks}
    assert unlisted
    assert unlisted <= {model_id.partition(":")[0] for model_id in ever - first}
    assert len({event.model for event in told}) == len(told) == len(ever - first)
