"""The pages in a real browser: on a phone and a desk, light and dark, without script, by keyboard, judged by axe."""

import shutil
from urllib.parse import quote

import pytest

from tests.messages.test_builder import HOSTILE
from tests.store.samples import HOUR, START, document
from tests.web.conftest import DAY_PRICES
from watcher.store.store import Store

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
]

PAGES = ("/", "/?kind=repriced&direction=up", "/models", "/models?sort=-prompt&q=a", "/gone", "/compare",
         "/compare?model=a/one&model=a/gone&model=b/new&model=c/none", "/status", "/model/a/one", "/model/a/gone",
         "/model/b/new", "/model/a/oen", "/models?sort=x", "/ack?model=a/one")  # fmt: skip
WIDTHS = (360, 800, 1400)
LONG = "cognitivecomputations/dolphin-mistral-24b-venice-edition"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def url(empty, tmp_path_factory):
    """The address of a site under a prefix, over a history with what is long, hostile, new, gone and by the clock."""
    from datetime import timedelta

    from tests.store.samples import Polls
    from tests.web.conftest import make_config
    from watcher.web.server import WebServer

    database = f"sqlite:///{shutil.copy(empty, tmp_path_factory.mktemp('site') / 'watcher.db')}"
    with Store.open(database) as store:
        polls = Polls(store)
        names = [text.replace("\ud800", "").replace("\udfff", "") for text in HOSTILE.values()]
        hostile = [document(f"h/<svg/onload=document.title='x'>{number}", name=name, description=name, created=number,
                            supported_parameters=[name])
                   for number, name in enumerate(names, 1)]  # fmt: skip
        gone = document("a/gone", created=2, expiration_date="2026-01-06")
        for hour in range(30):
            price = f"0.00000{1 + hour // 6}"
            one = document("a/one", price, created=1, expiration_date="2026-02-01", hugging_face_id="a/one")
            free = document("a/free:free", created=3, pricing={"prompt": "0", "completion": "0"})
            long = document(LONG, created=5, context_length=131_071 if hour < 9 else 131_072)
            shown = [one, free, long, document("b/new", created=4, pricing=DAY_PRICES), *([gone] if hour < 9 else [])]
            polls.see(*shown, *(hostile if hour else []), at=START + hour * HOUR)
    server = WebServer(make_config(database, prefix="/watch"), clock=lambda: START + timedelta(hours=30))
    server.start()
    yield f"{server.url}/watch"
    server.stop()


@pytest.fixture
def look(browser, url):
    """Open a page as somebody sees it; fails where it does what it should not."""
    opened = []

    def start(path, width=1400, colours="light", script=True):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=colours, java_script_enabled=script
        )
        view = context.new_page()
        wrong = []
        view.on("console", lambda message: wrong.append(message.text) if "404" not in message.text else None)
        view.on("pageerror", lambda error: wrong.append(str(error)))
        view.on("dialog", lambda dialog: wrong.append(dialog.message))
        view.on("request", lambda request: None if request.url.startswith(url) else wrong.append(request.url))
        opened.append((context, wrong))
        view.goto(f"{url}{path}")
        return view

    yield start
    for context, wrong in opened:
        context.close()
        assert [text for text in wrong if "400 (Bad Request)" not in text] == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_page_is_wider_than_its_window_and_axe_finds_nothing(look, width, colours):
    from axe_playwright_python.sync_playwright import Axe

    wrong: list[str] = []
    for path in PAGES:
        view = look(path, width, colours)
        assert view.evaluate("document.documentElement.scrollWidth") <= width, path
        view.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert view.evaluate("document.documentElement.scrollWidth") <= width, path
        found = Axe().run(view)
        wrong += [f"{path} {found.generate_report()}"] if found.violations_count else []
    assert not wrong, "\n".join(wrong)


BROKEN = """found => {
    const broken = [];
    for (const at of found) for (const text of at.childNodes) {
        const range = document.createRange();
        let last = null;
        for (let i = 0; text.nodeType === Node.TEXT_NODE && i < text.length; i++) {
            range.setStart(text, i);
            range.setEnd(text, i + 1);
            const top = range.getBoundingClientRect().top;
            if (last !== null && top > last && !"-/: ".includes(text.data[i - 1])) broken.push(text.data.slice(0, i));
            last = top;
        }
    }
    return broken;
}"""
"""The beginnings of texts that are broken in the middle of a word."""


def test_on_a_phone_ids_break_between_words_and_numbers_not_at_all(look):
    view = look("/models", 360)
    row = view.locator("tbody tr", has_text=LONG)
    assert row.locator("code, td:nth-child(-n+5)").evaluate_all(BROKEN) == []
    view.locator("#q").fill("dolphin")
    assert view.locator("tbody tr:visible").count() == 1
    view.locator("#q").fill("dolphin*")  # a pattern, which only the server knows
    assert view.locator("tbody tr:visible").count() > 1


@pytest.mark.parametrize("width", [360, 718, 800])
def test_no_column_is_so_narrow_that_words_break(look, width):
    """718 points is the width of a sheet of A4."""
    view = look("/model/a/one", width)
    view.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert view.locator(".figures :is(td, th), .turns :is(td, th):nth-child(-n+2)").evaluate_all(BROKEN) == []
    view = look("/?model=dolphin", width)
    assert view.locator(".card").count() == 1
    assert view.locator(".card .title a, .card .head code").evaluate_all(BROKEN) == []


def test_every_page_works_without_script(look):
    for path in PAGES:
        view = look(path, 800, script=False)
        assert view.locator("main h1").count() == 1, path
    view = look("/", script=False)
    view.locator("summary", has_text="Filter").click()
    view.locator("input[name=kind][value=expired]").check()
    view.locator("button", has_text="Show").click()
    view.wait_for_url("**kind=expired**")
    assert view.locator(".card .kind").all_inner_texts() == ["Expired"]
    view = look("/models", script=False)
    view.locator("#q").fill("*:free")
    view.keyboard.press("Enter")
    view.wait_for_url("**/models?q=*")
    assert view.locator("tbody tr").count() == 1
    view.locator("thead a", has_text="Context").click()
    view.wait_for_url("**sort=context**")
    assert view.locator("[aria-sort]").inner_text() == "Context"


def test_search_as_you_type_hides_what_does_not_match(look):
    view = look("/models")
    everything = view.locator("tbody tr:visible").count()
    view.locator("#q").press_sequentially("a/on")
    assert view.locator("tbody tr:visible").count() == 1 < everything
    view.locator("#q").fill("")
    assert view.locator("tbody tr:visible").count() == everything


def test_the_keyboard_alone_reaches_everything(look):
    view = look("/")
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert view.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    view.keyboard.press("Enter")
    assert view.url.endswith("#main")
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.tagName") == "SUMMARY"
    view.keyboard.press("Enter")
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.name") == "kind"
    view.keyboard.press("Space")
    view.keyboard.press("Enter")
    view.wait_for_url("**/*kind=*")
    for path in ("/models", "/model/a/one", "/compare"):
        view = look(path)
        stops = view.locator("a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']").all()
        reachable = sum(stop.is_visible() for stop in stops if stop.get_attribute("class") != "skip") + 1
        seen = set()
        for _ in range(reachable):
            view.keyboard.press("Tab")
            seen.add(view.evaluate("document.activeElement.outerHTML.slice(0, 200)"))
            assert view.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", path
        assert view.evaluate("document.activeElement.tagName") != "BODY" and len(seen) > 8


def test_hostile_text_does_nothing(look, url):
    for path in ("/", "/models", "/model/" + quote("h/<svg/onload=document.title='x'>3", safe=""), "/compare"):
        view = look(path)
        assert view.title().endswith("openrouter-watcher")
        assert view.evaluate("[...document.links].every(a => ['http:', 'https:'].includes(a.protocol))")
        hosts = set(view.evaluate("[...document.links].map(a => a.host)"))
        assert hosts <= {url.split("/")[2], "openrouter.ai"}
        assert view.locator("main :is(script:not([src]), img, iframe, object)").count() == 0


def test_charts_are_drawn_in_colours_that_differ_from_paper_and_each_other(look):
    for colours, width in (("light", 1400), ("dark", 1400), ("dark", 360)):
        view = look("/model/a/one", width, colours)
        (chart,) = [each for each in view.locator("svg.chart").all() if each.is_visible()]
        assert chart.bounding_box()["height"] > 150
        strokes = chart.locator("path[class^=s]").evaluate_all("paths => paths.map(p => getComputedStyle(p).stroke)")
        dashes = chart.locator("path[class^=s]").evaluate_all(
            "paths => paths.map(p => getComputedStyle(p).strokeDasharray)"
        )
        assert len(set(strokes)) == len(set(dashes)) == 2 and "none" not in strokes
        sizes = chart.locator("text").evaluate_all("all => all.map(t => t.getBoundingClientRect().height)")
        assert min(sizes) >= 9
        boxes = chart.locator("text").evaluate_all(
            "all => all.map(t => t.getBoundingClientRect()).map(b => [b.left, b.top, b.right, b.bottom])"
        )
        for at, one in enumerate(boxes):
            for other in boxes[at + 1 :]:
                apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] + 3 or other[3] <= one[1] + 3
                assert apart, (one, other)
