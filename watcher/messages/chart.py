"""Charts of prices over time: laid out once, as shapes, and drawn as SVG here or as PNG by `picture`."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import escape
from itertools import groupby, pairwise

from msgspec import Struct

from watcher.catalog.price import pieces
from watcher.catalog.timeline import Points, step_lines
from watcher.messages.prices import label, money, scale, unit, with_unit
from watcher.messages.text import clean, visible

WIDTH, NARROW, HEIGHT = 720, 360, 280
"""Units of a chart; `NARROW` is for a phone."""
COLOURS = ("#0072b2", "#c2500a", "#00795a", "#a8477e", "#8a6100", "#5a6270")
"""Of the lines on white: the hues of Okabe and Ito, which the colour-blind can tell, as dark as text."""
_DARK_COLOURS = ("#6cb8ee", "#f79a5c", "#3fcf9f", "#ee9bc9", "#eec048", "#b9c2cd")
LIGHT = {"text": "#1b1f24", "muted": "#596270", "line": "#dfe3e8", "paper": "#ffffff"}
_DARK = {"text": "#e8e8ea", "muted": "#a3acb8", "line": "#343a42", "paper": "#16181c"}
DASHES = ((), (7, 3), (2, 3), (10, 3, 2, 3), (4, 2), (1, 4))
"""Pattern of each line, in units: lengths drawn and left out."""
MOST_LINES = len(COLOURS)

_LEFT, _MARGIN, _BOTTOM = 58, 10, 248
_LEGEND_ROW = 20
_FREE = 20
"""Height that a price of zero has on a logarithmic axis."""
_MOST_MARKS = 40
_TICKS = 5
_LETTER = 6.6
"""Width of a letter in units, on average."""
_STEPS = (timedelta(hours=6), timedelta(days=1), timedelta(days=2), timedelta(weeks=1), timedelta(weeks=2))
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)

Point = tuple[int, int]


class Series(Struct, frozen=True):
    """One price over time, and what it is called."""

    name: str
    key: str
    points: Points


class Path(Struct, frozen=True):
    """Corners that are joined by lines; `of` is the number of the series, or the name of what else it draws."""

    corners: tuple[Point, ...]
    of: int | str
    title: str = ""


class Label(Struct, frozen=True):
    """A text at a point of its baseline: its beginning, its middle or its end."""

    at: Point
    text: str
    anchor: str = "start"


class Chart(Struct, frozen=True):
    """A chart as shapes, in units from the upper left."""

    title: str
    width: int
    shapes: tuple[Path | Label, ...]


def chart(
    title: str, series: Sequence[Series], marks: Iterable[tuple[datetime, str]] = (), *, width: int = WIDTH
) -> Chart | None:
    """Return the chart of at most `MOST_LINES` prices of one unit; None if none is above zero for any time.

    The `title` says what it shows to those who cannot see it. `marks` are moments on the axis of time, with what
    happened; the `width` is in units.
    """
    lines = [(number, line) for number, one in enumerate(series) for line in step_lines(one.points)]
    times = [at for one in series for at, _ in one.points]
    if not any(price for _, line in lines for _, price in line) or min(times) == max(times):
        return None
    clock = _Clock(min(times), max(times), width)
    legend = list(_legend(series, width - _MARGIN))
    top = max(shape.at[1] for shape in legend if isinstance(shape, Label)) + 22
    factor = scale(series[0].key)
    prices = {price: price * factor for _, line in lines for _, price in line}
    amounts = _Amounts(list(prices.values()), top, width - _MARGIN)
    heights = {price: amounts.y(amount) for price, amount in prices.items()}
    title = f"{visible(title)}, USD {unit(series[0].key)}, {clock.first:%Y-%m-%d} to {clock.last:%Y-%m-%d}"
    shapes: list[Path | Label] = [*amounts.axis(), *clock.axis(), *legend]
    for number, line in lines:
        corners = [(clock.x(at), heights[price]) for at, price in line]
        corners[-1] = max(corners[-1], (corners[0][0] + 3, corners[-1][1]))  # or nobody sees it
        shapes.append(Path(tuple(_thinned(corners)), number))
    for at, text in list(marks)[-_MOST_MARKS:]:
        if clock.first <= at <= clock.last:
            shapes.append(
                Path(((clock.x(at), _BOTTOM), (clock.x(at), _BOTTOM - 9)), "mark", f"{at:%Y-%m-%d}: {visible(text)}")
            )
    return Chart(title, width, tuple(shapes))


def _legend(series: Sequence[Series], right: int) -> Iterator[Path | Label]:
    """Yield a sample of each line with its name and its last price, in as many rows as they need."""
    x, y = _LEFT, 16
    for number, one in enumerate(series):
        last = one.points[-1][1] if one.points else None
        amounts = {} if last is None else {with_unit(one.key, amount): 1 for _, amount in pieces(last)}
        price = " / ".join(amounts) or "gone" if len(amounts) < 3 else f"{len(amounts)} prices"
        room = int((right - _LEFT - 34) / _LETTER) - len(price) - 1
        text = f"{clean(one.name, max(8, room))} {price}"
        wide = round(34 + _LETTER * len(text))
        if x > _LEFT and x + wide > right:
            x, y = _LEFT, y + _LEGEND_ROW
        yield Path(((x, y - 4), (x + 26, y - 4)), number)
        yield Label((x + 32, y), text)
        x += wide + 14


class _Clock:
    """The axis of time, on a true scale."""

    def __init__(self, first: datetime, last: datetime, width: int) -> None:
        self._width, self._right, self._most = width, width - _MARGIN, width // 85
        self.first = first.astimezone(UTC)
        self.last = max(last.astimezone(UTC), self.first + timedelta(hours=1))

    def x(self, at: datetime) -> int:
        return _LEFT + round((at - self.first) / (self.last - self.first) * (self._right - _LEFT))

    def axis(self) -> Iterator[Path | Label]:
        yield Path(((_LEFT, _BOTTOM), (self._right, _BOTTOM)), "axis")
        for at, text in self._ticks():
            if self.first <= at <= self.last:
                x, half = self.x(at), len(text) * _LETTER / 2
                anchor = "end" if x + half > self._width else "start" if x - half < 0 else "middle"
                yield Path(((x, _BOTTOM), (x, _BOTTOM + 5)), "axis")
                yield Label((x, _BOTTOM + 20), text, anchor)

    def _ticks(self) -> Iterator[tuple[datetime, str]]:
        """Yield round moments on and around the axis with their names, as many as there is room for."""
        span = self.last - self.first
        for step in _STEPS:
            if span / step <= self._most:
                start = self.first.replace(hour=0, minute=0, second=0, microsecond=0)
                for at in (start + number * step for number in range(40)):
                    time = f"{at:%H:%M}, " if step < timedelta(days=1) else ""
                    yield at, f"{time}{at.day} {at:%b}"
                return
        months = next((each for each in _MONTHS if span / timedelta(days=30.5 * each) <= self._most), _MONTHS[-1])
        form = "%Y" if months >= 12 else "%b" if self.first.year == self.last.year else "%b %Y"
        for number in range(self.first.year * 12 // months * months, self.last.year * 12 + 12, months):
            at = datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
            yield at, f"{at:{form}}"


class _Amounts:
    """The axis of prices: from zero, or logarithmic where they differ by more than ten times."""

    def __init__(self, amounts: Sequence[Decimal], top: int, right: int) -> None:
        self._top, self._right = top, right
        self._high = float(max(amounts))
        low = float(min(filter(None, amounts)))
        self._log = self._high / low > 10
        self._has_free = self._log and not all(amounts)
        self._floor = _BOTTOM - (_FREE if self._has_free else 8)
        self.ticks = list(_log_ticks(low, self._high) if self._log else _linear_ticks(self._high))
        self._low = self.ticks[0]
        self._high = max(self._high, self.ticks[-1])

    def y(self, amount: Decimal | float) -> int:
        value = float(amount)
        if not self._log:
            return round(_BOTTOM - value / self._high * (_BOTTOM - self._top))
        if value <= 0:
            return _BOTTOM
        part = math.log(value / self._low) / (math.log(self._high / self._low) or 1)
        return round(self._floor - part * (self._floor - self._top))

    def axis(self) -> Iterator[Path | Label]:
        zero = [0.0] if self._has_free else []
        for tick in [*zero, *self.ticks]:
            y = self.y(tick)
            if y != _BOTTOM:
                yield Path(((_LEFT, y), (self._right, y)), "grid")
            text = "free" if not tick and self._log else "$0" if not tick else money(Decimal(f"{tick:.6g}"))
            fits = _LETTER * len(text) < _LEFT  # a longer one stands above its line
            yield Label((_LEFT - 7, y + 4), text, "end") if fits else Label((2, y - 4), text)


def _linear_ticks(high: float) -> Iterator[float]:
    rough = high / _TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * 0.999)
    yield from (number * step for number in range(math.floor(high / step * 1.0001) + 1))


def _log_ticks(low: float, high: float) -> Iterator[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 2 else (1,)
    every = max(1, -(-(last - first) // 6))
    ticks = [step * 10.0**power for power in range(first, last + 1, every) for step in steps]
    below = max((tick for tick in ticks if tick <= low * 1.0001), default=ticks[0])
    yield from (tick for tick in ticks if below <= tick <= high * 1.0001)


def _thinned(corners: Sequence[Point]) -> Iterator[Point]:
    """Yield the corners without those that nobody could see: of many at one place the first, both ends, the last."""
    for x, column in groupby(corners, key=lambda corner: corner[0]):
        heights = [y for _, y in column]
        kept = [heights[0], min(heights), max(heights), heights[-1]] if len(heights) > 3 else heights
        yield from ((x, y) for y, _ in groupby(kept))


# As SVG


def svg(drawn: Chart, *, alone: bool = False) -> str:
    """Return the chart as SVG: to stand inside of a page with our style sheet, or `alone` as a file."""
    name = "chart" if drawn.width > NARROW else "chart narrow"
    parts = [
        f'<svg class="{name}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawn.width} {HEIGHT}" role="img">'
        f"<title>{escape(drawn.title)}</title>"
    ]
    if alone:
        parts.append(f'<style>{style()}</style><rect class="paper" width="100%" height="100%"/>')
    for of, same in groupby(drawn.shapes, key=lambda shape: shape.of if isinstance(shape, Path) else "text"):
        name = f"s{of}" if isinstance(of, int) else of
        if name == "text":
            parts += ["<g>", *(_text(shape) for shape in same if isinstance(shape, Label)), "</g>"]
        elif name == "mark":
            marks = (shape for shape in same if isinstance(shape, Path))
            titled = (f'<path d="{_data([m])}"><title>{escape(m.title)}</title></path>' for m in marks)
            parts += [f'<g class="{name}">', *titled, "</g>"]
        else:
            parts.append(f'<path class="{name}" d="{_data(shape for shape in same if isinstance(shape, Path))}"/>')
    return "".join([*parts, "</svg>"])


def _text(shape: Label) -> str:
    anchor = "" if shape.anchor == "start" else f' class="{shape.anchor}"'
    return f'<text x="{shape.at[0]}" y="{shape.at[1]}"{anchor}>{escape(shape.text)}</text>'


def _data(paths: Iterable[Path]) -> str:
    """Return the commands that draw the paths, most steps relative to the one before."""
    data = ""
    for path in paths:
        data += "M{} {}".format(*path.corners[0])
        for (x, y), (to_x, to_y) in pairwise(path.corners):
            if to_x == x:
                data += f"v{to_y - y}" if to_y != y else ""
            else:
                data += f"h{to_x - x}" if to_y == y else f"l{to_x - x} {to_y - y}"
    return data


def style() -> str:
    """Return the style of charts, the same in a page and in a file: for light and dark, and for print."""
    rules = [
        ".chart{font:11px system-ui,sans-serif;fill:var(--muted)}",
        ".chart path{fill:none;stroke-width:1.8;stroke-linejoin:round}",
        ".chart .axis{stroke:var(--muted);stroke-width:1}.chart .grid{stroke:var(--line);stroke-width:1}",
        ".chart .mark path{stroke:var(--text);stroke-width:3}",
        ".chart .end{text-anchor:end}.chart .middle{text-anchor:middle}",
        ".chart .paper{fill:var(--paper)}",
        *(f".chart .s{number}{{stroke:var(--s{number}){_dashes(dash)}}}" for number, dash in enumerate(DASHES)),
        _colours(LIGHT, COLOURS),
        "@media screen and (prefers-color-scheme:dark){",
        _colours(_DARK, _DARK_COLOURS),
        "}",
    ]
    return "".join(rules)


def _colours(named: Mapping[str, str], lines: Sequence[str]) -> str:
    numbered = {f"s{number}": colour for number, colour in enumerate(lines)}
    return ":root{" + ";".join(f"--{name}:{colour}" for name, colour in {**named, **numbered}.items()) + "}"


def _dashes(dash: Sequence[int]) -> str:
    return f";stroke-dasharray:{' '.join(map(str, dash))}" if dash else ""


def series_of(name: str, points: Mapping[str, Points]) -> list[Series]:
    """Return a series for each price key; `name` begins the names, if there is one."""
    return [Series(f"{name} {label(key)}".strip(), key, found) for key, found in points.items()]
