"""Every regular expression of the program is done with a megabyte of crafted text within a second.

They are taken from the source, wherever they stand. The texts are made of what each expression looks for: its words and
one character of each of its classes, alone and in pairs, repeated, with an end that does not match.
"""

import ast
import re
import re._parser as parser  # type: ignore[import-not-found]
import signal
import time
from collections import deque
from collections.abc import Iterator
from importlib import import_module
from itertools import permutations
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NamedTuple

import pytest

import watcher
from watcher.delivery.diagnosis import _SOCKET_REASONS
from watcher.mine.ids import Dictionary

PACKAGE = Path(watcher.__file__).parent
FUNCTIONS = ("compile", "sub", "subn", "match", "search", "fullmatch", "split", "findall", "finditer")
MEGABYTE = 1024 * 1024
SHORT = 16 * 1024
"""A step for each pair of characters takes seconds for this many, and one for each character a millisecond."""
GIVEN = {
    "watcher/api/selection.py: f'\\\\b(?:{words})'",  # found as they are compiled
    "watcher/config/parse.py: pattern",  # for one value of the configuration
    "watcher/delivery/diagnosis.py: pattern",  # `_SOCKET_REASONS`
    "watcher/mine/ids.py: b'/(?<=(?:' + ends + b')/)(?=[A-Za-z0-9])'",  # `Dictionary`
    "watcher/redaction.py: re.escape(_decoded(part)[0])",  # a plain text
    "watcher/upstream/client.py: pattern",  # `SECONDS`
}
"""Expressions that a variable gives."""


class Use(NamedTuple):
    """An expression, and how it is used."""

    where: str
    pattern: re.Pattern[Any]
    function: str


def modules() -> Iterator[tuple[ModuleType, ast.Module]]:
    """Yield each module with expressions, and its tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        if not name.endswith("__main__"):
            module, source = import_module(name), path.read_text()
            if re.search(r"\bre\.", source) or any(True for _ in patterns_in(list(vars(module).values()))):
                yield module, ast.parse(source)


def patterns_in(value: object) -> Iterator[re.Pattern[Any]]:
    """Return the compiled expressions in a value of a module, in tables of them, too."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from patterns_in(item)
    elif isinstance(value, dict):
        yield from patterns_in(list(value.values()))


def uses() -> tuple[list[Use], set[str]]:
    """Return how expressions are used, and where one is given by a variable."""
    found, unknown = list[Use](), set[str]()
    for module, tree in modules():
        assert module.__file__ is not None
        path = str(Path(module.__file__).relative_to(PACKAGE.parent))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
        functions: dict[str, set[str]] = {}
        for call in calls:
            assert isinstance(call.func, ast.Attribute)
            owner = call.func.value
            if isinstance(owner, ast.Name) and owner.id == "re" and call.func.attr in FUNCTIONS:
                given = ast.unparse(call.args[0])
                try:
                    pattern = eval(given, dict(vars(module)))
                except NameError:
                    unknown.add(f"{path}: {given}")
                    continue
                if call.func.attr != "compile":
                    found.append(Use(f"{path}:{call.lineno}", re.compile(pattern), call.func.attr))
            elif isinstance(owner, ast.Name):
                functions.setdefault(owner.id, set()).add(call.func.attr)
        for name, value in vars(module).items():
            how = sorted(functions.get(name, set()) & set(FUNCTIONS)) or ["search"]
            found += [Use(f"{path}: {name}", one, each) for one in patterns_in(value) for each in how]
    return found, unknown


USES, UNKNOWN = uses()
SECONDS = (r"(?:^|[\s,])max-age=(\d{1,9})(?!\d)", r"^\s*(\d{1,9})\s*$")
USES += [Use(f"given: {given}", re.compile(given, re.IGNORECASE), "search") for given in (*_SOCKET_REASONS, *SECONDS)]
USES.append(Use("given: authors", Dictionary({"openai/gpt-4o": None, "~qwen/qwen3": None})._slash, "finditer"))


def test_every_expression_is_tried() -> None:
    assert len(USES) > 30
    assert UNKNOWN <= GIVEN


def words(pattern: re.Pattern[Any]) -> list[str]:
    """Return the words that an expression looks for, and one character of each class."""
    found: dict[str, None] = {}

    def visit(tree: Any) -> None:
        literal = ""
        for kind, value in tree:
            if str(kind) == "LITERAL":
                literal += chr(value)
                found[chr(value)] = None
                continue
            if literal:
                found[literal] = None
            literal = ""
            match str(kind):
                case "IN":
                    visit_class(value)
                case "NOT_LITERAL" | "ANY":
                    found["x"] = None
                case "SUBPATTERN":
                    visit(value[-1])
                case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                    visit(value[-1])
                case "BRANCH":
                    for branch in value[1]:
                        visit(branch)
                case "ASSERT" | "ASSERT_NOT":
                    visit(value[1])
                case "ATOMIC_GROUP":
                    visit(value)
        if literal:
            found[literal] = None

    def visit_class(members: Any) -> None:
        for kind, value in members:
            match str(kind):
                case "LITERAL":
                    found[chr(value)] = None
                case "RANGE":
                    found[chr(value[0])] = None
                case "CATEGORY":
                    found[{"DIGIT": "0", "SPACE": " ", "WORD": "a"}.get(str(value).rpartition("_")[2], "x")] = None
                case "NEGATE":
                    found["x"] = None

    visit(parser.parse(pattern.pattern, pattern.flags))
    return [*found, "x", " "]


def texts(pattern: re.Pattern[Any]) -> Iterator[tuple[str, int]]:
    """Return crafted texts, each with a description."""
    known = list(dict.fromkeys(words(pattern)))
    for word in known[:6]:
        yield word * (MEGABYTE // len(word)), MEGABYTE
    for one, other in permutations(known[:7], 2):
        both = one + other
        yield both * (SHORT // len(both)), SHORT
        yield one + other * (SHORT // len(other)), SHORT


def alarm(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


@pytest.mark.slow
@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.where} {use.function}")
def test_an_expression_takes_a_second_at_most_for_a_megabyte(use: Use) -> None:
    before = signal.signal(signal.SIGVTALRM, alarm)
    try:
        for text, length in texts(use.pattern):
            crafted: Any = f"{text}\x00"
            if isinstance(use.pattern.pattern, bytes):
                crafted = crafted.encode("latin-1", "replace")
            signal.setitimer(signal.ITIMER_VIRTUAL, 1.0 if length == MEGABYTE else 0.2)  # of this process's own time
            began = time.process_time()
            try:
                replacement = (crafted[:0],) if use.function in ("sub", "subn") else ()
                made = getattr(use.pattern, use.function)(*replacement, crafted)
                if use.function == "finditer":
                    deque(made, maxlen=0)
            except TimeoutError:
                pytest.fail(f"{use.pattern.pattern!r} took {time.process_time() - began:.1f} s for {text[:20]!r}…")
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    finally:
        signal.signal(signal.SIGVTALRM, before)
