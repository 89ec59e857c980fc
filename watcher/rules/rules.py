"""Which events a channel wants, whether a price change is large enough for it, and which models are mine."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from glob import escape

from msgspec import UNSET
from msgspec.structs import replace

from watcher.catalog.decision import Acknowledgement
from watcher.catalog.model import Bill, Event, PriceChange, Provider
from watcher.catalog.price import VARIES, direction_of, is_material, percent
from watcher.catalog.pricing import is_free, offered_price
from watcher.config.mine import MINE, MineSettings
from watcher.config.settings import Channel, Rules
from watcher.mine.cost import Use, bill_of
from watcher.rules.acknowledged import are_known_prices

_PROMPT = re.compile(r"prompt(@[^+]*)?")
"""The keys of the plain prompt price, at any time of day; the price of long prompts has another."""


def wants(rules: Rules, event: Event, offering: Sequence[Provider] = ()) -> bool:
    """Whether a channel with these rules gets the event; `offering` are the known providers of its model.

    The kind always decides. A channel that names `providers` or a `quantization` gets the prices of those endpoints in
    place of the model's own, where there are any. The other rules concern models, so they hide neither events about the
    source nor a change of the whole catalogue. A rule about the offer holds if it holds for the model as it is or as it
    was before the event: a channel for cheap models learns when one stops being cheap. An unknown offer hides nothing:
    a model known only from the feed is new once, and would be missed for good.
    """
    pinned = is_pinned(rules)
    if event.provider is not UNSET and not offers(rules, event.provider):
        return False
    if pinned and event.kind == "repriced" and any(offers(rules, provider) for provider in offering):
        return False
    kinds = (event.kind, "repriced") if pinned and event.kind == "provider_repriced" else (event.kind,)
    if set(kinds).isdisjoint(rules.events):
        return False
    if event.model is None:
        return True
    if not named(rules.models, event.model) or named(rules.exclude, event.model):
        return False
    if rules.free_only and not _is_or_was_free(event):
        return False
    if rules.max_prompt_price is not None and not _within_budget(rules.max_prompt_price, event):
        return False
    offer = event.offer
    if offer is None:
        return True
    modalities = {name.lower() for name in rules.modalities}
    sizes = [offer.context_length, *(change.old for key, change in event.fields.items() if key == "context_length")]
    return (
        (not modalities or not modalities.isdisjoint(offer.input_modalities + offer.output_modalities))
        and {name.lower() for name in rules.supported_parameters} <= set(offer.supported_parameters)
        and (rules.min_context is None or any(size >= rules.min_context for size in sizes if isinstance(size, int)))
    )


def is_pinned(rules: Rules) -> bool:
    """Whether the channel names the endpoints that its owner uses."""
    return bool(rules.providers or rules.quantization)


def offers(rules: Rules, provider: Provider) -> bool:
    """Whether a provider's endpoint is among those that the channel names: `deepinfra` is all of `deepinfra/…`."""
    tag, names = f"{provider.tag.partition('#')[0]}/".lower(), [name.lower() for name in rules.providers]
    quantizations = [name.lower() for name in rules.quantization]
    return (not names or any(tag.startswith(f"{name}/") for name in names)) and (
        not quantizations or (provider.quantization or "unknown").lower() in quantizations
    )


def subject(event: Event) -> str:
    """Return whose prices the event is about: a model, or an endpoint of it."""
    return (event.model or "") + (f" {event.provider.tag}" if event.provider is not UNSET else "")


def apply_min_change(
    rules: Rules,
    event: Event,
    hidden: Mapping[str, str],
    use: Use | None = None,
    acknowledged: Acknowledgement | None = None,
) -> tuple[Event | None, dict[str, str]]:
    """Measure new prices, of a model or an endpoint, against the last ones sent to this channel, and by its rules.

    `hidden` maps each price key with changes that were not for the channel to the last price sent to it. Returns
    the event with the old prices that the channel knows, or None if no price moved far enough or in the direction
    that the channel wants, and the next `hidden`. To and from free or `varies` is always far enough. A change in the
    other direction counts as sent: the next one is measured from there.

    With the user's `use` of the model, the event tells what it does to the bill, and all changes that the channel does
    not know must together come to its `min_impact`. Changes within what is `acknowledged` stay hidden.
    """
    rest = {key: price for key, price in hidden.items() if key not in event.prices}
    if event.kind not in ("repriced", "provider_repriced"):
        return _with_bill(event, None if use is None else bill_of(event, use, {})), rest
    changes = {key: (hidden.get(key, change.old), change.new) for key, change in event.prices.items()}
    if rules.min_impact is not None and event.offer is not None:  # a bill is made of all prices
        changes |= {key: (old, offered_price(event.offer.prices, key)) for key, old in rest.items()}
    prices = {key: PriceChange(old, new, percent(old, new)) for key, (old, new) in changes.items() if old != new}
    direction = direction_of(prices.values())
    bill = None if use is None else bill_of(event, use, hidden)
    if (
        any(_is_enough(change, rules.min_change or Decimal(0)) for change in prices.values())
        and not (acknowledged is not None and are_known_prices(acknowledged, prices))
        and _comes_to(bill, rules.min_impact)
    ):
        wanted = rules.direction in (None, direction) or direction in (None, "mixed")
        adjusted = _with_bill(replace(event, prices=prices, direction=direction), bill)
        return adjusted if wanted else None, rest if rules.min_impact is None else {}
    return None, rest | {key: change.old for key, change in prices.items() if change.old is not None}


def _comes_to(bill: Bill | None, least: Decimal | None) -> bool:
    """Whether the bill changes by so much (USD); so it does where that cannot be told."""
    return bill is None or least is None or abs(Decimal(bill.new) - Decimal(bill.old)) >= least


def _with_bill(event: Event, bill: Bill | None) -> Event:
    return event if bill is None or bill.old == bill.new else replace(event, bill=bill)


def _is_enough(change: PriceChange, threshold: Decimal) -> bool:
    return change.old is None or change.new is None or is_material(change.old, change.new, threshold)


def named(globs: Sequence[str], model: str) -> bool:
    """Whether a pattern matches the whole id, whatever the case: `openai/gpt-*` or `*:free`, but not `gpt-*`.

    `openai/gpt-*` matches variants too (`openai/gpt-4o:free`). An alias (`~anthropic/claude-sonnet-latest`) also
    matches without its `~`.
    """
    model = model.lower()
    return any(fnmatchcase(model, glob.lower()) or fnmatchcase(model.removeprefix("~"), glob.lower()) for glob in globs)


def _is_or_was_free(event: Event) -> bool:
    if not {"became_free", "became_paid"}.isdisjoint(event.marks):
        return True
    if event.offer is None or not event.offer.prices:
        return (event.model or "").endswith(":free")
    now = event.offer.prices
    before = now | {key: change.old for key, change in event.prices.items() if change.old is not None}
    return is_free(now) or is_free(before)


def _within_budget(limit: Decimal, event: Event) -> bool:
    """Whether the prompt price (USD per million tokens) is or was within the limit; one that varies is not."""
    candidates = list(event.offer.prices.items()) if event.offer is not None else []
    candidates += [(key, price) for key, change in event.prices.items() for price in (change.old, change.new) if price]
    prices = [price for key, price in candidates if _PROMPT.fullmatch(key)]
    return not prices or any(price != VARIES and Decimal(price) * 1_000_000 <= limit for price in prices)


def my_models(known: Iterable[str], settings: MineSettings, found: Collection[str]) -> list[str]:
    """Return which of these ids are mine. `found` are the ids in `paths`: `Known.mine`, or `State.found_models`."""
    patterns = (*settings.models, *map(escape, settings.tokens))
    return [model for model in known if model in found or named(patterns, model)]


def with_my_models(channels: Sequence[Channel], settings: MineSettings, found: Collection[str]) -> tuple[Channel, ...]:
    """Return the channels with the patterns that `@mine` stands for in its place."""
    mine = (*settings.models, *map(escape, settings.tokens), *map(escape, sorted(found)))

    def spelled(patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(each for pattern in patterns for each in (mine if pattern == MINE else (pattern,)))

    return tuple(
        replace(
            channel,
            rules=replace(channel.rules, models=spelled(channel.rules.models), exclude=spelled(channel.rules.exclude)),
        )
        for channel in channels
    )
