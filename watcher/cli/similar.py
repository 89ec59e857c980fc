"""Model ids similar to a mistyped one."""

from collections.abc import Sequence

from watcher.messages.text import visible

SHOWN = 5


def did_you_mean(wanted: str, known: Sequence[str]) -> str:
    """Return `; did you mean …?` with the ids that hold what was typed, else those most like it; or nothing."""
    from difflib import get_close_matches

    word = wanted.casefold()
    found = [name for name in known if word in name.casefold()] or get_close_matches(word, known, n=SHOWN)
    return f"; did you mean {', '.join(visible(name) for name in found[:SHOWN])}?" if found else ""
