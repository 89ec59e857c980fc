"""Secrets leave no trace in text: the one place through which errors, log lines, records and alerts go.

A secret is remembered where it is read. From then on `redact` hides it in any text: whole or in pieces, in any case,
percent-encoded, and as basic authentication sends it. It is for the whole text, before anything is cut off: of a
secret that was cut, no more than `PIECE` - 1 characters can stay behind.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from itertools import groupby
from urllib.parse import unquote

HIDDEN = "***"
PIECE = 8
"""Characters in a row that tell a secret: fewer are found in any text."""

_OWN_WORDS = "openrouter-watcher https://openrouter.ai/api/v1/models"
"""Where such a piece is in a secret as well, it is no secret."""
_UNIT = re.compile(r"%(?:25)*([0-9A-Fa-f]{2})|[^%]+|%")
_DELIMITERS = re.compile(r"[/?&=:@#;,+\s]+")
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+|\[[0-9a-f:.]+\]")
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}

_pieces: set[str] = set()


def remember(*secrets: str) -> None:
    """Hide these from now on. One that is shorter than a piece cannot be told from other text, and is not hidden."""
    for secret in secrets:
        _pieces.update(_pieces_of(secret) - _pieces_of(_OWN_WORDS))


def remember_url(url: str) -> None:
    """Hide what looks like a secret in a URL: its password, and each part that has a digit and is no host."""
    remember(*_credentials(url), *(part for part in parts_of(url) if _is_token(part) and not _HOST.fullmatch(part)))


def forget() -> None:
    """Hide nothing from now on."""
    _pieces.clear()


def redact(text: str, url: str | None = None) -> str:
    """Return a text without the secrets that are remembered, and without any part of `url`, however short."""
    parts = set[str]() if url is None else {part for part in parts_of(url) if len(part) > 2}
    pieces = _pieces.union(*(_pieces_of(part) for part in parts if _is_token(part)))
    if not pieces and not parts:
        return text
    plain, places = _decoded(text)
    secret = [(at, at + PIECE) for at in range(len(plain) - PIECE + 1) if plain[at : at + PIECE] in pieces]
    for part in parts:
        secret += [match.span() for match in re.finditer(re.escape(_decoded(part)[0]), plain)]
    hides = bytearray(len(plain))
    for start, stop in secret:
        hides[start:stop] = b"\1" * (stop - start)
    runs = [(hidden, list(group)) for hidden, group in groupby(range(len(plain)), hides.__getitem__)]
    return "".join(HIDDEN if hidden else text[places[run[0]] : places[run[-1] + 1]] for hidden, run in runs)


def parts_of(url: str) -> set[str]:
    """Return all that stands between the delimiters of a URL, as it is written and decoded, and what these come to."""
    rest = url.partition("://")[2] or url
    texts = {rest, unquote(rest)}
    parts = {piece for text in texts for piece in (*_DELIMITERS.split(text), *text.rpartition("@")[0].split(":"))}
    return {url, *texts, *parts, *map(unquote, parts), *_credentials(url)} - {""}


def _is_token(part: str) -> bool:
    return any(map(str.isdecimal, part)) and not _DELIMITERS.search(part)


def _credentials(url: str) -> Iterator[str]:
    """Return a URL's password, and what is sent for user and password."""
    owner = re.split(r"[/?#]", url.partition("://")[2])[0].rpartition("@")[0]
    user, colon, password = map(unquote, owner.partition(":"))
    if colon:
        yield password
        for sent in (f"{user}:{password}", f"\0{user}\0{password}"):  # for HTTP, and by SMTP's AUTH PLAIN
            yield b64encode(sent.encode(errors="replace")).decode().rstrip("=")


def _pieces_of(secret: str) -> set[str]:
    plain = _decoded(secret)[0]
    return {plain[at : at + PIECE] for at in range(len(plain) - PIECE + 1)}


def _decoded(text: str) -> tuple[str, Sequence[int]]:
    """Return a text's UTF-8 in lower case and without percent-encoding, and where in it each byte comes from."""
    if text.isascii() and "%" not in text:
        return text.lower(), range(len(text) + 1)
    plain: list[str] = []
    places: list[int] = []
    for match in _UNIT.finditer(text):
        if match[1]:
            plain.append(chr(int(match[1], 16)))
            places.append(match.start())
        else:
            for place, char in enumerate(match[0], match.start()):
                encoded = char.lower().encode(errors="replace").decode("latin-1")
                plain.append(encoded)
                places += [place] * len(encoded)
    return "".join(plain).translate(_LOWER), [*places, len(text)]
