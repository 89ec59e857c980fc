"""Prices as people read them."""

import pytest

from watcher.messages import prices


@pytest.mark.parametrize(
    ("key", "price", "shown"),
    [
        ("prompt", "0.00000028", "$0.28"),
        ("prompt", "0.0000025", "$2.50"),
        ("prompt", "0.000015", "$15"),
        ("prompt", "0.00000000012", "$0.00012"),
        ("prompt", "0.00000125", "$1.25"),
        ("prompt", "0.000000125", "$0.125"),
        ("prompt", "0.0000000833333333333333", "≈$0.0833333"),
        ("completion", "0.00060000001", "≈$600"),
        ("prompt", "0.123456", "$123456"),
        ("prompt", "0", "free"),
        ("prompt", "varies", "varies"),
        ("prompt", "?", "unknown"),
        ("prompt", None, "unknown"),
        ("prompt", "nonsense", "unknown"),
        ("prompt@200000+", "0.000006", "$6"),
        ("input_cache_read", "0.0000003", "$0.30"),
        ("request", "0.005", "$0.005"),
        ("image", "0.0004", "$0.0004"),
        ("web_search", "0.01", "$0.01"),
        ("prompt", "00:30=0.0000003 16:30=0.00000015", "$0.30 00:30-16:30 UTC, $0.15 16:30-00:30 UTC"),
    ],
)
def test_a_price_is_exact_and_legible(key: str, price: str | None, shown: str) -> None:
    assert prices.price_text(key, price) == shown


@pytest.mark.parametrize(
    ("key", "label", "unit"),
    [
        ("prompt", "prompt", "per 1M tokens"),
        ("input_cache_read", "cache read", "per 1M tokens"),
        ("prompt@200000+", "prompt over 200K tokens", "per 1M tokens"),
        ("prompt@16:30-00:30", "prompt 16:30–00:30 UTC", "per 1M tokens"),
        ("prompt@200000+@16:30-00:30", "prompt over 200K tokens 16:30–00:30 UTC", "per 1M tokens"),
        ("request", "request", "per request"),
        ("web_search", "web search", "per search"),
        ("image@200000+", "image over 200K tokens", "per image"),
        ("some_new_key", "some new key", "per 1M tokens"),
        ("prompt@odd", "prompt (odd)", "per 1M tokens"),
    ],
)
def test_a_key_is_told_in_words(key: str, label: str, unit: str) -> None:
    assert (prices.label(key), prices.unit(key)) == (label, unit)


@pytest.mark.parametrize(
    ("change", "digits", "shown"),
    [
        ("-16.67%", 2, "−16.67%"),
        ("-16.67%", 0, "−17%"),
        ("+5.00%", 2, "+5%"),
        ("+100.00%", 2, "+100%"),
        ("-20.00%", 0, "−20%"),
        ("+0.30%", 0, "+0.3%"),
    ],
)
def test_a_percentage(change: str, digits: int, shown: str) -> None:
    assert prices.percentage(change, digits) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(128_000, "128K"), (1_000_000, "1M"), (131_072, "131,072"), (1_048_576, "1,048,576"), (512, "512"), (0, "0")],
)
def test_a_number_of_tokens_is_never_rounded(number: int, shown: str) -> None:
    assert prices.count(number) == shown
