"""Which events a channel wants, and what a price change weighs for it. Pure: what was told comes in, and goes out."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase

import msgspec

from watcher.catalog.model import Event, Offer, PriceChange
from watcher.catalog.price import direction_of, is_material, percent
from watcher.catalog.pricing import is_free
from watcher.config.settings import Rules

_PROMPT = re.compile(r"prompt(@[^+]*)?")
"""The keys of the plain prompt price, at any time of day; that of long prompts is another one."""


def wants(rules: Rules, event: Event) -> bool:
    """Whether a channel with these rules is told of the event.

    The kind always decides. The other rules concern models, so they hide neither events about the source nor a change
    of the whole catalogue. A rule about the offer looks at the model as it is and as it was before the event: whoever
    asked for cheap models is told when one stops being cheap. What is not known hides nothing: a model that
    only the feed has shown is new once, and would be missed for good.
    """
    if event.kind not in rules.events:
        return False
    if event.model is None:
        return True
    return (
        named(rules.models, event.model)
        and not named(rules.exclude, event.model)
        and (not rules.free_only or _is_or_was_free(event))
        and (not rules.modalities or _has_modality(rules.modalities, event.offer))
        and _supports(rules.supported_parameters, event.offer)
        and (rules.max_prompt_price is None or _within_budget(rules.max_prompt_price, event))
        and (rules.min_context is None or _is_roomy(rules.min_context, event))
    )


def apply_min_change(rules: Rules, event: Event, told: Mapping[str, str]) -> tuple[Event | None, dict[str, str]]:
    """Measure a price change against what this channel was last told of the model, and against its `min_change`.

    Args:
        told: price key → the price the channel was last told, for the keys of which a move was kept from it before.

    Returns:
        The event as this channel should get it (its old prices are those the channel knows), or None if it does not
        weigh enough for it; and what `told` is from now on for this model and channel: an empty mapping needs no row.
        To and from free, and to and from `varies`, always weighs enough. Other kinds pass as they are.
    """
    if event.kind != "repriced":
        return event, {key: price for key, price in told.items() if key not in event.prices}
    prices: dict[str, PriceChange] = {}
    for key, change in event.prices.items():
        old = told.get(key, change.old)
        if old != change.new:
            prices[key] = PriceChange(old, change.new, percent(old, change.new))
    kept = {key: price for key, price in told.items() if key not in event.prices}
    threshold = rules.min_change or Decimal(0)
    if any(_is_enough(change, threshold) for change in prices.values()):
        return msgspec.structs.replace(event, prices=prices, direction=direction_of(prices.values())), kept
    return None, kept | {key: change.old for key, change in prices.items() if change.old is not None}


def _is_enough(change: PriceChange, threshold: Decimal) -> bool:
    return change.old is None or change.new is None or is_material(change.old, change.new, threshold)


def named(globs: Sequence[str], model: str) -> bool:
    """Whether a glob names the whole id, whatever the case: `openai/gpt-*`, also `*:free`; `gpt-*` names nothing.

    A variant is named by what names its model up to a star (`openai/gpt-*` takes in `openai/gpt-4o:free`), and an alias
    (`~anthropic/claude-sonnet-latest`) also by its id without the `~`.
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


def _has_modality(modalities: Sequence[str], offer: Offer | None) -> bool:
    """Whether any of the modalities is among what the model takes or gives."""
    if offer is None:
        return True
    return not {name.lower() for name in modalities}.isdisjoint(offer.input_modalities + offer.output_modalities)


def _supports(parameters: Sequence[str], offer: Offer | None) -> bool:
    """Whether the model takes all of the parameters."""
    return offer is None or {name.lower() for name in parameters} <= set(offer.supported_parameters)


def _within_budget(limit: Decimal, event: Event) -> bool:
    """Whether the prompt price (USD per million tokens) is or was within the limit; one that varies is not."""
    candidates = list(event.offer.prices.items()) if event.offer is not None else []
    candidates += [(key, price) for key, change in event.prices.items() for price in (change.old, change.new) if price]
    known = [price for key, price in candidates if _PROMPT.fullmatch(key)]
    return not known or any(_costs_at_most(limit, price) for price in known)


def _costs_at_most(limit: Decimal, price: str) -> bool:
    try:
        return Decimal(price) * 1_000_000 <= limit
    except InvalidOperation:
        return False


def _is_roomy(minimum: int, event: Event) -> bool:
    """Whether the context (tokens) is or was at least the minimum."""
    if event.offer is None:
        return True
    sizes = [event.offer.context_length]
    if "context_length" in event.fields:
        sizes.append(event.fields["context_length"].old)
    return any(isinstance(size, int) and size >= minimum for size in sizes)
