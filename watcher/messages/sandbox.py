"""Jinja2 for the templates of users: its sandbox, escaping for the channel's format, and bounds on length and time.

Jinja2's own autoescaping knows HTML alone. So every value is escaped here, when it is printed or joined with markup;
`Markup` marks a text that is already in the channel's format.

Imported only when there is a template: Jinja2 takes 74 ms to import.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from functools import lru_cache
from traceback import walk_tb
from types import CodeType
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes, pass_context, pass_eval_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import Template
from jinja2.exceptions import SecurityError
from jinja2.filters import make_attrgetter
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
from jinja2.utils import Namespace
from markupsafe import Markup

from watcher.messages.document import Format, escape
from watcher.messages.filters import FILTERS, MAX_TEXT, text_of
from watcher.messages.template import TemplateFailedError
from watcher.messages.text import clean
from watcher.messages.variables import Link, View

MAX_SOURCE = 64 * 1024
"""Characters of a template."""
_TOO_MUCH = f"it gives more than {MAX_TEXT // 1024} KiB of text"

_NAME = "<template>"
"""Jinja2's name for the file of a template that is not in a file."""


def render(source: str, variables: Mapping[str, Any], format: Format, deadline: float) -> str:
    """Return the rendered template, with every value escaped for `format`.

    `deadline` is a moment of the monotonic clock. Every turn of a loop and every call check it.

    Raises TemplateFailedError if anything is wrong with the template, or it goes beyond a bound.
    """
    if len(source) > MAX_SOURCE:
        raise TemplateFailedError(f"it is longer than {MAX_SOURCE // 1024} KiB")
    environment = Environment(format, deadline)
    pieces: list[str] = []
    size = 0
    try:
        for piece in environment.load(source).generate(variables):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_TEXT:
                raise SecurityError(_TOO_MUCH)
    except Exception as error:  # a template can make Python and Jinja2 raise anything
        raise _problem(error) from None
    return "".join(pieces).encode(errors="replace").decode()


def _problem(error: Exception) -> TemplateFailedError:
    line = error.lineno if isinstance(error, TemplateSyntaxError) else None
    for frame, number in walk_tb(error.__traceback__):  # Jinja2 has put the lines of the template into it
        if frame.f_code.co_filename == _NAME:
            line = number
    message = error.message if isinstance(error, TemplateError) else str(error)
    reason = clean(message or type(error).__name__, 200).rstrip(".")
    return TemplateFailedError(f"line {line}: {reason}" if line else reason)


class _Missing(StrictUndefined):
    """A name that does not exist. Any use of it is an error that lists the names there are."""

    @property
    def _undefined_message(self) -> str:
        owner = self._undefined_obj
        if self._undefined_hint is None and isinstance(owner, View):
            return f"{owner} has no {clean(self._undefined_name, 60)!r}; it has {', '.join(owner)}"
        return super()._undefined_message


class _Generator(CodeGenerator):
    """Has `~` escape for the format; Jinja2 would escape for HTML."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.concatenate((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


_UNAVAILABLE = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.ScopedEvalContextModifier)
_METHODS = frozenset({"format", "format_map"}) | {
    *("center", "encode", "expandtabs", "join", "ljust", "maketrans", "replace", "rjust", "strftime", "to_bytes"),
    *("translate", "zfill"),
}
"""Methods that a template cannot use: they reach attributes, or make a text of any length in one step."""
_MAX_BITS = 4096
"""Of a whole number: arithmetic with longer ones takes long, and no other thread can run meanwhile."""


class Environment(ImmutableSandboxedEnvironment):
    """The templates of one rendering."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "*", "%", "**"})

    def __init__(self, format: Format, deadline: float) -> None:
        super().__init__(
            autoescape=True,
            undefined=_Missing,
            finalize=self._finalize,
            optimized=False,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=0,
        )
        self._format = format
        self._deadline = deadline
        self.globals = {"range": safe_range, "namespace": Namespace}
        self.filters = {**FILTERS, "e": self.escape, "escape": self.escape, "join": self._join}
        for name in ("map", "reject", "rejectattr", "select", "selectattr"):
            self.filters[name] = self._until_deadline(FILTERS[name])

    def load(self, source: str) -> Template:
        """Return the template. Raises TemplateSyntaxError."""
        return Template.from_code(self, _compiled(source), self.make_globals(None))

    def in_time(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield the values of a loop until the deadline."""
        for value in values:
            self._check_time()
            yield value

    def call(self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call what the template calls, until the deadline."""
        self._check_time()
        return super().call(__context, __obj, *args, **kwargs)

    def _until_deadline(self, filter: Callable[..., Any]) -> Callable[..., Any]:
        @pass_context
        def limited(context: Context, values: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
            return filter(context, self.in_time(values), *args, **kwargs)

        return limited

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise SecurityError("it takes too long")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether the template may use the attribute. `Markup` has none to use: its methods escape for HTML."""
        return super().is_safe_attribute(obj, attr, value) and not isinstance(obj, Markup) and attr not in _METHODS

    def wrap_str_format(self, value: Any) -> None:
        """Leave `str.format` to `is_safe_attribute`: Jinja2 would let it pass, and escape for HTML."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return `left operator right`."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return self.concatenate((left, right))
        if operator == "%" and isinstance(left, str):
            raise SecurityError("'%' is for numbers; join texts with ~")
        if operator == "**":  # 9**9**9 takes hours, and no other thread can run meanwhile
            raise SecurityError("'**' is not available")
        if operator in "+*":
            _check_size(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def concatenate(self, parts: Iterable[Any]) -> str:
        """Return the parts as one text; if one of them is markup, the others are escaped."""
        parts = list(parts)
        is_markup = any(isinstance(part, Markup | Link) for part in parts)
        texts = [self.escape(part) if is_markup else text_of(part) for part in parts]
        if sum(map(len, texts)) > MAX_TEXT:
            raise SecurityError(_TOO_MUCH)
        return _markup("".join(texts)) if is_markup else "".join(texts)

    def escape(self, value: Any) -> Markup:
        """Return the value as text of the format: nothing in it is markup that was not markup before."""
        if isinstance(value, Markup):
            return value
        text = text_of(value)
        if not isinstance(value, Link):
            return _markup(escape(text, self._format))
        return _markup(text if self._format in (Format.TEXT, Format.MARKDOWN) else text.replace("&", "&amp;"))

    @pass_eval_context  # so that Jinja2 does not try it on constants when it compiles
    def _finalize(self, _: EvalContext, value: Any) -> Markup:
        return self.escape(value)

    def _join(self, values: Iterable[Any], separator: str = "", attribute: str | int | None = None) -> str:
        parts: list[Any] = []
        for item in values if attribute is None else map(make_attrgetter(self, attribute), values):
            parts += (separator, item) if parts else (item,)
        return self.concatenate(parts)


@lru_cache(maxsize=32)
def _compiled(source: str) -> CodeType:
    """Return the code of a template for any format: it is rendered often, and takes longer to compile than to run."""
    environment = Environment(Format.TEXT, 0.0)
    tree = environment.parse(source)
    for node in tree.find_all(_UNAVAILABLE):
        raise TemplateSyntaxError("include, import, extends and autoescape are not available", node.lineno)
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Call(nodes.EnvironmentAttribute("in_time"), [loop.iter], [], None, None)
        loop.iter.set_lineno(loop.lineno)
    return environment.compile(tree)


def _check_size(operator: str, left: Any, right: Any) -> None:
    """Raise SecurityError if a sum or a product would be too large to make in one step."""
    if isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right.bit_length() > _MAX_BITS:
            raise SecurityError("a number in it is too long")
        return
    if isinstance(left, Sized) or isinstance(right, Sized):
        one, other = (len(each) if isinstance(each, Sized) else each for each in (left, right))
        lengths = isinstance(one, int) and isinstance(other, int)
        if lengths and (one + other if operator == "+" else one * other) > MAX_TEXT:
            raise SecurityError(_TOO_MUCH)


def _markup(text: str) -> Markup:
    return Markup(text)  # noqa: S704 - escaped for its format by the caller
