"""What counts as news, and from when: the settings of `[announce]`, as the pure core takes them."""

from datetime import timedelta
from decimal import Decimal

from msgspec import Struct

HEADLINE_PRICES = ("prompt", "completion")
"""The two prices that everybody pays."""


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
    confirm_expired: int = 2
    """Good polls in a row that a model must be absent from to be announced as expired."""
    confirm_gap: timedelta = timedelta(hours=6)
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
