"""Charts as PNG, for mail and for files. Pillow draws them: the `chart` extra."""

from io import BytesIO
from itertools import pairwise
from math import hypot
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from watcher.errors import WatcherError
from watcher.messages.chart import COLOURS, DASHES, HEIGHT, LIGHT, Chart, Label, Path

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_SCALE = 2
"""Pixels of a unit: screens of today have two where a page has one."""
_FONT = 11
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
_WIDTHS = {"axis": 1.0, "grid": 1.0, "mark": 3.0}


class Picture(Struct, frozen=True):
    """A picture in a message."""

    id: str
    """By which the message's HTML refers to it."""
    png: bytes
    text: str
    """What it shows, for those who cannot see it."""


class NoPillowError(WatcherError):
    """Pillow is not installed."""

    exit_code = 69  # EX_UNAVAILABLE


def png(drawn: Chart) -> bytes:
    """Return the chart as PNG, as on white paper. Raises NoPillowError."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise NoPillowError(
            "A PNG is drawn by Pillow, which is not installed. Install openrouter-watcher[chart], or write an SVG."
        ) from None
    image = Image.new("RGB", (drawn.width * _SCALE, HEIGHT * _SCALE), LIGHT["paper"])
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(_FONT * _SCALE)
    for shape in drawn.shapes:
        if isinstance(shape, Label):
            at = (shape.at[0] * _SCALE, shape.at[1] * _SCALE)
            draw.text(at, shape.text, fill=LIGHT["muted"], font=font, anchor=_ANCHORS[shape.anchor])
        else:
            _draw(draw, shape)
    written = BytesIO()
    image.quantize(32).save(written, "PNG", optimize=True)
    return written.getvalue()


def _draw(draw: "ImageDraw", path: Path) -> None:
    of = path.of
    colour = COLOURS[of] if isinstance(of, int) else LIGHT[{"axis": "muted", "grid": "line"}.get(of, "text")]
    width = round(_SCALE * (1.8 if isinstance(of, int) else _WIDTHS[of]))
    more: dict[str, Any] = {"fill": colour, "width": width}
    dash = DASHES[of] if isinstance(of, int) else ()
    corners = [(x * _SCALE, y * _SCALE) for x, y in path.corners]
    if not dash:
        draw.line(corners, **more, joint="curve")
        return
    part, left, drawing = 0, float(dash[0] * _SCALE), True
    for (x, y), (to_x, to_y) in pairwise(corners):
        length, done = hypot(to_x - x, to_y - y), 0.0
        while done < length:
            step = min(left, length - done)
            start, end = done / length, (done + step) / length
            if drawing:
                draw.line([(x + (to_x - x) * at, y + (to_y - y) * at) for at in (start, end)], **more)
            done, left = done + step, left - step
            if left <= 0:
                part, drawing = (part + 1) % len(dash), not drawing
                left = float(dash[part] * _SCALE)
