"""The feed as OpenRouter sends it, and as nobody should send it."""

from datetime import UTC, datetime
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.upstream import FeedEntry, NotPromisedError, TooLargeError, read_feed
from watcher.upstream import feed as feed_module

DATE = "Fri, 25 Sep 2026 19:12:40 GMT"


def item(title: str = "", link: str = "", guid: str = "", date: str = DATE, *, cdata: bool = True) -> str:
    shown = f"<![CDATA[{title}]]>" if cdata else escape(title)
    return (
        f"<item><title>{shown}</title><description><![CDATA[Text with <a href='/x'>HTML</a> &amp; more]]></description>"
        + (f"<link>{escape(link)}</link>" if link else "")
        + (f'<guid isPermaLink="false">{escape(guid)}</guid>' if guid else "")
        + f"<pubDate>{escape(date)}</pubDate></item>\n"
    )


def rss(*items: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>') -> bytes:
    return f'{head}<rss version="2.0"><channel><title>Models</title>{"".join(items)}</channel></rss>\n'.encode()


def only(*items: str) -> FeedEntry:
    found = read_feed(rss(*items))
    assert found.skipped == 0
    (entry,) = found.entries
    return entry


def test_an_item_as_openrouter_sends_it() -> None:
    title = "OpenAI: GPT-4o & more <mini> (openai/gpt-4o)"
    assert only(item(title, "https://openrouter.ai/openai/gpt-4o", "openai/gpt-4o-2024-05-13")) == FeedEntry(
        id="openai/gpt-4o",
        name="OpenAI: GPT-4o & more <mini>",
        url="https://openrouter.ai/openai/gpt-4o",
        published=datetime(2026, 9, 25, 19, 12, 40, tzinfo=UTC),
        canonical_slug="openai/gpt-4o-2024-05-13",
    )


@pytest.mark.parametrize(
    ("title", "link", "guid", "expected"),
    [
        ("A: B (a/b)", "https://openrouter.ai/c/d", "e/f", "a/b"),
        ("A: B (a/b:free)", "", "", "a/b:free"),
        ("A: B (free) (a/b-1.5_x:free)", "", "", "a/b-1.5_x:free"),
        ("A: B latest (~a/b-latest)", "", "", "~a/b-latest"),
        ("A: B ( a/b ) ", "", "", "a/b"),
        ("A: B (a/b) (free)", "https://openrouter.ai/c/d:free", "e/f", "c/d:free"),
        ("A: B", "https://openrouter.ai/c/d%3Afree?x=y#z", "e/f", "c/d:free"),
        ("A: B", "https://openrouter.ai/~c/d/", "e/f", "~c/d"),
        ("A: B", "https://openrouter.ai/chat?models=c/d", "e/f", "c/d"),
        ("A: B", "https://openrouter.ai/chat?x=1&models=c%2Fd%3Afree", "e/f", "c/d:free"),
        ("A: B", "https://openrouter.ai/chat?models=c", "e/f", "e/f"),
        ("A: B", "https://openrouter.ai/docs/models", "e/f", "e/f"),
        ("A: B", "https://openrouter.ai/a/b/c", "e/f", "e/f"),
        ("A: B", "https://openrouter.ai/", "e/f", "e/f"),
        ("A: B", "http://[bad/c/d", "e/f", "e/f"),
        ("A: B (a/b/c)", "", "e/f", "e/f"),
        ("A: B (/b)", "", "e/f", "e/f"),
        ("A: B (a/)", "", "e/f", "e/f"),
        ("A: B (../b)", "", "e/f", "e/f"),
        ("A: B (a/b:)", "", "e/f", "e/f"),
        ("A: B (a/b c)", "", "e/f", "e/f"),
        ("A: B (ä/b)", "", "e/f", "e/f"),
        ("A: B (a/<b>)", "", "e/f", "e/f"),
        (f"A: B (a/{'b' * 300})", "", "e/f", "e/f"),
        (")(", "", "e/f", "e/f"),
        ("", "", "e/f", "e/f"),
    ],
)
def test_where_the_id_comes_from(title: str, link: str, guid: str, expected: str) -> None:
    entry = only(item(title, link, guid))
    assert entry.id == expected
    assert entry.canonical_slug == (guid or None)
    assert entry.url.startswith(("https://openrouter.ai/", "http"))
    assert entry.name


slug = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
ids = st.builds(
    lambda alias, author, model, variant: f"{alias}{author}/{model}{variant}",
    st.sampled_from(["", "~"]),
    slug,
    slug,
    st.one_of(st.just(""), slug.map(":{}".format)),
)


@given(id=ids, name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60))
@settings(max_examples=60, deadline=None)
def test_every_id_survives_whatever_the_name_is(id: str, name: str) -> None:
    entry = only(item(f"{name} ({id})", cdata=False))
    assert entry.id == id
    assert entry.name


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_bytes_give_a_feed_or_our_error(body: bytes) -> None:
    for document in (body, rss()[:-20] + body, rss(item("A (a/b)")).replace(b"a/b", body)):
        try:
            entries = read_feed(document).entries
        except NotPromisedError as error:
            assert str(error).isprintable()
        else:
            assert all(entry.name.isprintable() or entry.name for entry in entries)


def test_items_without_an_id_are_counted_and_each_id_comes_once() -> None:
    found = read_feed(rss(item("A (a/b)"), item("nothing"), item("again (a/b)"), item("C (c/d)"), item("")))
    assert [entry.id for entry in found.entries] == ["a/b", "c/d"]
    assert found.entries[0].name == "A"
    assert found.skipped == 2


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


def test_a_title_of_a_megabyte_is_cut() -> None:
    entry = only(item("x" * 1_000_000 + " (a/b)"))
    assert (entry.id, len(entry.name), entry.name[-1]) == ("a/b", 300, "…")


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Fri, 25 Sep 2026 19:12:40 GMT", datetime(2026, 9, 25, 19, 12, 40, tzinfo=UTC)),
        ("Fri, 25 Sep 2026 19:12:40 +0200", datetime(2026, 9, 25, 17, 12, 40, tzinfo=UTC)),
        ("2026-09-25T19:12:40Z", datetime(2026, 9, 25, 19, 12, 40, tzinfo=UTC)),
        ("Fri, 45 Sep 2026 19:12:40 GMT", None),
        ("Tue, 31 Feb 2026 19:12:40 GMT", None),
        ("2026-02-31T19:12:40Z", None),
        ("Fri, 25 Sep 99999999999 19:12:40 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(date: str, expected: datetime | None) -> None:
    assert only(item("A (a/b)", date=date)).published == expected


@pytest.mark.parametrize("link", ["javascript:alert(1)", "ftp://h", 'https://h/"><b>', "https://h/" + "x" * 3000, ""])
def test_a_link_that_is_no_web_address_is_replaced(link: str) -> None:
    assert only(item("A (a/b)", link)).url == "https://openrouter.ai/a/b"


BOMB = '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9)
)


@pytest.mark.parametrize(
    "body",
    [
        (BOMB + "]>").encode() + rss(item("&j; (a/b)"), head=""),
        b"<?xml version='1.0'?>\n<!-- <a> --><!DOCTYPE rss SYSTEM 'file:///etc/passwd'>"
        + rss(item("A (a/b)"), head=""),
        rss(item("A (a/b)"), head='<?xml version="1.0"?><!DOCTYPE rss>'),
        rss(item("A (a/b)"), head="<!doctype rss>"),
        rss(item("A (a/b)"), head="<!DOCTYPE rss>").decode().encode("utf-16"),
        b"<!DOCTYPE html><html><body>Log in</body></html>",
        b"<html><head/><body/></html>",
        b"<rss/>"[:3],
        b"<rss version='2.0'><channel>&nope;</channel></rss>",
        b"<?xml version='1.0'",
        b"{}",
        b"",
        b"\x00" * 100,
    ],
)
def test_what_is_no_feed_is_refused_before_it_does_harm(body: bytes) -> None:
    with pytest.raises(NotPromisedError) as caught:
        read_feed(body)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "inside",
    [
        "<a>" * 100_000,
        "<b>" * 40 + "</b>" * 40,
        "<b/>" * 1_000_000,
        "<item " + " ".join(f"a{i}=''" for i in range(100_000)) + "/>",
        "<item " + " ".join(f"xmlns:a{i}='x'" for i in range(5_000)) + "/>",
    ],
    ids=["endless", "deep", "many", "attributes", "namespaces"],
)
def test_what_would_keep_feedparser_busy_is_refused_before_it_starts(
    inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import feedparser

    monkeypatch.setattr(feedparser, "parse", lambda *_, **__: pytest.fail("it started"))
    with pytest.raises(TooLargeError):
        read_feed(rss(inside))


def test_a_description_may_speak_of_document_types() -> None:
    assert only(item("A <!DOCTYPE html><!ENTITY x> (a/b)")).id == "a/b"


def test_a_feed_that_is_cut_off_anywhere_is_refused() -> None:
    whole = rss(item("A (a/b)", "https://openrouter.ai/a/b", "a/b"), item("C (c/d)")).rstrip()
    for end in range(len(whole)):
        with pytest.raises(NotPromisedError):
            read_feed(whole[:end])
    assert len(read_feed(whole).entries) == 2


@pytest.mark.parametrize(
    "body",
    [
        rss(item("Ä (a/b)"), head='<?xml version="1.0" encoding="us-ascii"?>'),
        rss(item("Ä (a/b)"), head='<?xml version="1.0" encoding="nonsense"?>'),
        b"\xef\xbb\xbf" + rss(item("Ä (a/b)")),
        b"\n\n" + rss(item("Ä (a/b)")),
        rss(item("Ä (a/b)"), head="<?xml version='1.0' encoding='iso-8859-1'?>").decode().encode("latin-1"),
        rss(item("Ä (a/b)"), head="").decode().encode("utf-16"),
    ],
)
def test_remarks_about_the_encoding_are_no_reason_to_refuse(body: bytes) -> None:
    (entry,) = read_feed(body).entries
    assert (entry.id, entry.name) == ("a/b", "Ä")


def test_too_many_bytes_or_items_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_ENTRIES", 3)
    assert len(read_feed(rss(*(item(f"A (a/b{i})") for i in range(3)))).entries) == 3
    with pytest.raises(TooLargeError, match="3 entries"):
        read_feed(rss(*(item(f"A (a/b{i})") for i in range(4))))
    monkeypatch.setattr(feed_module, "MAX_BYTES", 100)
    with pytest.raises(TooLargeError, match="100"):
        read_feed(rss(item("A (a/b)")))


def test_whatever_feedparser_raises_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    import feedparser

    def broken(*_: object, **__: object) -> None:
        raise ValueError("secret of the parser")

    monkeypatch.setattr(feedparser, "parse", broken)
    with pytest.raises(NotPromisedError, match="ValueError"):
        read_feed(rss())


def test_a_string_is_never_taken_for_a_path_or_a_url() -> None:
    with pytest.raises(NotPromisedError):
        read_feed(__file__.encode())
    with pytest.raises(NotPromisedError):
        read_feed(b"http://127.0.0.1:9/")
