"""Jinja2 for templates that others wrote: nothing to reach but the variables, and bounds on time and memory.

Jinja2's own sandbox keeps a template from Python's internals, but bounds neither. Here

- only what is named in this module can be called: a few filters, a few methods of strings, `range`, `namespace`;
- every value that an expression makes is measured, alone and together with all before it, so that no single step in
  C (`'x' * 10**9`, `'%999999d'`, a list of itself over and over) takes long or much;
- the thread of a rendering is traced, and stopped once it has used its time of the processor.

All text is escaped where it is put out or joined with markup. That is not left to Jinja2's autoescaping, which knows
HTML alone.

Imported only when there is a template, since Jinja2 costs 74 ms.
"""

import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import wraps
from time import thread_time
from types import FrameType
from typing import Any, TypeVar

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes, pass_eval_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.filters import FILTERS
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.utils import Namespace
from markupsafe import Markup

from watcher.messages import prices
from watcher.messages.document import Format, escape
from watcher.messages.text import clean
from watcher.messages.variables import Facts, Link, Variable
from watcher.messages.wording import day_text, moment_text

T = TypeVar("T")

MOST_OUTPUT = 512 * 1024
"""Characters of what a template gives: more than all messages of one sending may hold."""
MOST_VALUE = 256 * 1024
"""Size of one value, in characters; an element of a list counts `_ELEMENT`."""
MOST_WORK = 32 * 1024 * 1024
"""Size of all values of one rendering together."""
MOST_RANGE = 10_000
MOST_BITS = 4096
"""Of a whole number."""
MOST_DEPTH = 20
"""Of lists within lists."""
_ELEMENT = 8
_STEP = 128
"""What a value costs beside its size: what Python needs for the smallest."""
_TICKS = 32
"""Lines and calls of Python between two looks at the clock."""

_NAME = "<template>"


class TemplateProblemError(Exception):
    """A template cannot be used; the message says why in a few words without a full stop."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)


class _TooMuchError(TemplateError):
    """It went beyond a bound."""


class _TooSlowError(BaseException):
    """Its time is up. No `except Exception` of Jinja2 shall hold it."""


# Time


class _Clock:
    """How much of the processor the thread of a rendering may still use."""

    def __init__(self, seconds: float) -> None:
        self._end = thread_time() + seconds
        self._ticks = 0

    def check(self) -> None:
        if thread_time() > self._end:
            raise _TooSlowError

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        self._ticks += 1
        if not self._ticks % _TICKS:
            self.check()
        # Each line of the template is watched, and elsewhere each call, which is much cheaper.
        return self.trace if frame.f_code.co_filename == _NAME else None


def within(seconds: float, work: Callable[["Meter"], T]) -> tuple[T, float]:
    """Run `work` in a thread of its own, for so many seconds of processor time and some times as many of waiting.

    Returns:
        What `work` returned, and the seconds of processor time that it took.

    Raises:
        TemplateProblemError: it took longer, or anything was wrong with the template. What is still busy then, inside
            of one step in C, is left to itself; it ends with that step.
    """
    outcome: list[tuple[T, float] | BaseException] = []

    def run() -> None:
        clock = _Clock(seconds)
        sys.settrace(clock.trace)
        try:
            outcome.append((work(Meter(clock)), thread_time()))
        except BaseException as error:
            outcome.append(error)
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=run, name="watcher-template", daemon=True)
    thread.start()
    # Others may be using the processor; a template that waits for its turn is not too slow.
    thread.join(max(5 * seconds, 1))
    result = outcome[0] if outcome else _TooSlowError()
    if isinstance(result, BaseException):
        raise _problem(result) from None
    return result


def _problem(error: BaseException) -> TemplateProblemError:
    line = error.lineno if isinstance(error, TemplateSyntaxError) else _line(error)
    match error:
        case TemplateProblemError():
            return error
        case _TooSlowError():
            return TemplateProblemError("it takes too long", line)
        case RecursionError() | SyntaxError():  # Python refuses what it cannot nest
            return TemplateProblemError("it calls itself without end, or is nested too deep", line)
        case MemoryError():
            return TemplateProblemError("it needs too much memory", line)
        case ZeroDivisionError():
            return TemplateProblemError("division by zero", line)
        case TemplateError():
            return TemplateProblemError(clean(error.message or "it cannot be read", 200).rstrip("."), line)
        case _:
            return TemplateProblemError(clean(str(error) or type(error).__name__, 200).rstrip("."), line)


def _line(error: BaseException) -> int | None:
    """Return the line of the template in which it went wrong, the innermost."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if trace.tb_frame.f_code.co_filename == _NAME and template is not None:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


# Memory


class Meter:
    """What one rendering has used."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._work = 0

    def spend(self, size: int) -> None:
        """Count a value of this size."""
        self._clock.check()
        if size > MOST_VALUE:
            raise _TooMuchError(f"a value is larger than {MOST_VALUE // 1024} KiB")
        self._work += size + _STEP
        if self._work > MOST_WORK:
            raise _TooMuchError(f"its values together are larger than {MOST_WORK // 1024 // 1024} MiB")


def _size(value: object, depth: int = 0) -> int:
    """Return the size of a value with all that is in it, counted as a tree; it stops once that is too much."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, int):
        if value.bit_length() > MOST_BITS:
            raise _TooMuchError(f"a number has more than {MOST_BITS} bits")
        return 1
    if not isinstance(value, list | tuple | dict | set | frozenset):
        return 1
    if depth == MOST_DEPTH:
        raise _TooMuchError(f"lists are nested deeper than {MOST_DEPTH}")
    size = 0
    for item in value:
        size += _ELEMENT + _size(item, depth + 1)
        if isinstance(value, dict):
            size += _size(value[item], depth + 1)
        if size > MOST_VALUE:
            break
    return size


# Code


class _Generator(CodeGenerator):
    """Has values measured where Jinja2's own code makes them without asking the environment."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.concatenated((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def _measured(self, visit: Callable[[Any, Frame], None], node: nodes.Node, frame: Frame) -> None:
        self.write("environment.measured(")
        visit(node, frame)
        self.write(")")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802
        self._measured(super().visit_List, node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        self._measured(super().visit_Dict, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        if node.ctx == "load":
            self._measured(super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802
        if isinstance(node.arg, nodes.Slice):
            self._measured(super().visit_Getitem, node, frame)
        else:
            super().visit_Getitem(node, frame)


_BANNED: Mapping[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
    nodes.ScopedEvalContextModifier: "autoescape",
}

_STRING_METHODS = frozenset(
    {
        *("capitalize", "count", "endswith", "find", "isdigit", "lower", "lstrip", "partition", "removeprefix"),
        *("removesuffix", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "title"),
        "upper",
    }
)
_MAPPING_METHODS = frozenset({"get", "items", "keys", "values"})
_LOOP_NAMES = frozenset(
    {
        *("changed", "cycle", "depth", "depth0", "first", "index", "index0", "last", "length", "nextitem"),
        *("previtem", "revindex", "revindex0"),
    }
)
_MOMENT_NAMES = frozenset({"year", "month", "day", "hour", "minute"})
_GROUP_NAMES = frozenset({"grouper", "list"})


class Environment(ImmutableSandboxedEnvironment):
    """The templates of one format. `meter` must be set before anything is rendered."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, format: Format, meter: Meter) -> None:
        super().__init__(
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_finalize,
            optimized=False,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=0,
        )
        self.format = format
        self.meter = meter
        self.globals = {"range": _range, "namespace": Namespace}
        self.filters = {name: self._metered(function) for name, function in _filters(self).items()}
        self.tests = {name: TESTS[name] for name in _TEST_NAMES}

    def render(self, source: str, variables: dict[str, Any]) -> str:
        """Return what the template gives. Raises whatever is wrong with it."""
        tree = self.parse(source, filename=_NAME)
        for node in tree.find_all(tuple(_BANNED)):
            raise TemplateSyntaxError(f"'{_BANNED[type(node)]}' is not available", node.lineno)
        template = self.from_string(tree)
        context = template.new_context(variables)
        pieces: list[str] = []
        size = 0
        for piece in template.root_render_func(context):
            size += len(piece)
            if size > MOST_OUTPUT:
                raise _TooMuchError(f"it gives more than {MOST_OUTPUT // 1024} KiB of text")
            pieces.append(piece)
        return "".join(pieces)

    # What it may reach

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return `obj.attribute`."""
        return self._look_up(obj, attribute, methods_first=True)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return `obj[argument]`."""
        if isinstance(argument, str):
            return self._look_up(obj, argument, methods_first=False)
        if isinstance(obj, str | list | tuple | dict | range):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                return self.undefined(f"there is no element {clean(argument, 40)}")
        return self.undefined(f"{_noun(obj)} has no elements")

    def _look_up(self, obj: Any, name: str, *, methods_first: bool) -> Any:
        if isinstance(obj, Undefined):
            return getattr(obj, "undefined")  # noqa: B009 - raises, saying what is undefined
        if name.startswith("_"):
            raise SecurityError(f"{clean(name, 60)!r}: names that begin with _ are not available")
        if isinstance(obj, dict):
            if methods_first and name in _MAPPING_METHODS:
                return getattr(obj, name)
            if name in obj:
                return obj[name]
            if name in _MAPPING_METHODS:
                return getattr(obj, name)
            return None if isinstance(obj, Facts) else self._nothing(obj, name)
        if isinstance(obj, Namespace):
            try:
                return getattr(obj, name)
            except AttributeError:
                return self._nothing(obj, name)
        return getattr(obj, name) if name in _names_of(obj) else self._nothing(obj, name)

    def _nothing(self, obj: object, name: str) -> Undefined:
        known = obj.__struct_fields__ if isinstance(obj, Variable) else ()
        has = f"; it has {', '.join(known)}" if known else ""
        return self.undefined(f"{_noun(obj)} has no {clean(name, 60)!r}{has}")

    # What it may make

    def measured(self, value: T) -> T:
        """Return the value, if it is not too large."""
        self.meter.spend(_size(value))
        return value

    def call(self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call what the template calls; `_look_up` gave it nothing that must not be called."""
        return self.measured(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return `left operator right`."""
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            return self.binop_table[operator](left, right)  # raises, saying what is undefined
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return self.concatenated((left, right))
        if operator == "*":
            _may_multiply(left, right)
        elif operator == "**":
            _may_raise(left, right)
        elif operator == "%" and not isinstance(left, int | float):
            raise _TooMuchError("'%' is for numbers; texts are joined with ~")
        return self.measured(self.binop_table[operator](left, right))

    def concatenated(self, parts: Sequence[Any]) -> str:
        """Return the parts as one text; once one of them is markup, the others are escaped."""
        if any(isinstance(part, Markup | Link) for part in parts):
            return _markup(self.concat([self.escaped(part) for part in parts]))
        return self.concat([text_of(part) for part in parts])

    def escaped(self, value: Any) -> Markup:
        """Return the value as text in which nothing is markup, but what was it already."""
        if isinstance(value, Markup):
            return value
        text = text_of(value)
        if isinstance(value, Link):
            plain = self.format in (Format.TEXT, Format.MARKDOWN)
            return _markup(text if plain else text.replace("&", "&amp;"))
        return _markup(self.measured(escape(text, self.format)))

    def concat(self, parts: Iterable[str]) -> str:
        """Return the parts, already text, as one; Jinja2 calls it for all that is put out within a macro or a block."""
        parts = list(parts)
        self.meter.spend(sum(map(len, parts)))
        return "".join(parts)

    def _metered(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)  # with Jinja2's mark of what to pass it
        def metered(*args: Any, **kwargs: Any) -> Any:
            return self.measured(function(*args, **kwargs))

        return metered


def _markup(text: str) -> Markup:
    return Markup(text)  # noqa: S704 - escaped for its format by the caller


@pass_eval_context  # so that Jinja2 does not try it on constants when it compiles
def _finalize(context: EvalContext, value: Any) -> Markup:
    environment = context.environment
    assert isinstance(environment, Environment)
    return environment.escaped(value)


def _names_of(obj: object) -> frozenset[str] | tuple[str, ...]:
    match obj:
        case Variable():
            return obj.__struct_fields__
        case str():
            return _STRING_METHODS
        case LoopContext():
            return _LOOP_NAMES
        case datetime():
            return _MOMENT_NAMES
        case tuple() if hasattr(obj, "grouper"):
            return _GROUP_NAMES
        case _:
            return ()


_NOUNS: Mapping[str, str] = {"Told": "an event", "Offer": "an offer", "Alternative": "an alternative"}


def _noun(obj: object) -> str:
    name = type(obj).__name__
    if obj is None:
        return "None"
    return _NOUNS.get(name, f"a {name.lower()}")


def text_of(value: object) -> str:
    """Return a value as text. Raises TypeError for what has none, such as an event or lists within a list."""
    match value:
        case Undefined() | str():
            return str(value)  # raises, saying what is undefined
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return str(value)
        case datetime():
            return moment_text(value)
        case list() | tuple() if not any(isinstance(item, list | tuple | dict) for item in value):
            return ", ".join(map(text_of, value))
        case _:
            raise TypeError(f"{_noun(value)} is no text; name a part of it")


def _may_multiply(left: object, right: object) -> None:
    for value, times in ((left, right), (right, left)):
        if (
            isinstance(times, int)
            and isinstance(value, str | list | tuple)
            and times * max(_size(value), 1) > MOST_VALUE
        ):
            raise _TooMuchError(f"a value is larger than {MOST_VALUE // 1024} KiB")


def _may_raise(base: object, exponent: object) -> None:
    if isinstance(base, int) and isinstance(exponent, int) and abs(exponent) * base.bit_length() > MOST_BITS:
        raise _TooMuchError(f"a number has more than {MOST_BITS} bits")


def _range(*args: int) -> range:
    numbers = range(*args)
    if numbers[MOST_RANGE : MOST_RANGE + 1]:
        raise _TooMuchError(f"a range has more than {MOST_RANGE} numbers")
    return numbers


# Filters and tests

_TEST_NAMES = (
    *("boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "greaterthan", "gt", "in"),
    *("integer", "iterable", "le", "lessthan", "lt", "mapping", "ne", "none", "number", "odd", "sequence", "string"),
    *("true", "undefined", "==", "!=", ">", ">=", "<", "<="),
)

_JINJA_FILTERS = (
    *("abs", "count", "d", "default", "dictsort", "first", "float", "groupby", "int", "items", "last", "length"),
    *("list", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "unique"),
)
"""Of Jinja2's own those that make nothing larger than what they are given."""


def _filters(environment: Environment) -> dict[str, Callable[..., Any]]:
    def on_text(method: Callable[[str], str]) -> Callable[[Any], str]:
        # A method of markup gives markup.
        return lambda value: method(value if isinstance(value, Markup) else text_of(value))

    def each(values: Iterable[Any], attribute: str | int | None) -> Iterator[Any]:
        for value in values:
            environment.meter.spend(1)
            item = value
            for name in str(attribute).split(".") if attribute is not None else ():
                item = environment.getitem(item, int(name) if name.isdigit() else name)
            yield item

    def join(values: Iterable[Any], separator: str = "", attribute: str | int | None = None) -> str:
        parts: list[Any] = []
        for item in each(values, attribute):
            parts += (separator, item) if parts else (item,)
        return environment.concatenated(parts)

    def total(values: Iterable[Any], attribute: str | int | None = None) -> Any:
        numbers = list(each(values, attribute))
        if not all(isinstance(number, int | float) for number in numbers):
            raise TypeError("sum is for numbers")
        return sum(numbers)

    def replace(value: Any, old: str, new: str) -> str:
        text, old, new = _plain("replace", value), text_of(old), text_of(new)
        environment.meter.spend(len(text) + (len(text) // max(len(old), 1) + 1) * len(new))
        return text.replace(old, new)

    def indent(value: Any, width: int = 4, first: bool = False) -> str:
        space = " " * min(max(int(width), 0), 40)
        lines = (value if isinstance(value, Markup) else text_of(value)).split("\n")
        environment.meter.spend(sum(map(len, lines)) + len(lines) * (len(space) + 1))
        text = "\n".join(f"{space}{line}" if line and (at or first) else str(line) for at, line in enumerate(lines))
        return _markup(text) if isinstance(value, Markup) else text

    return {
        **{name: FILTERS[name] for name in _JINJA_FILTERS},
        "capitalize": on_text(lambda text: text.capitalize()),
        "date": _date,
        "e": environment.escaped,
        "escape": environment.escaped,
        "indent": indent,
        "join": join,
        "lower": on_text(lambda text: text.lower()),
        "money": _money,
        "percent": _percent,
        "replace": replace,
        "round": _round,
        "string": on_text(lambda text: text),
        "sum": total,
        "title": on_text(lambda text: text.title()),
        "trim": on_text(lambda text: text.strip()),
        "truncate": _truncate,
        "upper": on_text(lambda text: text.upper()),
        "wordcount": lambda value: len(text_of(value).split()),
    }


def _plain(what: str, value: Any) -> str:
    if isinstance(value, Markup):
        raise TypeError(f"{what} would break the markup of this text; use it on a part of an event")
    return text_of(value)


def _truncate(value: Any, length: int = 80, end: str = "…") -> str:
    text, end = _plain("truncate", value), text_of(end)
    return text if len(text) <= length else text[: max(length - len(end), 0)].rstrip() + end


def _round(value: float, digits: int = 0) -> float:
    return round(float(value), min(max(int(digits), -10), 10))


def _money(value: Any, per: int = 1) -> str:
    """`{{ price.new|money(1000000) }}`: an amount in USD, times `per`."""
    if value is None:
        return "unknown"
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > 64:
        raise TypeError("money is for an amount in USD")
    try:
        amount = Decimal(str(value)) * int(per)
    except InvalidOperation:
        return str(value)  # varies, or a day schedule
    if not amount.is_finite() or (amount and abs(amount.adjusted()) > 40):
        raise TypeError("money is for an amount in USD")
    return prices.money(amount) if amount else "free"


def _percent(value: Any, digits: int = 2) -> str:
    """`{{ price.change|percent(0) }}`: a change such as `-16.67%` as `−17 %`; None is nothing."""
    if value is None:
        return ""
    text = str(value)
    if not re.fullmatch(r"[+-]?\d{1,18}(\.\d{1,18})?%?", text):
        raise TypeError("percent is for a change such as -16.67%")
    return prices.percentage(text, min(max(int(digits), 0), 10))


def _date(value: Any, layout: str | None = None) -> str:
    """`{{ event.since|date("%d.%m.%Y") }}`: a moment (UTC) or a day of the API; None is nothing."""
    if value is None:
        return ""
    if layout is None:
        return moment_text(value) if isinstance(value, datetime) else day_text(value)
    moment = value if isinstance(value, datetime) else _day(value)
    # `%999999d` is a date of that length in C.
    if len(layout) > 100 or re.search(r"%(?![aAbBdeHIjmMpSuUVyYZ%])", layout):
        raise TypeError("date knows %a %A %b %B %d %e %H %I %j %m %M %p %S %u %U %V %y %Y %Z")
    return moment.strftime(layout)


def _day(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(value)[:10])
    except ValueError:
        raise TypeError("date is for a moment or a day such as 2026-01-20") from None


__all__ = ["Environment", "Meter", "TemplateProblemError", "within"]
