"""Looking for ids of models in files.

tree → the files → ids in each → those that mean a model of OpenRouter
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from watcher.mine.ids import Dictionary, Found
from watcher.mine.tools import named_models, without_comments
from watcher.mine.tree import File, Tree

_IGNORE = b"watcher: ignore"
_MENTION = (b"openrouter", b"OpenRouter", b"OPENROUTER")
_OTHERS = re.compile(
    rb"litellm|replicate\.(?:run|com)|vertexai|aiplatform|huggingface|(?:import|from) (?:transformers|vllm)"
    rb"|ai-sdk/gateway|ai-gateway|models\.github\.ai|integrate\.api\.nvidia|api\.(?:together|fireworks|deepinfra|groq|novita)\."
)
"""Services and libraries with ids of the same form: `openai/gpt-4o` is a model of OpenAI itself for LiteLLM."""


class Hit(Struct, frozen=True):
    """An id in a line of a file."""

    path: str
    line: int
    """From 1."""
    id: str


class Scan(Struct, frozen=True):
    """What a scan found."""

    hits: Sequence[Hit]
    """In the order of files and lines; each id once a line."""
    files: int
    """How many it looked at."""
    problems: Sequence[str]
    """A sentence for each thing that it could not look at."""
    left_out: Sequence[str]
    """Ids that may be another service's: its name stands in the file and OpenRouter's does not, or they are names at
    Hugging Face, too, in a project that never mentions OpenRouter."""


def scan(
    paths: Sequence[Path],
    dictionary: Dictionary,
    *,
    exclude: Sequence[str] = (),
    seconds: float | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Scan:
    """Look for ids in all files at or below the paths, for so many seconds at most.

    Raises ValueError for an `exclude` that is no pattern of `.gitignore`.
    """
    end = None if seconds is None else monotonic() + seconds
    tree = Tree(exclude, lambda: end is not None and monotonic() > end)
    hits: dict[Hit, tuple[bool, str]] = {}
    ours: set[str] = set()
    for path in paths:
        for file in tree.read(path):
            mentions = any(word in file.data for word in _MENTION)
            if mentions:
                ours.add(file.project)
            in_file = list(_ids(file, dictionary, mentions=mentions))
            elsewhere = in_file and not mentions and _OTHERS.search(file.data)
            for line, found in in_file:
                hit = Hit(file.path, line, found.id)
                sure = found.sure or hits.get(hit, (False, ""))[0]
                hits[hit] = (False, "") if elsewhere else (sure, file.project)
    kept = [hit for hit, (sure, project) in hits.items() if sure or project in ours]
    return Scan(kept, tree.files, tree.problems, sorted({hit.id for hit in hits} - {hit.id for hit in kept}))


def _ids(file: File, dictionary: Dictionary, *, mentions: bool) -> Iterator[tuple[int, Found]]:
    """Yield the ids in a file, with their lines."""
    texts = file.data.split(b"\n") if _IGNORE in file.data else []
    ignored = {number for number, text in enumerate(texts, start=1) if _IGNORE in text}
    strings = named_models(file.path, file.data)
    if strings is not None:
        for line, text in strings:
            if line not in ignored:
                yield from ((line, found) for found in dictionary.find(text.encode("utf-8", "replace"), ours=True))
        return
    data = without_comments(file.path, file.data)
    at, line = 0, 1
    for found in dictionary.find(data, ours=mentions):
        line += data.count(b"\n", at, found.at)
        at = found.at
        if line not in ignored:
            yield line, found
