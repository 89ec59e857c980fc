"""Whether a channel's URL reaches exactly those whom it names.

Apprise's parsers drop what they do not understand, split at spaces and join what belongs apart, at most with a line in
the log. Such a URL is refused here. The message names the part if it is an address or the like; other parts of the path
can be tokens, so it gives their place.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

import idna

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})*")
_MAILBOX = re.compile(r'(?:(?:"([^"]*)"\s*|([^"<>:@]*))[<:]\s*)?([^\s<>:"]+@[^\s<>:"@]+)>?')
_AUTHORITY = re.compile(r"([^:/?#]+://(?:[^/?#]*@)?)(\[[^\]]*\]|[^/?#:@]*)")
_LONG = 4
"""Letters and digits of a part that a service may write with a prefix or a suffix, such as `u:` or a country's code."""


class UnusableURLError(ValueError):
    """Nobody, or somebody else, would be reached by a channel's URL. The message says why, without any secret.

    `refused`: a plugin was found but refused the URL, and may have logged why.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


_Parts = list[tuple[str, str]]
"""Texts, each with its place in the URL: `to=` of a parameter, `part 2 of its path`, or nothing."""


def check_url_parts(url: str) -> None:
    """Refuse a URL of which Apprise would read only a part. Raises UnusableURLError."""
    if url.count("://") > 1:
        raise UnusableURLError(
            "it holds more than one URL: give each a [[channels]] of its own; in a parameter, write :// as %3A%2F%2F"
        )
    before, parameters = _split(url)
    scheme, _, rest = before.partition("://")
    authority, _, path = rest.partition("/")
    port = authority.rpartition(":")[2]
    if path.strip("/") and not authority:
        raise UnusableURLError("the name of the server is missing after ://")
    if "#" in authority:
        raise UnusableURLError("a # in the user name or the password has to be written as %23")
    unfinished = ":" in authority and not port.isdigit() and not re.search(r"[]@]", authority)
    if unfinished and "@" in path and scheme.lower().startswith("mailto"):  # the path would be taken for addressees
        raise UnusableURLError("a / in the user name or the password has to be written as %2F")
    if unfinished and "@" in url.partition("?")[2].partition("&")[0].partition("=")[0]:
        raise UnusableURLError("a ? in the user name or the password has to be written as %3F")
    if port.isdigit() and ":" in authority and not 0 < int(port[:6]) < 65_536:
        raise UnusableURLError("its port is none: they go from 1 to 65535")
    if authority.rpartition("@")[0].count(":") > 1:
        raise UnusableURLError("a : in the user name or the password has to be written as %3A")
    keys = [key for key, _ in parameters]
    for at, key in enumerate(keys):
        if key in keys[:at]:
            raise UnusableURLError(f"{shown_key(key)} stands in it more than once; put a comma between several values")
        if at and not key.endswith("=") and key[0] not in "+-:":
            raise UnusableURLError(
                f"{shown_key(keys[at - 1])} is cut off at an & or a ;, which have to be written as %26 and %3B; put a "
                "comma between several values"
            )


def check_parameters(url: str, kind: Any) -> None:
    """Refuse a URL with parameters that the plugin would pass over, or take for their opposite.

    Raises UnusableURLError. A plugin names its parameters, but not all of them: one without which it reads the same
    from the URL is none.
    """
    from apprise.utils.parse import parse_bool

    before, _, query = url.partition("?")
    pieces = [piece for piece in re.split("[&;]", query) if piece.strip()]
    for at, (place, value) in enumerate(_split(url)[1]):
        key, argument = place.removesuffix("="), kind.template_args.get(place.removesuffix("="), {})
        if key[:1] in "+-:":
            continue
        if not value.strip():
            raise UnusableURLError(f"{shown_key(place)} is empty")
        if argument.get("type") == "bool" and parse_bool(value, None) is None:  # type: ignore[no-untyped-call]
            raise UnusableURLError(f"{shown_key(place)} has to be yes or no")
        others = f"{before}?{'&'.join(pieces[:at] + pieces[at + 1 :])}".removesuffix("?")
        if key not in kind.template_args and _read_by(kind, url) == _read_by(kind, others):
            as_address = any(extra.get("prefix") == "-" for extra in kind.template_kwargs.values())
            hint = f"; -{key}= would be sent in the address" if as_address and key == shown_key(key) else ""
            raise UnusableURLError(f"{shown_key(place)} is no parameter of this service{hint}")


def _read_by(kind: Any, url: str) -> dict[str, Any]:
    """Return what a plugin reads from a URL, but for the parameters as they came."""
    return {key: value for key, value in (kind.parse_url(url) or {}).items() if not key.startswith("qsd")}


def shown_key(key: str) -> str:
    """Return the name of a parameter as a message shows it: an odd one can be a part of a password with a `?` in it."""
    return key if re.fullmatch("[a-z_]{1,20}=?", key) else "a parameter"


def with_ascii_host(url: str) -> str:
    """Return the URL with its host in the letters of DNS. Raises UnusableURLError."""
    match = _AUTHORITY.match(url)
    if match is None:
        return url
    host = match[2].lower() if match[2].startswith("[") else match[2]
    if not unquote(host).isascii():
        host = ascii_domain(unquote(host))
    return match[1] + host + url[match.end() :]


def ascii_domain(domain: str) -> str:
    """Return a domain in the letters of DNS: `xn--mller-kva.example` for `müller.example`. Raises UnusableURLError."""
    try:
        return domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        raise UnusableURLError(f'"{domain}" is not a domain') from None


def mailboxes(lists: str | Sequence[str] | None) -> list[tuple[str, str]]:
    """Return name and address of each mailbox in one or more lists with commas. Raises UnusableURLError."""
    texts = [lists] if isinstance(lists, str) else lists or []
    items = [item.strip() for text in texts for item in re.findall(r'(?:"[^"]*"|[^,"])+', text)]
    found = [mailbox(item) for item in items if item]
    if lists and not found:
        raise UnusableURLError("a list of addresses in it is empty")
    return found


def mailbox(text: str) -> tuple[str, str]:
    """Return name and address of `ann@example.org`, `Ann <ann@…>` or `Ann:ann@…`. Raises UnusableURLError."""
    match = _MAILBOX.fullmatch(text)
    local, _, domain = match[3].rpartition("@") if match else ("", "", "")
    address = f"{local}@{ascii_domain(domain)}"
    if match is None or not _ADDRESS.fullmatch(address):
        raise UnusableURLError(f'"{text}" is not a mail address; put a comma between several')
    return (match[1] or match[2] or "").strip(), address


def check_targets(url: str, plugin: Any, warnings: Sequence[str]) -> None:
    """Refuse a URL if the plugin has dropped, altered or added anybody. Raises UnusableURLError.

    What a plugin has understood, it writes into a URL of its own; the two are compared, but for spelling. `warnings` is
    what Apprise logged when it made the plugin.
    """
    kind, own = type(plugin), plugin.url(privacy=False)
    parsed, again = kind.parse_url(url), kind.parse_url(own)
    if not parsed or not again:
        return  # the address of a web hook that the service itself shows, such as https://hooks.slack.com/…
    named = [*_items(parsed.get("targets"))]
    understood = [text for _, text in _parts(own)]
    for place, text in _parts(url, _lists(kind)):
        if place.endswith("=") or text in named:
            kept = not any(text in line for line in warnings) and _is_among(text, understood)
            shown = f'"{text}"'
        else:
            kept = _letters(text) in _letters(own)
            shown = place
        if not kept:
            raise UnusableURLError(f"{shown} cannot be used as it stands: Apprise drops or changes it")
    everything = [text for _, text in _parts(url)]
    for target in _items(again.get("targets")) if named else ():  # else it is the service's default
        if not any(_is_among(part, [target]) for part in everything):
            raise UnusableURLError(f'Apprise would also send to "{target}", which the URL does not name')


def _lists(kind: Any) -> set[str]:
    """Return the names of the parameters that name addressees."""
    keys: set[str] = {"cc", "bcc"} & kind.template_args.keys()
    for key, argument in kind.template_args.items():
        to = argument.get("alias_of") or argument.get("map_to") or key
        if to == "targets" or (not isinstance(to, str) and "targets" in to):
            keys.add(key)
    return keys


def _parts(url: str, keys: set[str] | None = None) -> _Parts:
    """Return the parts of the path and of these parameters; None: of all, and user, password and host."""
    before, parameters = _split(url)
    authority, *path = before.partition("://")[2].split("/")
    parts = [(f"part {number} of its path", unquote(text)) for number, text in enumerate(path, start=1)]
    parts += [(key, text) for key, text in parameters if keys is None or key[:-1] in keys]
    if keys is None:
        parts += [("", unquote(text)) for text in re.split("[@:]", authority)]
    return [(place, item) for place, text in parts for item in _items(text)]


def _split(url: str) -> tuple[str, _Parts]:
    """Return the URL before its query, and the parameters as Apprise reads them: `;` is `&`, names in lower case."""
    before, _, query = url.partition("?")
    pairs = [pair.partition("=") for pair in re.split("[&;]", query) if pair.strip()]
    return before, [(unquote(key).strip().lower() + equals, unquote(value)) for key, equals, value in pairs]


def _items(value: object) -> Iterator[str]:
    """Yield the elements of a list, however it is written."""
    if isinstance(value, str):
        yield from (item.strip() for item in re.split("[,;]", value) if _letters(item))
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _items(item)


def _is_among(text: str, others: Sequence[str]) -> bool:
    """Return whether a part is among others, however a service spells it."""
    letters, known = _key(text), {_key(other) for other in others}
    if letters in known or "@" in text[1:]:
        return letters in known
    if any(letters in re.split(r"[\W_]", other.casefold()) for other in others):
        return True
    if len(letters) >= _LONG and any(other.startswith(letters) or other.endswith(letters) for other in known):
        return True
    one_word = not re.search(r"\s", text)
    return one_word and any(len(other) >= _LONG and letters.endswith(other) for other in known)


def _key(text: str) -> str:
    """Return the letters that count: of a mailbox without the name, of a number without the zeros before it."""
    match = _MAILBOX.fullmatch(text)
    letters = _letters(match[3] if match else text)
    return letters.lstrip("0") if letters.isdigit() else letters


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", unquote(text)).casefold()
