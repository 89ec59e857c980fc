"""What counts as news, and from when: the settings of `[announce]`, as the pure core takes them."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

HEADLINE_PRICES = ("prompt", "completion")
"""As a setting, whatever a model is priced by: these two or, where tokens cost nothing, what else it charges."""


FORGOTTEN = 6
"""After so many half-lives, an announcement counts for nothing."""


class Policy(Struct, frozen=True):
    """Settings of `[announce]`; the defaults are the design's, measured on a recorded archive.

    Settling times are how long a difference must hold still before it is announced.
    """

    settle: timedelta = timedelta(hours=3)
    """For `repriced`."""
    settle_changed: timedelta = timedelta(hours=3)
    settle_new: timedelta = timedelta()
    settle_returned: timedelta = timedelta()
    settle_expiring: timedelta = timedelta()
    settle_retargeted: timedelta = timedelta()
    damping: int = 3
    """By how much each recent announcement of the same kind of change multiplies the stillness that the next one needs;
    1 turns this off. The idea is that of route flap damping, RFC 2439."""
    damping_half_life: timedelta = timedelta(days=14)
    """After this time an announcement counts half."""
    damping_most: timedelta = timedelta(hours=48)
    """The most stillness that damping asks for."""
    confirm_expired: int = 2
    """Good polls in a row that a model must be absent from to be announced as expired."""
    confirm_gap: timedelta = timedelta(hours=12)
    """If the last good poll is longer ago than this, one poll without the model is enough."""
    min_change: Decimal = Decimal("0.01")
    """Fraction of the announced price from which a move is material; to and from free always is."""
    prices: tuple[str, ...] = HEADLINE_PRICES
    """Price keys that are announced; `*` is all."""
    remind_days: tuple[int, ...] = (14, 3, 1)
    """Days before `expiration_date` on which a reminder is due."""
    max_gone: Decimal = Decimal("0.10")
    """Fraction of the models gone in one poll beyond which the poll is suspect …"""
    max_gone_models: int = 5
    """… if it is also more than this many models."""
    confirm_suspect: int = 3
    """Polls in a row that must agree before a suspect catalogue is believed without a witness."""
    failing_polls: int = 3
    """Failed polls in a row that make `source_failing`."""
    fold_models: int = 20
    """The same field changing the same way on at least this many models in one poll …"""
    fold_share: Decimal = Decimal("0.10")
    """… and this fraction of the catalogue is one event about the catalogue."""

    def stillness(self, wait: timedelta, announced: Sequence[datetime], now: datetime) -> timedelta:
        """Return how long a difference must hold still, if ones of its kind were announced at those times.

        That is `wait` × `damping` ^ restlessness, where each announcement adds one to the restlessness. What is
        announced at once as a rule (`wait` is zero) grows by what a price's stillness grows by.
        """
        ages = [(now - at) / self.damping_half_life for at in announced if at <= now]
        restlessness = sum(math.pow(0.5, age) for age in ages if age < FORGOTTEN)
        more = (wait or self.settle) * (math.pow(self.damping, restlessness) - 1)
        return max(wait, min(wait + more, self.damping_most))
