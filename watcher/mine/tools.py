"""Files in which tools name models in their own way: LiteLLM, opencode, aider and Continue, and `.env`.

In these, `openai/gpt-4o` is a model of OpenAI itself unless the file says that OpenRouter is meant: by a prefix, by a
provider or an address beside it, or by a key above it.
"""

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

OURS = "openrouter"
_DEEPEST = 100
_NAMES = re.compile(r"opencode\.jsonc?|\.aider[^/]*\.(yml|yaml|json)")
_ENV = re.compile(r"(.*\.)?env(\..*)?")
_NO_LINES = re.compile(rb"(?m)^[ \t]*//.*$|\t|\r(?!\n)|\xc2\x85|\xe2\x80[\xa8\xa9]")
"""Comments, tabs, and what ends a line for YAML alone: lines are counted by `\\n`."""
_UNUSED = re.compile(rb"(?m)(^|(?<=\s))#.*$")


def without_comments(path: str, data: bytes) -> bytes:
    """Return the data of a `.env` file without its comments, of any other file as it is."""
    return _UNUSED.sub(b"", data) if _ENV.fullmatch(PurePath(path).name) else data


def named_models(path: str, data: bytes) -> list[tuple[int, str]] | None:
    """Return the strings that may name models of OpenRouter, with their lines; None: it is no such file."""
    pure = PurePath(path)
    is_litellm = pure.suffix in (".yml", ".yaml") and re.search(rb"(?m)^model_list\s*:", data)
    is_continue = ".continue" in pure.parts and pure.suffix in (".yml", ".yaml", ".json")
    if not (is_litellm or is_continue or _NAMES.fullmatch(pure.name)):
        return None
    root = _tree(_NO_LINES.sub(b" ", data))
    return None if root is None else list(_strings(root, False, set()))


def _tree(data: bytes) -> Any:
    """Return the root of a YAML or JSON document; None if it cannot be read."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = data.decode("utf-8-sig", "replace")
        depth = 0
        for event in yaml.parse(text, Loader=loader):  # what composes the tree is recursive, and would crash
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                return None
        return yaml.compose(text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _strings(node: Any, ours: bool, seen: set[int]) -> Iterator[tuple[int, str]]:
    if id(node) in seen:  # by an alias
        return
    seen.add(id(node))
    if node.id == "scalar":
        line, value = node.start_mark.line + 1, node.value
        if value.startswith(f"{OURS}/"):
            yield line, value
        elif ours:  # a prefix names the kind of API: openai/anthropic/claude-sonnet-4
            yield line, value.partition("/")[2] if value.count("/") > 1 else value
        return
    pairs = node.value if node.id == "mapping" else [(None, child) for child in node.value]
    ours = ours or _says_openrouter(pairs)
    for key, value in pairs:
        here = ours or (key is not None and key.value == OURS)
        if key is not None:
            yield from _strings(key, ours, seen)
        yield from _strings(value, here, seen)


def _says_openrouter(pairs: list[tuple[Any, Any]]) -> bool:
    for key, value in pairs:
        if key is not None and value.id == "scalar":
            written = value.value.lower()
            if written == OURS or "openrouter.ai" in written:
                return True
        if key is not None and key.value == "options" and value.id == "mapping" and _says_openrouter(value.value):
            return True
    return False
