"""Tokens are sums that can be shared out, and a price's key says what it is for, and when."""

from decimal import Decimal
from fractions import Fraction

from watcher.catalog.model import Tokens
from watcher.catalog.pricing import offered_price, split_window


def test_tokens_add_up_and_are_shared_out() -> None:
    both = Tokens(1000, 20, 3, 4) + Tokens(1, 2)
    assert both == Tokens(1001, 22, 3, 4)
    assert both.share(Decimal("0.7")) == Tokens(701, 15, 2, 3)
    assert both.share(Fraction(30, 10)) == Tokens(3003, 66, 9, 12)


def test_a_key_says_what_it_is_for_and_when() -> None:
    keys = ("prompt", "prompt@200000+", "prompt@sat 01:00-02:00", "prompt@200000+@16:30-00:30")
    assert [split_window(key) for key in keys] == [
        ("prompt", None),
        ("prompt@200000+", None),
        ("prompt", "sat 01:00-02:00"),
        ("prompt@200000+", "16:30-00:30"),
    ]


def test_a_key_that_is_offered_no_more_has_the_price_of_what_it_was_part_of() -> None:
    prices = {"prompt": "1", "prompt@16:30-00:30": "2", "prompt@128000+": "3", "prompt@128000+@sat": "4"}
    keys = ("prompt@16:30-00:30", "prompt@01:00-02:00", "prompt@200000+@sun", "prompt@200000+", "prompt@1000+", "image")
    assert [offered_price(prices, key) for key in keys] == ["2", "1", "3", "3", "1", "0"]
    assert offered_price(prices, "completion") is None
