"""The feed as OpenRouter sends it, and as nobody should send it."""

import time
from collections.abc import Iterator
from io import BytesIO
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.catalog.feed import FeedModel
from watcher.upstream import feed as feed_module
from watcher.upstream.errors import NotPromisedError, TooLargeError
from watcher.upstream.feed import read_feed


def item(title: str = "", link: str = "", guid: str = "", *, cdata: bool = True) -> str:
    shown = f"<![CDATA[{title}]]>" if cdata else escape(title)
    return (
        f"<item><title>{shown}</title><description><![CDATA[Text with <a href='/x'>HTML</a> &amp; more]]></description>"
        + (f"<link>{escape(link)}</link>" if link else "")
        + (f'<guid isPermaLink="false">{escape(guid)}</guid>' if guid else "")
        + "<pubDate>Fri, 25 Sep 2026 19:12:40 GMT</pubDate></item>\n"
    )


def rss(*items: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>') -> bytes:
    return f'{head}<rss version="2.0"><channel><title>Models</title>{"".join(items)}</channel></rss>\n'.encode()


A, C = item("A (a/b)"), item("C (c/d)")


def ids(*items: str) -> list[str]:
    return [entry.id for entry in read_feed(rss(*items)).models]


def only(*items: str) -> FeedModel:
    found = read_feed(rss(*items))
    assert found.whole
    (entry,) = found.models
    return entry


def test_an_item_as_openrouter_sends_it() -> None:
    title = "OpenAI: GPT-4o & more <mini> (openai/gpt-4o)"
    assert only(item(title, "https://openrouter.ai/openai/gpt-4o", "openai/gpt-4o-2024-05-13")) == FeedModel(
        id="openai/gpt-4o", name="OpenAI: GPT-4o & more <mini>", slug="openai/gpt-4o-2024-05-13"
    )


@pytest.mark.parametrize(
    ("title", "link", "guid", "expected"),
    [
        ("A: B (a/b)", "https://openrouter.ai/c/d", "e/f", "a/b"),
        ("A: B (a/b:free)", "", "", "a/b:free"),
        ("A: B (free) (a/b-1.5_x:free)", "", "", "a/b-1.5_x:free"),
        ("A: B latest (~a/b-latest)", "", "", "~a/b-latest"),
        ("A: B ( a/b ) ", "", "", "a/b"),
        ("A: B (作者/模型-2)", "", "", "作者/模型-2"),
        ("A: B (a/b) (free)", "https://openrouter.ai/c/d:free", "e/f", "c/d:free"),
        ("A: B", "https://openrouter.ai/c/d%3Afree?x=y#z", "e/f", "c/d:free"),
        ("A: B", "https://www.openrouter.ai/c/d", "e/f", "c/d"),
        ("A: B", "https://openrouter.ai/~c/d/", "e/f", "~c/d"),
        ("A: B", "https://openrouter.ai/chat?models=c/d", "e/f", "c/d"),
        ("A: B", "https://openrouter.ai/chat?x=1&models=c%2Fd%3Afree", "e/f", "c/d:free"),
        ("A: B", "https://openrouter.ai/chat?models=c", "e/f", "e/f"),
        ("A: B", "https://openrouter.ai/a/b/c", "e/f", "e/f"),
        ("A: B", "https://openrouter.ai/", "e/f", "e/f"),
        ("A: B", "https://example.com/c/d", "e/f", "e/f"),
        ("A: B", "http://[bad/c/d", "e/f", "e/f"),
        ("A: B (a/b/c)", "", "e/f", "e/f"),
        ("A: B (/b)", "", "e/f", "e/f"),
        ("A: B (a/)", "", "e/f", "e/f"),
        ("A: B (../b)", "", "e/f", "e/f"),
        ("A: B (a/b:)", "", "e/f", "e/f"),
        ("A: B (a/b c)", "", "e/f", "e/f"),
        ("A: B (a/b\ufffd)", "", "e/f", "e/f"),
        ("A: B (a/b\u202e)", "", "e/f", "e/f"),
        ("A: B (a/<b>)", "", "e/f", "e/f"),
        (f"A: B (a/{'b' * 300})", "", "e/f", "e/f"),
        (")(", "", "e/f", "e/f"),
        ("", "", "e/f", "e/f"),
    ],
)
def test_where_the_id_comes_from(title: str, link: str, guid: str, expected: str) -> None:
    entry = only(item(title, link, guid))
    assert entry.id == expected
    assert entry.slug == (guid or None)
    assert entry.name


@pytest.mark.parametrize("page", ["blog/a-model", "docs/models", "Blog/x/y", "models?q=a/b", "chat/room", "support"])
def test_a_link_to_another_page_of_the_site_is_no_model(page: str) -> None:
    assert ids(A, item("News of a model (e/f)", f"https://openrouter.ai/{page}", "e/f"), C) == ["a/b", "c/d"]


def test_a_page_of_the_site_is_no_id() -> None:
    assert ids(A, item("About it (blog/it)"), item("About it", guid="blog/it")) == ["a/b"]


slug = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
all_ids = st.builds(
    lambda alias, author, model, variant: f"{alias}{author}/{model}{variant}",
    st.sampled_from(["", "~"]),
    slug.filter(lambda author: author.lower() not in feed_module._PAGES),
    slug,
    st.one_of(st.just(""), slug.map(":{}".format)),
)


@given(id=all_ids, name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60))
@settings(max_examples=60)
def test_every_id_survives_whatever_the_name_is(id: str, name: str) -> None:
    entry = only(item(f"{name} ({id})", cdata=False))
    assert entry.id == id
    assert entry.name


@given(st.binary(max_size=200))
@settings(max_examples=60)
def test_any_bytes_give_a_feed_or_our_error(body: bytes) -> None:
    for document in (body, rss()[:-20] + body, rss(A).replace(b"a/b", body)):
        try:
            entries = read_feed(document).models
        except NotPromisedError as error:
            assert str(error).isprintable()
        else:
            assert all(entry.id.isprintable() and entry.name for entry in entries)


MANY = " ".join(f"a{number}='x'" for number in range(900))
ODD = {
    "a bare ampersand": item("B & C (b/c)", cdata=False).replace("&amp;", "&"),
    "a reference to a forbidden character": item("B (b/c)").replace("<title>", "<title>&#11;"),
    "a reference to no character": item("B (b/c)").replace("<title>", "<title>&#x110000;"),
    "an unbound prefix": item("B (b/c)").replace("<title>", "<media:thumbnail url='x'/><title>"),
    "an unknown entity": item("B (b/c)").replace("<title>", "<title>&nope;"),
    "an open tag": item("B (b/c)").replace("<title>", "<b><title>"),
    "an open comment": item("B (b/c)").replace("<title>", "<!-- <title>"),
    "a document type": item("B (b/c)").replace("<title>", "<!DOCTYPE x [<!ENTITY y 'z'>]><title>"),
    "no end": item("B (b/c)").replace("</item>", ""),
    "no id": item("B"),
    "no end of its own": "<item/>",
    "nothing": "<item></item>",
    "too much": item("B" * 20_000 + " (b/c)"),
    "an end in its description": item("B (b/c)").replace("Text", "</item><item><title>(x/fake)</title></item>"),
    "a document type in its description": item("B (b/c)").replace("Text", "<!DOCTYPE html><!ENTITY x>"),
    "many attributes": item("B (b/c)").replace("<title>", f"<a {MANY}/><title>"),
    "endless nesting": item("B (b/c)").replace("<title>", "<b>" * 4000 + "<title>"),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_item_costs_no_other_one_anything(odd: str) -> None:
    found = read_feed(rss(A, odd, C))
    assert [entry.id for entry in found.models if entry.id != "b/c"] == ["a/b", "c/d"]
    assert (found.models[0].name, found.models[-1].name, found.whole) == ("A", "C", True)


def test_many_odd_items_can_be_read() -> None:
    assert {odd for odd, text in ODD.items() if "b/c" in ids(A, text)} >= {
        "a bare ampersand",
        "a reference to a forbidden character",
        "an unbound prefix",
        "an unknown entity",
        "an end in its description",
        "a document type in its description",
    }
    assert only(ODD["a bare ampersand"]).name == "B & C"


def test_an_id_comes_as_often_as_the_feed_has_it() -> None:
    found = read_feed(rss(item("A (free) (a/b)", guid="a/b-2026"), item("A (a/b)", guid="a/b-2025")))
    assert found.models == (FeedModel("a/b", "A (free)", "a/b-2026"), FeedModel("a/b", "A", "a/b-2025"))


def test_a_namespace_of_the_whole_feed_holds_in_each_item() -> None:
    body = rss(A.replace("<item>", "<item><x:title>Other (x/y)</x:title>"))
    bound = body.replace(b"<rss ", b'<rss xmlns:x="http://example.com/x" ')
    assert [entry.id for entry in read_feed(bound).models] == ["a/b"]


def test_a_feed_without_items_is_one() -> None:
    assert read_feed(rss()) == feed_module.Feed(())


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A\x00B\x07 \x1b[31mC (a/b)", "AB [31mC"),
        ("A\n  B\u2028C\u2029D (a/b)", "A B C D"),
        ("evil\u202egnp (a/b)", "evilgnp"),
        ("(a/b)", "a/b"),
        ("😀 <script>alert(1)</script> (a/b)", "😀 <script>alert(1)</script>"),
    ],
)
def test_names_are_one_clean_line(title: str, name: str) -> None:
    assert only(item(title)).name == name


def test_a_long_name_is_cut() -> None:
    entry = only(item("x" * 10_000 + " (a/b)"))
    assert (entry.id, len(entry.name), entry.name[-1]) == ("a/b", 300, "…")


BOMB = '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9)
)


@pytest.mark.parametrize(
    "body",
    [
        (BOMB + "]>").encode() + rss(item("&j; (a/b)"), head=""),
        b"<?xml version='1.0'?>\n<!-- <a> --><!DOCTYPE rss SYSTEM 'file:///etc/passwd'>" + rss(A, head=""),
        rss(A, head='<?xml version="1.0"?><!DOCTYPE rss>'),
        rss(A, head="<!doctype rss>"),
        rss(A, head="<!DOCTYPE rss>").decode().encode("utf-16"),
        b"<!DOCTYPE html><html><body>Log in</body></html>",
        b"<html><head/><body/></html>",
        b"<rss/>"[:3],
        b"<rss version='2.0'/>",
        b"<rss version='2.0'><channel>",
        b"<?xml version='1.0'",
        b"{}",
        b"",
        b"\x00" * 100,
        rss(item("no id"), item("none either")),
    ],
)
def test_what_is_no_feed_is_refused_and_named(body: bytes) -> None:
    with pytest.raises(NotPromisedError, match="begins") as caught:
        read_feed(body)
    assert str(caught.value).isprintable()


def test_a_feed_that_keeps_feedparser_busy_is_read_as_far_as_the_time_goes() -> None:
    def clock() -> Iterator[float]:
        yield from (0.0, 1.0)
        while True:
            yield feed_module.MAX_SECONDS + 1

    found = read_feed(rss(A, C), monotonic=clock().__next__)
    assert ([entry.id for entry in found.models], found.whole) == (["a/b"], False)


@pytest.mark.parametrize(
    "inside", ["<item ", "<item>", "</item ", "<![CDATA[", "<![CDATA[]]>", "<!--", "<", "&", "<item><title>(</title>"]
)
def test_cutting_a_hostile_feed_into_items_takes_no_time(inside: str) -> None:
    start = time.process_time()
    try:
        assert read_feed(rss(inside * (2_000_000 // len(inside)))).models == ()
    except NotPromisedError as error:
        assert "no model" in str(error)
    assert time.process_time() - start < 5


def test_a_feed_that_is_cut_off_anywhere_is_read_as_far_as_it_goes() -> None:
    body = rss(item("A (a/b)", "https://openrouter.ai/a/b", "a/b"), item("C </item> (c/d)")).rstrip()
    first, second = body.index(b"</item>") + 7, body.rindex(b"</item>") + 7
    for end in range(len(body) + 1):
        if end < first:
            with pytest.raises(NotPromisedError):
                read_feed(body[:end])
            continue
        found = read_feed(body[:end])
        assert [entry.id for entry in found.models] == ["a/b", "c/d"][: 1 if end < second else 2]
        assert found.whole == (b"</rss" in body[:end])


@pytest.mark.parametrize(
    "body",
    [
        rss(item("Ä (a/b)"), head='<?xml version="1.0" encoding="us-ascii"?>'),
        rss(item("Ä (a/b)"), head='<?xml version="1.0" encoding="nonsense"?>'),
        rss(item("Ä (a/b)"), head="<?xml version='1.0' encoding='GBK'?>"),
        b"\xef\xbb\xbf" + rss(item("Ä (a/b)")),
        b"\n\n" + rss(item("Ä (a/b)")),
    ],
)
def test_remarks_about_the_encoding_are_no_reason_to_refuse(body: bytes) -> None:
    (entry,) = read_feed(body).models
    assert (entry.id, entry.name) == ("a/b", "Ä")


@pytest.mark.parametrize("declared", ["", "utf-8", "idna", "utf-7", "rot13", "undefined", "gbk"])
def test_an_item_in_another_encoding_costs_no_other_one_anything(declared: str) -> None:
    body = rss(item("Ä (a/b)"), item("XX (c/d)"), head=f"<?xml version='1.0' encoding='{declared}'?>")
    found = read_feed(body.replace(b"XX", b"\xff\xc4")).models
    assert [(entry.id, entry.name[0]) for entry in found] == [("a/b", "Ä"), ("c/d", "\ufffd")]


def test_too_many_bytes_or_items_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_ITEMS", 3)
    assert len(read_feed(rss(*(item(f"A (a/b{i})") for i in range(3)))).models) == 3
    with pytest.raises(TooLargeError, match="3 items"):
        read_feed(rss(*(item(f"A (a/b{i})") for i in range(4))))
    monkeypatch.setattr(feed_module, "MAX_BYTES", 100)
    with pytest.raises(TooLargeError, match="100"):
        read_feed(rss(A))


def test_whatever_feedparser_raises_costs_the_item(monkeypatch: pytest.MonkeyPatch) -> None:
    import feedparser

    parse = feedparser.parse

    def broken(document: BytesIO, **options: object) -> object:
        if b"a/b" in document.getvalue():
            raise ValueError("secret of the parser")
        return parse(document, **options)

    monkeypatch.setattr(feedparser, "parse", broken)
    assert ids(A, C) == ["c/d"]


def test_a_string_is_never_taken_for_a_path_or_a_url() -> None:
    with pytest.raises(NotPromisedError):
        read_feed(__file__.encode())
    with pytest.raises(NotPromisedError):
        read_feed(b"http://127.0.0.1:9/")
