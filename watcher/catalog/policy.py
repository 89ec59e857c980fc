"""What counts as news, and from when: the settings of `[announce]`, as the pure core takes them."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from msgspec import Struct

from watcher.catalog.option import Option
from watcher.catalog.pricing import PRICE_KEYS, TOKEN_PRICES

AT_ONCE = timedelta()


class Policy(Struct, frozen=True):
    """Settings of `[announce]`, with defaults measured on a recorded archive. A Decimal is a fraction."""

    settle: Annotated[
        timedelta,
        'How long a price must hold still before it is announced as repriced; "0s": at once.',
        Option(essential=True),
    ] = timedelta(hours=3)
    settle_changed: Annotated[
        timedelta,
        "The same for other fields: context length, modalities, parameters, name, …",
        Option(follows="settle", default_doc="as settle"),
    ] = timedelta(hours=3)
    settle_new: Annotated[timedelta, "The same for a new model."] = AT_ONCE
    settle_returned: Annotated[timedelta, "The same for an expired model that is back."] = AT_ONCE
    settle_expiring: Annotated[timedelta, "The same for an expiration date that was set, moved or withdrawn."] = AT_ONCE
    settle_retargeted: Annotated[timedelta, "The same for an alias, or an id, that leads to another model."] = AT_ONCE
    damping: Annotated[
        int,
        "By how much each recent announcement of its kind lengthens what a model's next one must hold still; 1: off.",
        Option(least=1, most=10),
    ] = 3
    damping_half_life: Annotated[
        timedelta, "After this time an announcement counts half.", Option(least=timedelta(hours=1))
    ] = timedelta(days=14)
    damping_most: Annotated[timedelta, "The longest that damping asks to hold still."] = timedelta(hours=48)
    confirm_expired: Annotated[
        int, "Good polls in a row that a model must be missing from to have expired.", Option(least=1)
    ] = 2
    confirm_gap: Annotated[
        timedelta, "If the last good poll is longer ago than this, one poll without the model is enough."
    ] = timedelta(hours=12)
    min_change: Annotated[
        Decimal,
        "How far a price must have moved from what was last announced; to and from free always counts.",
        Option(essential=True),
    ] = Decimal("0.01")
    prices: Annotated[
        tuple[str, ...],
        f'Prices that are announced: {", ".join(PRICE_KEYS)}; ["*"] is all.',
        Option(expected='a list of price keys such as ["prompt", "completion"], or ["*"]', known=("*", *PRICE_KEYS)),
    ] = TOKEN_PRICES
    remind_days: Annotated[
        tuple[int, ...],
        "Days before the expiration date on which to remind; [] never does.",
        Option(expected="a list of days such as [14, 3, 1]", most=365),
    ] = (14, 3, 1)
    max_gone: Annotated[Decimal, "A poll in which more of the models than this are gone at once is suspect …"] = (
        Decimal("0.10")
    )
    max_gone_models: Annotated[int, "… if it is also more than this many models.", Option(most=100_000)] = 5
    confirm_suspect: Annotated[
        int, "Polls in a row that must agree before a suspect catalogue is believed.", Option(least=1)
    ] = 3
    failing_polls: Annotated[int, "Failed polls in a row after which source_failing is announced.", Option(least=1)] = 3
    fold_models: Annotated[
        int,
        "A field that changes the same way on at least this many models in one poll …",
        Option(least=1, most=100_000),
    ] = 20
    fold_share: Annotated[Decimal, "… and on this share of the catalogue, is announced as one event, not many."] = (
        Decimal("0.10")
    )
