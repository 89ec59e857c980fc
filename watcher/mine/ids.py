"""Finding ids of models in the bytes of a file: `author/slug`, with a variant, and with `openrouter/` before it.

The dictionary is every model that was ever known. Words with a slash are searched for by the ends of the authors'
names, so most of a file is passed over by the regular expression's own search.
"""

import re
from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from watcher.catalog.model import without_routing

_LONGEST_AUTHOR = 80
_LONGEST = 150
"""Characters of a slug; what is longer is none, and would take long to compare."""
_BEFORE = re.compile(rb"(?:^|\\[nrt]|:-|[^A-Za-z0-9_.@/~%$\\-])((?:openrouter[/:])?(~?[a-z0-9][a-z0-9-]*))$")
"""What stands before the slash. `\\n` does in a string that is escaped, `:-` in `${MODEL:-openai/gpt-4o}`."""
_SLUG = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,%d}" % _LONGEST)
_VARIANT = re.compile(rb":([a-z][a-z0-9-]{0,%d})" % _LONGEST)
_NOT_AFTER = frozenset(b"/*{$@%")
"""What makes a path, a pattern or a template of what stands before it."""
_LIKE_A_MODEL = re.compile(
    r"(?!v\d+$)(?=[^a-z]*[a-z])(?=[^0-9-]*[0-9-])[a-z0-9.-]+(?<!\.[a-z]{2})(?<!\.[a-z]{3})(?<!\.[a-z]{4})"
)
"""A slug that may be that of a model which is not known: a digit or a hyphen, no suffix of a file."""


def meant(written: str, models: Container[str]) -> str:
    """Return the id of the model that is meant: without `openrouter/` before it, and without a routing variant."""
    id = written if written in models or written.count("/") < 2 else written.removeprefix("openrouter/")
    base = without_routing(id)
    return base if id not in models and base in models else id


class Found(NamedTuple):
    """An id in a file."""

    at: int
    """Where it starts."""
    id: str
    sure: bool
    """Whether OpenRouter's name stands before it. Else it may be the name of the same weights at Hugging Face."""


class Dictionary:
    """Every id that was ever known."""

    def __init__(self, models: Mapping[str, str | None]) -> None:
        """`models` maps each id to its id at Hugging Face, if it has one."""
        self._models = models
        self._authors = {model.partition("/")[0].encode() for model in models}
        width = min((3, *map(len, self._authors)))  # what is looked back for has one width
        ends = b"|".join(sorted({re.escape(author[-width:]) for author in self._authors}))
        self._slash = re.compile(rb"/(?<=(?:" + ends + rb")/)(?=[A-Za-z0-9])") if ends else re.compile(rb"(?!)")

    def find(self, data: bytes, *, ours: bool) -> Iterator[Found]:
        """Yield the ids in the data.

        Args:
            data: the contents of a file, `\\/` already replaced by `/`.
            ours: it is about OpenRouter, so an unknown model of a known author is one, too.
        """
        for slash in self._slash.finditer(data):
            at = slash.start()
            start = max(0, at - _LONGEST_AUTHOR)
            before = _BEFORE.search(data[start:at])
            if before is None or before[2] not in self._authors:
                continue
            slug = _SLUG.match(data, at + 1)
            assert slug is not None
            end = slug.end()
            name = slug[0].rstrip(b".")
            if len(name) > _LONGEST or name[-1:] in (b"-", b"_") or (end < len(data) and data[end] in _NOT_AFTER):
                continue
            base = f"{before[2].decode()}/{name.decode()}"
            variant = _VARIANT.match(data, end) if name == slug[0] else None
            prefixed = before[1] != before[2]
            found = self._named(base, variant[1].decode() if variant is not None else "", ours=ours or prefixed)
            if found is not None:
                sure = ours or prefixed or not self._is_shared(found)
                yield Found(start + before.start(1), found, sure)

    def _named(self, base: str, variant: str, *, ours: bool) -> str | None:
        """Return the id that is meant; None if it is none."""
        whole = meant(f"{base}:{variant}" if variant else base, self._models)
        if whole in self._models:
            return whole
        if base in self._models:
            return whole if ours else base
        return whole if ours and _LIKE_A_MODEL.fullmatch(base.partition("/")[2]) else None

    def _is_shared(self, model: str) -> bool:
        """Whether the id is also the name of the weights at Hugging Face, as in `google/gemma-2-9b-it`."""
        return (self._models.get(model) or "").lower() == model.partition(":")[0]
