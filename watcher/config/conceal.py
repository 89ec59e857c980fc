"""What may be shown of a value that holds a secret."""

import re

HIDDEN = "…(hidden)"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://")
_USERINFO = re.compile(r"(://)[^/?#]*@")


def scheme_only(url: str) -> str:
    """`slack://…(hidden)`: in a channel's URL every part but the scheme can be a token."""
    scheme = _SCHEME.match(url)
    return (scheme.group() if scheme else "") + HIDDEN


def without_userinfo(url: str) -> str:
    """The URL with what stands before the `@` of its host hidden."""
    return _USERINFO.sub(rf"\g<1>{HIDDEN}@", url)
