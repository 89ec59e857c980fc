"""Charts: true scales, gaps, marks, and few bytes."""

import re
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from xml.etree import ElementTree

import pytest

from watcher.messages.chart import HEIGHT, MOST_LINES, NARROW, WIDTH, Label, Path, Series, chart, series_of, svg
from watcher.messages.picture import NoPillowError, png

START = datetime(2026, 1, 4, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


def points(*prices, days=10):
    found = [(START + timedelta(days=days * at), price) for at, price in enumerate(prices)]
    return [*found, (found[-1][0] + timedelta(days=days), prices[-1])]


def lines(drawn, number=0):
    return [shape.corners for shape in drawn.shapes if isinstance(shape, Path) and shape.of == number][1:]


def texts(drawn):
    return [shape.text for shape in drawn.shapes if isinstance(shape, Label)]


def test_a_price_is_a_line_of_steps_on_true_scales():
    drawn = chart("x", [Series("prompt", "prompt", points("0.000001", "0.000002", "0.000004"))])
    (line,) = lines(drawn)
    (x0, y0), (x1, y1), (x2, y2), *_, last = line
    assert y0 == y1 and x1 == x2 and y0 > y2  # it holds, then it steps up
    assert abs((x1 - x0) * 3 - (last[0] - x0)) <= 3  # a third of the time is a third of the way
    bottom = max(
        y for shape in drawn.shapes if isinstance(shape, Path) and shape.of == "axis" for _, y in shape.corners[:1]
    )
    assert abs((bottom - last[1]) - 4 * (bottom - y0)) <= 4  # four times the price is four times as high
    assert {"$0", "$1", "$2", "$3", "$4"} <= set(texts(drawn))


def test_prices_that_differ_by_more_than_ten_times_have_a_logarithmic_scale():
    drawn = chart("x", [Series("a", "prompt", points("0.0000001", "0.000001", "0.00001"))])
    (line,) = lines(drawn)
    heights = sorted({y for _, y in line}, reverse=True)
    assert abs((heights[0] - heights[1]) - (heights[1] - heights[2])) <= 1
    assert {"$0.10", "$1", "$10"} <= set(texts(drawn))


def test_free_stands_below_a_logarithmic_scale():
    drawn = chart("x", [Series("a", "prompt", points("0.0000001", "0", "0.00001"))])
    (line,) = lines(drawn)
    assert "free" in texts(drawn) and max(y for _, y in line) > line[0][1]


def test_a_model_that_was_gone_leaves_a_gap():
    drawn = chart("x", [Series("a", "prompt", points("0.000001", None, "0.000001"))])
    before, after = lines(drawn)
    assert before[-1][0] < after[0][0]
    gone = chart("x", [Series("a", "prompt", points("0.000001", None))])
    assert "a gone" in texts(gone)


def test_prices_that_are_no_numbers_have_no_chart():
    assert chart("x", [Series("a", "prompt", points("varies", "?"))]) is None
    assert chart("x", [Series("a", "prompt", [])]) is None
    partly = chart("x", [Series("a", "prompt", points("varies", "0.000001"))])
    assert partly is not None and len(lines(partly)) == 1


def test_what_would_be_an_empty_chart_is_none():
    assert chart("x", [Series("a", "prompt", points("0", "0"))]) is None, "always free"
    assert chart("x", [Series("a", "prompt", [(START, "0.000001")] * 2)]) is None, "first seen by the last poll"


def test_a_price_of_a_moment_in_a_long_time_can_be_seen():
    moment = [(START, "0.000001"), (START + timedelta(minutes=5), None), (START + timedelta(days=3000), None)]
    ((start, end),) = lines(chart("x", [Series("a", "prompt", moment)]))
    assert end[0] - start[0] == 3 and end[1] == start[1]
    new = [(START + timedelta(days=3000), "0.000002")] * 2
    drawn = chart("x", [Series("a", "prompt", points("0.000001", days=3000)), Series("b", "prompt", new)])
    ((start, end),) = lines(drawn, 1)
    assert end[0] - start[0] == 3 and end[0] < WIDTH


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        ("00:30=0.000002 16:30=0.000001", "a $1/M / $2/M"),
        ("00:30=0.000002 06:00=0.000003 16:30=0.000001", "a 3 prices"),
        ("varies", "a varies"),
        ("0", "a free"),
    ],
)
def test_the_legend_never_cuts_a_price(price, shown):
    drawn = chart("x", [Series("a", "prompt", points("0.000001", price))])
    assert shown in texts(drawn)


@pytest.mark.parametrize("key", ["image", "prompt"])
@pytest.mark.parametrize("high", ["0.00000125", "0.0000049", "12.5", "200000"])
def test_no_price_beside_the_axis_is_cut(key, high):
    drawn = chart("x", [Series("a", key, points("0.000001", high))])
    for shape in drawn.shapes:
        if isinstance(shape, Label) and shape.text.startswith("$"):
            left = shape.at[0] - (6 * len(shape.text) if shape.anchor == "end" else 0)
            assert left >= 0 and shape.at[1] <= HEIGHT, shape


def test_a_price_by_the_clock_has_a_line_for_each_of_its_prices():
    drawn = chart("x", [Series("a", "prompt", points("00:30=0.000002 16:30=0.000001"))])
    assert len(lines(drawn)) == 2 and len(ElementTree.fromstring(svg(drawn)).findall(f"{SVG}path[@class='s0']")) >= 1


@pytest.mark.parametrize("hours", [1, 30, 24 * 9, 24 * 40, 24 * 200, 24 * 900, 24 * 3650, 24 * 30_000])
@pytest.mark.parametrize("width", [WIDTH, NARROW])
def test_the_axis_of_time_has_a_few_dates_that_do_not_touch(hours, width):
    found = [(START + timedelta(hours=1.7), "0.000001"), (START + timedelta(hours=hours + 1.7), "0.000001")]
    drawn = chart("x", [Series("a", "prompt", found)], width=width)
    dates = [shape for shape in drawn.shapes if isinstance(shape, Label) and shape.at[1] > HEIGHT - 20]
    assert hours == 1 or 1 <= len(dates) <= 9
    assert len({shape.text for shape in dates}) == len(dates)
    for one, other in pairwise(dates):
        assert other.at[0] - one.at[0] > 5 * len(one.text), (one, other)
    assert all(
        0 <= x <= width and 0 <= y <= HEIGHT
        for shape in drawn.shapes
        if isinstance(shape, Path)
        for x, y in shape.corners
    )


def test_what_happened_is_marked_and_titled_within_the_chart():
    marks = [(START + timedelta(days=3), "a & <b>"), (START - timedelta(days=3), "before")]
    tree = ElementTree.fromstring(svg(chart("x", [Series("a", "prompt", points("0.000001"))], marks)))
    (titles,) = [group.findall(f"{SVG}path/{SVG}title") for group in tree.findall(f"{SVG}g[@class='mark']")]
    assert [title.text for title in titles] == ["2026-01-07: a & <b>"]


def test_the_legend_of_a_long_id_tells_its_prices_apart():
    found = {"prompt": points("0.000001"), "completion": points("0.000001")}
    drawn = chart("x", series_of("cognitivecomputations/dolphin-mistral-24b-venice-edition:free", found))
    assert sum(text.endswith((" prompt $1/M", " completion $1/M")) for text in texts(drawn)) == 2


def test_the_legend_names_each_line_with_its_last_price_within_the_width():
    names = ["a name that is long", "a longer name that is cut to the width of a phone"] * 3
    series = [Series(f"{number} {name}", "prompt", points("0.000003")) for number, name in enumerate(names)]
    for width in (WIDTH, NARROW):
        drawn = chart("x", series, width=width)
        named = [shape for shape in drawn.shapes if isinstance(shape, Label) and "long" in shape.text]
        assert len(named) == MOST_LINES and all(shape.text.endswith("$3/M") for shape in named)
        assert all(shape.at[0] + 6 * len(shape.text) <= width for shape in named)


def busy(count=257):
    dice = Random(1)
    return points(*(str(Decimal(dice.randrange(1, 99)) / 10**7) for _ in range(count)), days=1)


def test_257_points_with_marks_take_less_than_6_kb():
    marks = [(at, "GPT-4o −17%") for at, _ in busy()[::7]]
    assert len(svg(chart("Prices of x", [Series("prompt", "prompt", busy())], marks)).encode()) < 6000


def test_any_number_of_points_takes_no_more_than_can_be_seen():
    assert len(svg(chart("x", [Series("prompt", "prompt", busy(4_000))]))) < 30_000


def test_hostile_names_are_text_in_svg_and_no_style_or_script_stands_in_a_page():
    name = '</title><script>alert(1)</script>" onload="x\u202e'
    drawn = chart(name, [Series(name, "prompt", points("0.000001"))], [(START, name)])
    for alone in (False, True):
        written = svg(drawn, alone=alone)
        tags = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(written).iter()}
        assert tags <= {"svg", "title", "path", "g", "text", *(("style", "rect") if alone else ())}
        assert "\u202e" not in written and "http" not in written.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"<[^>]*\s(on\w+|style)=", written)


@pytest.mark.slow
def test_a_png_has_the_same_picture():
    image = pytest.importorskip("PIL.Image")
    from io import BytesIO

    drawn = chart("x", [Series("a", "prompt", busy(20)), Series("b", "prompt", points("0.000005"))])
    found = image.open(BytesIO(png(drawn)))
    assert found.size == (2 * WIDTH, 2 * HEIGHT) and found.format == "PNG"
    colours = {found.convert("RGB").getpixel((x, y)) for x in range(200, 900, 3) for y in range(60, 480, 3)}
    assert (255, 255, 255) in colours and any(blue > red + 60 for red, _, blue in colours)
    assert any(red > blue + 60 for red, _, blue in colours)


def test_without_pillow_a_png_is_a_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(NoPillowError, match=r"openrouter-watcher\[chart\]"):
        png(chart("x", [Series("a", "prompt", points("0.000001"))]))
