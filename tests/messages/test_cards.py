"""What a message shows together, and what each card says of it."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from tests.events import (
    ALL,
    AT,
    CHANGED,
    CHEAPER,
    DEARER,
    EXPIRED,
    EXPIRING,
    FAILING,
    NEW,
    PROVIDER_ADDED,
    PROVIDER_GONE,
    PROVIDER_REPRICED,
    RECOVERED,
    RETARGETED,
    RETURNED,
    event,
)
from watcher.catalog.model import Bill, Event, FieldChange, Offer, PriceChange, Provider
from watcher.messages.builder import LIST_FROM, compose, compose_within
from watcher.messages.cards import cards
from watcher.messages.document import Format


def body(*events: Event) -> str:
    return compose(events, Format.TEXT).body


def models(*events: Event) -> list[list[str | None]]:
    """Return the models of each card."""
    return [list(dict.fromkeys(event.model for event in card.events)) for card in cards(events)]


BATCH = replace(
    CHEAPER,
    id="batch",
    model="openai/gpt-4o:batch",
    prices={
        "prompt": PriceChange("0.0000015", "0.00000125", "-16.67%"),
        "completion": PriceChange("0.000004167", "0.000004", "-4.00%"),
    },
)
ALIAS = replace(CHEAPER, id="alias", model="~openai/gpt-latest", url="https://openrouter.ai/~openai/gpt-latest")


def test_the_same_move_of_a_model_its_batch_variant_and_its_alias_is_one_card() -> None:
    text = body(ALIAS, BATCH, CHEAPER)
    assert text.count("•") == 1
    assert "• OpenAI: GPT-4o  openai/gpt-4o\n  prompt: $3 → $2.50/M  ↓ −16.67%\n" in text
    assert "  the same for ~openai/gpt-latest\n" in text
    assert "  also openai/gpt-4o:batch · prompt: $1.50 → $1.25/M  ↓ −16.67% · completion: $4.167 → $4/M" in text
    assert compose([ALIAS, BATCH, CHEAPER], Format.TEXT).title == "GPT-4o −17%"


def test_what_the_same_move_does_to_each_bill_is_told() -> None:
    paid, more = (replace(told, bill=Bill("41.126", cost)) for told, cost in ((CHEAPER, "0.004"), (ALIAS, "20")))
    text = body(paid, ALIAS)
    assert "\n  $41.13 → $0.004 a month at your tokens\n" in text and "  also ~openai/gpt-latest · prompt" in text
    assert "~openai/gpt-latest · prompt: $3 → $2.50/M" in body(paid, more)
    assert "  the same for ~openai/gpt-latest\n" in body(paid, replace(ALIAS, bill=paid.bill))


@pytest.mark.parametrize(
    "other",
    [
        replace(ALIAS, model="~google/gpt-latest"),
        replace(BATCH, prices={**BATCH.prices, "prompt": PriceChange("0.0000015", "0.000001", "-33.33%")}),
        replace(BATCH, model="openai/gpt-4:batch"),
        replace(ALIAS, marks=("became_paid",)),
        replace(CHANGED, model="openai/gpt-4o:batch"),
    ],
    ids=["another author", "another change", "another model", "another mark", "another kind"],
)
def test_another_move_is_another_card(other: Event) -> None:
    assert len(cards([CHEAPER, other])) == 2


def test_a_new_model_its_variants_and_its_alias_are_one_card_but_two_of_one_price_are_not() -> None:
    free = replace(NEW, id="free", model=f"{NEW.model}:free", offer=Offer(prices={"prompt": "0", "completion": "0"}))
    alias = replace(NEW, id="latest", model="~anthropic/claude-latest")
    sibling = replace(NEW, id="other", model="anthropic/claude-opus-5", name="Anthropic: Claude Opus 5")
    assert models(NEW, free, alias, sibling) == [[sibling.model, alias.model], [NEW.model, free.model]] or models(
        NEW, free, alias, sibling
    ) == [[sibling.model], [NEW.model, free.model, alias.model]]
    assert models(sibling, NEW) == [[sibling.model], [NEW.model]]
    assert "also anthropic/claude-sonnet-4.5:free · price: free" in body(NEW, free)


def test_an_alias_that_moved_comes_before_its_price() -> None:
    later = replace(
        CHEAPER, id="p", model=RETARGETED.model, name=RETARGETED.name, at=AT - timedelta(hours=1), url=RETARGETED.url
    )
    for events in ([later, RETARGETED], [RETARGETED, later]):
        text = body(*events)
        assert text.count("•") == 1
        assert text.startswith("NOW POINTS ELSEWHERE\n")
        assert text.index("was anthropic/claude-sonnet-4, now") < text.index("prompt: $3 → $2.50/M")


def test_all_news_about_a_model_is_one_card_with_the_times_of_each() -> None:
    gone = replace(EXPIRED, at=AT - timedelta(days=2), since=AT - timedelta(days=2))
    back = replace(RETURNED, model=EXPIRED.model, name=EXPIRED.name, prices={}, since=AT)
    text = body(gone, back)
    assert text.startswith("BACK\n")
    assert text.count("•") == 1
    assert "No longer in the catalogue" in text
    assert "First seen 20:13 UTC, 2 Jan, then 20:13 UTC, 4 Jan\n" in text
    assert body(CHEAPER, replace(EXPIRING, model=CHEAPER.model)).index("Expires in 14 days") < body(
        CHEAPER, replace(EXPIRING, model=CHEAPER.model)
    ).index("prompt: $3")


@pytest.mark.parametrize("format", Format)
def test_every_event_belongs_to_one_card_and_one_message(format: Format) -> None:
    events = [*ALL, BATCH, ALIAS]
    assert sorted(event.id for card in cards(events) for event in card.events) == sorted(event.id for event in events)
    for limit in (700, 3_000, 20_000):
        messages = compose_within(events, format, limit)
        assert sorted(event.id for message in messages for event in message.events) == sorted(
            event.id for event in events
        )
        for message in messages:  # whoever gets one event of a card gets all of it
            assert not {CHEAPER.id, BATCH.id, ALIAS.id} & set(message.ids) or {CHEAPER.id, BATCH.id, ALIAS.id} <= set(
                message.ids
            )


def many(told: Event, count: int) -> list[Event]:
    return [
        replace(told, id=f"{n}", model=f"{told.model}-{n}", name=f"{told.name} {n}", url=f"{told.url}-{n}")
        for n in range(count)
    ]


def test_from_five_like_things_on_there_is_a_list() -> None:
    assert body(*many(EXPIRED, LIST_FROM - 1)).count("No longer in the catalogue") == LIST_FROM - 1
    text = body(*many(EXPIRED, LIST_FROM))
    assert text.startswith(
        "EXPIRED (5)\n\n"
        "• DeepSeek: R1 0528 0  deepseek/deepseek-r1-0528-0 · last price: prompt $0.28/M · completion $1.10/M"
        " · still works: deepseek/deepseek-r1-0528:free\n"
        "• DeepSeek: R1 0528 1  "
    )
    assert text.count("\n• ") == LIST_FROM


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (NEW, " · price: prompt $3/M · completion $15/M · 1M tokens of context\n"),
        (CHEAPER, " · prompt: $3 → $2.50/M  ↓ −16.67% · completion: ≈$8.33333 → $8/M  ↓ −4%\n"),
        (EXPIRING, " · Expires in 14 days, on 18 January 2026 · still works: openai/gpt-4-turbo-preview\n"),
        (CHANGED, " · context length: 128K → 1,048,576 · moderated: yes → no"),
    ],
)
def test_a_line_of_a_list_says_what_goes_on(told: Event, said: str) -> None:
    different = [replace(one, fields={**one.fields, f"f{one.id}": FieldChange(1, 2)}) for one in many(told, LIST_FROM)]
    events = different if told is CHANGED else many(told, LIST_FROM)
    if told is CHEAPER:  # another author each, or it is one move
        events = [replace(one, model=f"author{one.id}/x") for one in events]
    assert said in body(*events)


def test_a_list_shows_each_its_time_where_the_times_differ() -> None:
    first, *rest = many(EXPIRED, LIST_FROM)
    text = body(replace(first, since=AT), *rest)
    assert " · 20:13 UTC, 4 Jan\n" in text
    assert text.count(" · 17:13 UTC, 4 Jan\n") == LIST_FROM - 1


def test_the_time_is_told_once_where_all_share_it_by_the_clocks_of_the_channel() -> None:
    for zone, shown in (("UTC", "17:13 UTC, 4 Jan"), ("Europe/Berlin", "18:13, 4 Jan"), ("Asia/Tokyo", "02:13, 5 Jan")):
        text = compose([CHEAPER, NEW], Format.TEXT, ZoneInfo(zone)).body
        assert text.count("irst seen") == 1
        assert f"\n-- \nAll first seen {shown} · openrouter-watcher" in text
        assert f"  First seen {shown}\n" in compose([NEW], Format.TEXT, ZoneInfo(zone)).body
        both = compose([CHEAPER, replace(NEW, since=AT)], Format.TEXT, ZoneInfo(zone)).body
        assert both.count("  First seen ") == 2


def test_a_year_is_told_where_it_is_another_one() -> None:
    assert "First seen 20:13 UTC, 25 Dec 2025\n" in body(replace(NEW, since=AT - timedelta(days=10)))


def test_a_new_model_says_what_it_is_harmlessly() -> None:
    said = "A <b>fast</b> model @everyone, see evil.example."
    told = replace(NEW, offer=replace(NEW.offer or Offer(), description=said))
    for format, shown in (
        (Format.TEXT, "  A <\u200bb>fast<\u200b/b> model @\u200beveryone, see evil.\u200bexample.\n"),
        (Format.HTML, "A &lt;\u200bb&gt;fast&lt;\u200b/b&gt; model @\u200beveryone"),
    ):
        assert shown in compose([told], format).body


def test_what_a_retargeted_alias_was_and_is_are_both_links() -> None:
    text = compose([RETARGETED], Format.MARKDOWN).body
    for model in ("anthropic/claude-sonnet-4", "anthropic/claude-sonnet-4.5"):
        assert f"[`{model}`](<https://openrouter.ai/{model}>)" in text


def test_a_mail_breaks_no_id_and_no_price_that_fits_a_phone() -> None:
    long = replace(NEW, model="author/" + "x" * 50, name="X: Y Z")
    html = compose([NEW, long], Format.HTML).body
    assert 'white-space:nowrap">anthropic/claude-sonnet-4.5</span>' in html
    assert 'white-space:nowrap">prompt $3/M</span>' in html
    assert f'white-space:nowrap">author/</span><wbr>{"x" * 50}</span>' in html


def test_a_title_shows_the_largest_change_of_the_prices_that_count() -> None:
    told = event(
        "repriced",
        prices={"prompt": PriceChange("1", "0.98", "-2.00%"), "completion": PriceChange("4", "3", "-23.00%")},
    )
    assert compose([told], Format.TEXT).title == "GPT-4o −23%"
    assert compose(many(EXPIRED, 4), Format.TEXT).title == "4 gone: R1 0528 0, R1 0528 1, R1 0528 2, R1 0528 3"
    crowd = [*many(EXPIRED, 9), DEARER, FAILING, RECOVERED]
    assert compose(crowd, Format.TEXT).title == "9 gone, Qwen3 Max +5%, source failing, source recovered"


# Providers


def at(tag: str, told: Event, **more: Any) -> Event:
    """Return an event about another provider."""
    return replace(told, id=f"{told.id}{tag}", provider=Provider(tag.title(), tag), **more)


def test_all_providers_of_a_model_are_in_one_card_each_with_its_name() -> None:
    model = replace(CHEAPER, model=PROVIDER_REPRICED.model, name=PROVIDER_REPRICED.name)
    news = [at("x", PROVIDER_REPRICED), at("y", PROVIDER_REPRICED), at("z", replace(PROVIDER_GONE, model=model.model))]
    assert models(model, *news) == [[model.model]]
    said = body(model, *news)
    assert all(f"{name} (" in said for name in ("X", "Y")) and "Z (z) no longer offers it" in said
    assert said.count("$1.40 → $1.33/M") == 2


def test_models_that_one_provider_drops_are_one_card_and_of_two_providers_are_two() -> None:
    first, second = (replace(PROVIDER_GONE, id=f"id{name}", model=f"qwen/{name}", name=name) for name in ("a", "b"))
    assert models(first, second) == [["qwen/a", "qwen/b"]]
    assert models(first, at("other", second)) == [["qwen/a"], ["qwen/b"]]


def test_a_model_and_its_variant_at_one_provider_have_each_its_price() -> None:
    dear = Offer(prices={"prompt": "0.000005", "completion": "0.000009"})
    other = replace(PROVIDER_ADDED, id="other", model="moonshotai/kimi-k2.6:fast", offer=dear)
    said = body(PROVIDER_ADDED, other)
    assert "prompt $0.95/M" in said and "prompt $5/M" in said
