"""The filter that the Changes page and the feeds share."""

import shutil
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.events import ALL, CHEAPER, DEARER, EXPIRED, FREED, NEW
from tests.store.samples import START, event
from watcher.api.query import BadQueryError
from watcher.catalog.model import PriceChange
from watcher.config.mine import MineSettings
from watcher.store.schema import events as table
from watcher.store.schema import models
from watcher.store.store import Store
from watcher.web.changes import Filter, find_changes

MINE = MineSettings(models=("openai/*",))


@pytest.fixture
def store(empty, tmp_path):
    with Store.open(f"sqlite:///{shutil.copy(empty, tmp_path / 'watcher.db')}") as opened:
        yield opened


def keep(store, *announced):
    """Store events, and the models that they are about."""
    from watcher.store.documents import pack

    names = {each.model: each.name for each in announced if each.model}
    with store.writing() as session:
        for id, name in names.items():
            row = {"id": id, "name": name, "first_seen": START, "since": START, "present": True, "listed": True}
            session.connection.execute(models.insert().values(digest=b"", **row))
        for each in announced:
            row = {"id": each.id, "at": each.at, "kind": each.kind, "model": each.model, "body": pack(each)}
            session.connection.execute(table.insert().values(**row))


def found(store, query="", limit=50, before=None):
    with store.reading() as session:
        return find_changes(session, Filter.parse(query), MINE, limit=limit, before=before)


def ids(store, query=""):
    return [each.id for each in found(store, query).events]


def test_without_a_filter_every_change_is_there_newest_first(store):
    keep(store, *ALL, replace(NEW, id="later", at=NEW.at + timedelta(days=1)), event(1, kind="alive", model=None))
    shown = found(store).events
    assert shown[0].id == "later"
    assert {each.id for each in shown} == {each.id for each in ALL} | {"later"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=new,expired&author=deepseek", [EXPIRED]),
        ("kind=new&kind=expired&model=claude", [NEW]),
        ("model=openai/gpt-4o", [CHEAPER]),
        ("model=OpenAI/*4o", [CHEAPER]),
        ("model=Devstral", [FREED]),
        ("model=gpt-4&author=OpenAI&kind=repriced", [CHEAPER]),
        ("author=open", []),
        ("mine=1&kind=repriced", [CHEAPER]),
        ("mine=true&author=qwen", []),
        ("free=1", [FREED]),
        ("kind=repriced", [CHEAPER, DEARER, FREED]),
        ("direction=down", [CHEAPER, DEARER, FREED]),
        ("direction=up", [DEARER]),
        ("size=20", [DEARER, FREED]),
        ("size=20.5%25", [DEARER, FREED]),
        ("size=30", [FREED]),
        ("kind=&model=&author=&free=&direction=down&size=", [CHEAPER, DEARER, FREED]),
        ("page=2&kind=expired", [EXPIRED]),
    ],
)
def test_a_filter_lets_pass_what_a_channel_with_such_rules_would_get(store, query, expected):
    keep(store, *(replace(each, id=f"{number:03}") for number, each in enumerate(ALL)))
    wanted = {each.model for each in expected}
    assert {each.model for each in found(store, query).events} == wanted


@pytest.mark.parametrize(
    "query", ["kind=nothing", "direction=sideways", "size=much", "size=101", "free=x", "model=%ff"]
)
def test_a_wrong_filter_is_an_error_that_names_the_parameter(query):
    with pytest.raises(BadQueryError, match=query.partition("=")[0] if "%" not in query else "query"):
        Filter.parse(query)


def test_equal_filters_have_the_same_query_which_parses_back():
    one = Filter.parse("size=5&author=a&kind=new&kind=expired&free=on&model=a%2F*&mine=1")
    other = Filter.parse("mine=on&free=true&kind=expired,new&model=a/*&size=5%25&author=a&direction=")
    assert one == other == Filter.parse(one.query)
    assert Filter.parse("").query == ""


def test_pages_hold_every_change_once_whatever_is_announced_together(store):
    announced = [event(number, at=START + timedelta(hours=number // 7)) for number in range(40)]
    keep(store, *announced)
    seen, before = [], None
    for _ in range(9):
        page = found(store, limit=5, before=before)
        seen += [each.id for each in page.events]
        before = page.following
        if before is None:
            break
    assert before is None and sorted(seen) == [each.id for each in announced]
    assert seen[:5] == [f"event-{number:06}" for number in (35, 36, 37, 38, 39)]


def test_a_page_before_an_event_that_does_not_exist_is_empty(store):
    keep(store, event(1))
    assert found(store, before="nothing").events == []


def test_a_rare_match_costs_a_bounded_search_that_goes_on_on_the_next_page(store):
    prices = {"prompt": PriceChange("0.000001", "0.0000011", "+10.00%")}
    small = [
        event(number, kind="repriced", prices=prices, direction="up", at=START + timedelta(minutes=number))
        for number in range(1, 3000)
    ]
    keep(store, replace(small[0], id="big", model="a/b", prices={"prompt": PriceChange("0.1", "0.2", "+100%")}), *small)
    pages = [found(store, "size=50", limit=10)]
    while (following := pages[-1].following) is not None:
        pages.append(found(store, "size=50", limit=10, before=following))
    assert pages[0].events == [] and 2 <= len(pages) <= 4
    assert [each.id for page in pages for each in page.events] == ["big"]
