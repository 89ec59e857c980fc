"""What may be shown of a value that holds a secret."""

import re

HIDDEN = "…(hidden)"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://")
_USERINFO = re.compile(r"(://)[^/?#]*@")
_PASSWORD = re.compile(r"(://[^/?#:]*:)[^/?#]*@")
_PASSWORDS = re.compile(r"([?&](?:ssl)?password=)[^&]*")


def scheme_only(url: str) -> str:
    """`slack://…(hidden)`: in a channel's URL every part but the scheme can be a token."""
    scheme = _SCHEME.match(url)
    return (scheme.group() if scheme else "") + HIDDEN


def without_userinfo(url: str) -> str:
    """The URL with what stands before the `@` of its host hidden."""
    return _USERINFO.sub(rf"\g<1>{HIDDEN}@", url)


def without_password(url: str) -> str:
    """The URL of a database with its password hidden; others stay as they are."""
    if not url.startswith("postgresql://"):
        return url
    return _PASSWORDS.sub(rf"\g<1>{HIDDEN}", _PASSWORD.sub(rf"\g<1>{HIDDEN}@", url))
