"""Secrets in text: whole, cut, in another case, encoded; and what is no secret stays."""

from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.redaction import HIDDEN, PIECE, redact, remember, remember_url

KEY = "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"


FORMS = {
    "whole": KEY,
    "in upper case": KEY.upper(),
    "percent-encoded": "".join(f"%{ord(one):02x}" for one in KEY),
    "percent-encoded twice": "".join(f"%25{ord(one):02X}" for one in KEY),
    "percent-encoded in part": KEY.replace("-", "%2D").replace("a", "%61"),
    "its beginning": KEY[:20],
    "its end": KEY[-12:],
    "its middle": KEY[11:40].upper(),
    "in two lines": f"{KEY[:30]}\r\n {KEY[30:]}",
    "in quotes": f"\"{KEY}\"'{KEY}'",
    "twice": KEY * 2,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_key_is_hidden_in_any_form(form: str) -> None:
    remember(KEY)
    shown = redact(f"the server said {form}.")
    assert shown.startswith("the server said ")
    assert shown.endswith(".")
    assert HIDDEN in shown
    plain = shown.replace(HIDDEN, " ").lower()
    assert not any(KEY[at : at + 5] in plain for at in range(9, len(KEY) - 4)), shown
    assert "%" not in shown


@given(st.text(), st.text(), st.integers(0, len(KEY) - PIECE), st.integers(PIECE, len(KEY)))
def test_no_piece_is_left_in_any_text_and_all_else_stays(before: str, after: str, start: int, length: int) -> None:
    remember(KEY)
    piece = KEY[start : start + length]
    shown = redact(f"{before} {piece} {after}")
    assert piece not in shown
    assert shown.startswith(f"{before} ")
    assert shown.endswith(f" {after}")
    assert redact(shown) == shown


def test_nothing_is_hidden_where_nothing_is_remembered_or_told() -> None:
    assert redact(KEY) == KEY
    remember("short", "")
    assert redact("a short text") == "a short text"


def test_our_own_words_stay_though_a_secret_has_them() -> None:
    remember("openrouter-watcher-7f3a91c2")
    assert redact("this is a bug in openrouter-watcher") == "this is a bug in openrouter-watcher"
    assert "7f3a91c2" not in redact("openrouter-watcher-7f3a91c2")


URL = "json://ann:S3cret%2Fword@hooks.example.org:8443/T0ken4bcd/general/?-key=Param5efg&to=b0b@mail.example.org"


def test_of_a_url_passwords_and_tokens_are_hidden_everywhere_and_hosts_and_words_nowhere() -> None:
    remember_url(URL)
    for secret in ("S3cret/word", "S3cret%2Fword", "t0KEN4BCD", "Param5efg"):
        assert redact(f"<{secret}>") == f"<{HIDDEN}>", secret
    for sent in ("ann:S3cret/word", "\0ann\0S3cret/word"):
        assert redact(f"Basic {b64encode(sent.encode()).decode()}").rstrip("=") == f"Basic {HIDDEN}"
    for told in ("hooks.example.org:8443", "general", "the notification", "mail.example.org", "json://"):
        assert redact(told) == told


def test_what_a_channels_service_says_holds_no_part_of_its_url() -> None:
    shown = redact("ann of hooks.example.org has no general, but T0ken4bc; bye", URL)
    assert shown == f"{HIDDEN} of {HIDDEN} has no {HIDDEN}, but {HIDDEN}; bye"


def test_encoded_and_decoded_parts_of_a_url_are_known() -> None:
    url = "json://us%40er:p%2Fw%20d@host.example:8443/pa%20th?k=val"
    line = "cannot reach host.example for us@er with p/w d at /pa th, PA%20TH, k=val"
    assert redact(line, url) == "cannot reach *** for *** with *** at /***, ***, k=***"


def test_a_secret_in_any_script_is_hidden_encoded_too() -> None:
    remember("пароль-für-日本")
    for form in ("пароль-für-日本", "ПАРОЛЬ-FÜR-日本", quote("пароль-für-日本")):
        assert redact(f"<{form}>") == f"<{HIDDEN}>"
