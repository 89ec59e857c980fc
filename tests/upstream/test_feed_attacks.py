"""Entities in the feed: none is expanded without bound, and none reads a file or a URL."""

import resource
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from testkit.receivers import Sink
from tests.upstream.test_feed import item, rss
from watcher.errors import WatcherError
from watcher.upstream.feed import Feed, read_feed

SECRET = "kzq9-content-of-a-file"

LAUGHS = '<!ENTITY a "{}">'.format("ha" * 50) + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(8)
)
QUADRATIC = f'<!ENTITY a "{"x" * 60_000}">'

DECLARED = {
    "billion laughs": (LAUGHS, "&i;"),
    "quadratic blow-up": (QUADRATIC, "&a;" * 5_000),
    "a recursive entity": ('<!ENTITY a "&b;"><!ENTITY b "&a;">', "&a;"),
    "a parameter entity": ("<!ENTITY % a \"<!ENTITY b '{secret}'>\">%a;", "&b;"),
    "a file": ('<!ENTITY a SYSTEM "{file}">', "&a;"),
    "a URL": ('<!ENTITY a SYSTEM "{url}">', "&a;"),
    "a public URL": ('<!ENTITY a PUBLIC "-//x" "{url}">', "&a;"),
    "a parameter from a URL": ('<!ENTITY % a SYSTEM "{url}">%a;', "x"),
    "a parameter that sends a file away": ('<!ENTITY % f SYSTEM "{file}"><!ENTITY % a SYSTEM "{url}?%f;">%a;', "x"),
}

# Where a DOCTYPE may stand, and how it may be written so that a simple search passes over it.
PLACES = {
    "first": "<!DOCTYPE rss [{dtd}]>{feed}",
    "after the declaration": '<?xml version="1.0"?><!DOCTYPE rss [{dtd}]>{feed}',
    "after a comment": "<!-- <rss> --><!DOCTYPE rss [{dtd}]>{feed}",
    "after an instruction": "<?x <rss?><!DOCTYPE rss [{dtd}]>{feed}",
    "with an address": '<!DOCTYPE rss SYSTEM "{url}" [{dtd}]>{feed}',
    "in the feed": "{start}<!DOCTYPE rss [{dtd}]>{item}</channel></rss>",
    "in an item": "{start}<item><!DOCTYPE rss [{dtd}]>{inside}</item></channel></rss>",
    "around an item": "{start}<item><title>A (a/a)</title></item><!DOCTYPE rss [{dtd}]>{item}</channel></rss>",
}

CASES = [
    *((attack, place, "utf-8") for attack in DECLARED for place in PLACES),
    *(("a file", "first", encoding) for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7")),
]


def read(body: bytes) -> Feed | None:
    """What is read of a feed; None if it is refused, in our words."""
    try:
        return read_feed(body)
    except WatcherError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 1000
        return None


@pytest.mark.parametrize(("attack", "place", "encoding"), CASES)
def test_an_entity_that_a_feed_declares_is_never_used(
    attack: str, place: str, encoding: str, tmp_path: Path, sink: Sink
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    url = f"http://{sink.address}/kzq9"
    dtd, use = DECLARED[attack]
    dtd = dtd.replace("{secret}", SECRET).replace("{file}", f"file://{quote(str(secret))}").replace("{url}", url)
    inside = f"<title>B {use} (b/b)</title><guid>b/b</guid><link>https://openrouter.ai/b/b</link>"
    start = '<rss version="2.0"><channel><title>x</title>'
    feed = f"{start}<item>{inside}</item></channel></rss>"
    written = PLACES[place].format(
        dtd=dtd, feed=feed, start=start, inside=inside, item=f"<item>{inside}</item>", url=url
    )
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    found = read(written.encode(encoding))
    assert time.process_time() - began < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024, "KiB that it took"
    said = str(found)
    assert SECRET not in said
    assert "haha" not in said
    assert "xxx" not in said
    assert sink.requests == [], "nothing is fetched"


@pytest.mark.parametrize(
    "inside",
    [
        '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{file}" parse="text"/>',
        '<?xml-stylesheet href="{url}"?>',
        '<link rel="self" href="{url}"/>',
        '<content src="{url}" type="text/html"/>',
        '<description>&lt;img src="{url}"/&gt;&lt;script src="{url}"&gt;&lt;/script&gt;</description>',
        '<enclosure url="{url}" length="1" type="text/html"/>',
        '<source url="{url}">x</source>',
        '<x xmlns="{url}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{url} {url}"/>',
    ],
)
def test_what_an_item_refers_to_is_not_fetched(inside: str, tmp_path: Path, sink: Sink) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    inside = inside.replace("{file}", str(secret)).replace("{url}", f"http://{sink.address}/kzq9")
    found = read_feed(rss(item("A (a/b)").replace("</item>", f"{inside}</item>")))
    assert [entry.id for entry in found.models] == ["a/b"]
    assert SECRET not in str(found)
    assert sink.requests == []


@pytest.mark.parametrize(
    "entity", ["&nosuch;", "&#0;", "&#x110000;", "&#xD800;", "&#99999999999999999999;", "&amp;amp;"]
)
def test_an_entity_that_is_not_declared_or_no_character_costs_no_other_item(entity: str) -> None:
    found = read_feed(rss(item(f"A {entity} (a/b)"), item("C (c/d)")))
    assert [entry.id for entry in found.models][-1] == "c/d"
