"""Feeds, as feed readers get and read them."""

import re
import shutil
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlsplit

import feedparser
import pytest
from msgspec.structs import replace

from tests.events import ALL, CHEAPER
from tests.store.samples import START, document
from tests.web.test_changes import keep
from watcher.config.mine import MineSettings
from watcher.messages.builder import compose
from watcher.messages.document import Format
from watcher.store.records import Poll
from watcher.web import feeds

PATHS = tuple(feeds.FEEDS)
NEWS = [
    replace(each, at=START + timedelta(minutes=number), model=each.model and f"{each.model}-{number}")
    for number, each in enumerate(ALL, 1)
]
"""One event of each kind, each of a model and a minute of its own."""
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def news(polls):
    """The announced events, newest first."""
    keep(polls.store, *NEWS)
    with polls.store.reading() as session:
        return sorted(session.history.events(), key=lambda event: event.at, reverse=True)


def origin(client):
    return str(client.base_url).removesuffix("/api/v1/")


@pytest.fixture
def fetch(client, news):
    """Return the answer for a path and query, over the socket."""
    return lambda url, **headers: client.get(origin(client) + url, headers=headers)


class Entry:
    """An entry as a reader shows it."""

    def __init__(self, id, title, link, html, at, tags):
        self.id, self.title, self.link, self.html, self.at, self.tags = id, title, link, html, at, tags


def entries(response):
    """Return the entries that a reader finds in a feed of any format."""
    assert response.status_code == 200, response.text
    if "json" in response.headers["content-type"]:
        return [
            Entry(
                item["id"],
                item["title"],
                item["url"],
                item["content_html"],
                datetime.fromisoformat(item["date_published"]),
                item["tags"],
            )
            for item in response.json()["items"]
        ]
    parsed = feedparser.parse(response.content, sanitize_html=False, resolve_relative_uris=False)
    assert not parsed.bozo and parsed.version in ("atom10", "rss20")
    return [
        Entry(
            each.id,
            each.title,
            each.link,
            each.content[0].value if "content" in each else each.summary,
            datetime(*each.published_parsed[:6], tzinfo=UTC),
            [tag.term for tag in each.tags],
        )
        for each in parsed.entries
    ]


class Text(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found, self.tags, self.skipped = [], set(), False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add((tag, *(name for name, _ in attrs)))
        self.skipped = tag == "style"

    def handle_endtag(self, tag):
        self.skipped = False

    def handle_data(self, data):
        if not self.skipped:
            self.found.append(data)

    @property
    def words(self):
        return " ".join("".join(self.found).split())


@pytest.mark.parametrize("path", PATHS)
def test_each_event_is_an_entry_that_says_what_a_channel_gets(fetch, news, path):
    response = fetch(path)
    assert response.headers["content-type"] == f"{feeds.FEEDS[path]}; charset=utf-8"
    found = entries(response)
    assert len(found) == len(news) > len(ALL)
    for entry, event in zip(found, news, strict=True):
        mail = compose((event,), Format.HTML)
        assert entry.title == mail.title
        assert Text(entry.html).words.replace(" ", "") == Text(mail.body).words.replace(" ", "")
        assert entry.link == event.url or (event.url is None and urlsplit(entry.link).path == "/")
        assert entry.at == event.at.replace(microsecond=0)
        assert entry.tags == [event.kind]


def test_all_formats_have_the_same_entries(fetch):
    found = [[vars(entry) for entry in entries(fetch(path))] for path in PATHS]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("path", PATHS)
def test_the_filter_of_the_page_holds(fetch, path):
    assert len(entries(fetch(f"{path}?model=openai/gpt-4o*&kind=repriced"))) == 1
    assert {entry.tags[0] for entry in entries(fetch(f"{path}?kind=new,expired"))} == {"new", "expired"}
    author = fetch(f"{path}?author=qwen")
    assert len(entries(author)) == 1 and "author qwen" in author.text
    assert entries(fetch(f"{path}?author=nobody")) == []
    for query in ("kind=lost", "direction=left", "size=x", "model=%FF"):
        assert fetch(f"{path}?{query}").status_code == 400
    assert entries(fetch(f"{path}?before=never")) == []


def test_a_feed_of_mine_has_the_news_about_my_models(serve, news, polls):
    client = serve(config={"mine": MineSettings(models=("openai/*",))})
    with polls.store.writing() as session:
        session.state.save_found_models(["b/new"])
    response = client.get(f"{origin(client)}/feed.atom?mine=1")
    found = entries(response)
    assert "models: mine</title>" in response.text
    assert {entry.link.removeprefix("https://openrouter.ai/").split("/")[0] for entry in found} == {"openai", "b"}


def ids(text):
    return re.findall(r"urn:uuid:[0-9a-f-]{36}", text)


@pytest.mark.parametrize("path", PATHS)
def test_a_move_to_another_host_prefix_or_scheme_is_no_news(serve, news, path):
    client = serve(allowed_hosts=("a.example", "b.example"), trusted_proxies=("127.0.0.1",), prefix="/sub")
    moves = [
        {"host": "a.example"},
        {"x-forwarded-proto": "https", "x-forwarded-host": "b.example:8443"},
        {"host": "localhost:1"},
    ]
    found = [client.get(f"{origin(client)}{path}?kind=new", headers=headers).text for headers in moves]
    assert len(ids(found[0])) >= 3
    assert ids(found[0]) == ids(found[1]) == ids(found[2])
    assert "https://b.example:8443/sub" + path in found[1]
    assert ids(client.get(f"{origin(client)}{path}?kind=expired").text)[0] not in ids(found[0])


def following(response):
    """Return the address of the next page, where the format has it."""
    if "json" in response.headers["content-type"]:
        return response.json().get("next_url")
    root = ElementTree.fromstring(response.text)
    links = {link.get("rel"): link.get("href") for link in root.iter(f"{ATOM}link")}
    assert {"self", "first"} <= links.keys()
    return links.get("next")


@pytest.mark.parametrize("path", PATHS)
def test_pages_lead_to_each_event_once(client, fetch, news, path, monkeypatch):
    monkeypatch.setattr(feeds, "ENTRIES", 4)
    seen, url = [], f"{origin(client)}{path}?kind=expired,repriced,new"
    while url is not None:
        page = client.get(url)
        assert url.count("kind=expired,repriced,new") == 1 and url.count("before=") <= 1
        seen.append(entries(page))
        url = following(page)
    assert [len(page) for page in seen] == [4] * (len(seen) - 1) + [len(seen[-1])] and len(seen) > 1
    together = [entry.title for page in seen for entry in page]
    monkeypatch.setattr(feeds, "ENTRIES", 100)
    assert together == [entry.title for entry in entries(fetch(f"{path}?kind=new,expired,repriced"))]


@pytest.mark.parametrize("path", PATHS)
def test_what_a_reader_has_is_304_until_there_is_news(fetch, polls, path):
    first = fetch(path)
    etag = first.headers["etag"]
    # The newest event was announced at half past.
    polls.see(document("a/one", prompt="0.000002"), document("a/free", prompt="0"), at=START + timedelta(hours=2))
    first = fetch(path)
    assert first.headers["etag"] != etag, "b/new is gone"
    dated = {"if-modified-since": first.headers["last-modified"]}
    for given in ({"if-none-match": first.headers["etag"]}, dated):
        again = fetch(path, **given)
        assert again.status_code == 304 and again.content == b""
    with polls.store.writing() as session:
        session.state.add_poll(Poll(START + timedelta(hours=3), "failed", 1))
    assert fetch(path, **{"if-none-match": first.headers["etag"]}).status_code == 304, "a poll is no news"


def test_without_the_time_of_the_last_change_no_dated_answer_hides_an_import(fetch, polls):
    keep(polls.store, replace(CHEAPER, id="imported", model="i/i", at=START - timedelta(days=9), marks=("imported",)))
    assert "last-modified" not in fetch("/feed.atom").headers
    assert "last-modified" in fetch("/feed.atom?kind=new").headers
    assert "last-modified" not in fetch("/feed.atom?author=nobody").headers


HOSTILE = (
    "<script>alert(1)</script>",
    "]]><script>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "[x](javascript:alert(1))",
    "\x00\x1b[31m\u202e\ufffe &amp; \"'",
)


@pytest.mark.parametrize("path", PATHS)
def test_hostile_names_are_text(client, polls, path):
    keep(
        polls.store,
        *(
            replace(each, id=f"h{n}{m}", model=f"h{n}/{m}", name=text, detail="<b>x")
            for n, text in enumerate(HOSTILE)
            for m, each in enumerate(NEWS)
        ),
    )
    response = client.get(f"{origin(client)}{path}")
    tags = set()
    for entry in entries(response):
        tags |= Text(entry.html).tags
        assert not Text(entry.title).tags and "javascript:a" not in entry.html + entry.title
        assert all(urlsplit(url).hostname == "openrouter.ai" for url in re.findall(r'href="([^"]*)"', entry.html))
    assert tags == {("h3",), ("p",), ("br",), ("strong",), ("code",), ("small",), ("a", "href")}
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    hostile = client.get(f"{origin(client)}{path}?model=%3Cscript%3E%22%5D%5D%3E%E2%80%AE&author=%26lt%3B")
    assert entries(hostile) == [] and "<script" not in hostile.text.replace('model <script>\\"', "")


DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.mark.parametrize("page", ["/", "/?kind=new&author=z-ai", "/model/a/one", "/models", "/gone", "/status"])
def test_each_page_names_the_feeds_of_its_changes(fetch, page):
    text = fetch(page).text
    links = re.findall(r'<link rel="alternate" type="(application/[a-z]+\+[a-z]+)" title="[^"]+" href="([^"]+)">', text)
    assert dict(links).keys() == set(feeds.FEEDS.values())
    assert 'type="application/json"' not in text, "feed readers take it for a feed of JSON Feed 1.0"
    found = [entries(fetch(unescape(href))) for _, href in links]
    assert len({len(each) for each in found}) == 1
    if "z-ai" in page:
        assert {(entry.tags[0], "z-ai" in entry.link) for entry in found[0]} == {("new", True)}
    if "model" in page and page != "/models":
        assert all("/a/one" in entry.link for entry in found[0])
    assert all(text.count(f'href="{href}"') == 2 for _, href in links), "for people, too"


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("author=trueai&free=1", "author trueai, free"),
        ("model=a%26b&mine=1", "model a&amp;b, mine"),
        ("kind=new,expired&author=z+ai", "kind expired,new, author z ai"),
    ],
)
def test_a_feed_is_called_by_its_filter(fetch, query, title):
    assert f"<title>OpenRouter&#39;s models: {title}</title>" in fetch(f"/feed.atom?{query}").text


@pytest.mark.parametrize("page", ["/?author=", "/models?q=", "/gone?q=", "/compare?model=a/one&model="])
def test_links_keep_a_long_filter_whole(fetch, page):
    long = "z" * 600
    links = re.findall(r'href="([^"]*zzz[^"]*)"', fetch(page + long).text)
    assert len(links) >= 3 and all(long in link and "…" not in link for link in links)


def test_atom_is_as_rfc_4287_asks(fetch):
    root = ElementTree.fromstring(fetch("/feed.atom").text)
    own, others = ("id", "title", "updated", "author"), ("id", "title", "updated", "content")
    for parent, needed in ((root, own), *((entry, others) for entry in root.iter(f"{ATOM}entry"))):
        for name in needed:
            assert len(parent.findall(ATOM + name)) == 1, name
        assert DATE.fullmatch(parent.find(f"{ATOM}updated").text)
    found = [each.text for each in root.iter(f"{ATOM}id")]
    assert len(set(found)) == len(found)
    newest = max(each.find(f"{ATOM}updated").text for each in root.iter(f"{ATOM}entry"))
    assert root.find(f"{ATOM}updated").text == newest
    assert {urlsplit(link.get("href")).scheme for link in root.iter(f"{ATOM}link")} <= {"http", "https"}
    alternates = [(link.get("rel"), link.get("type")) for link in root.findall(f"{ATOM}link")]
    assert len(set(alternates)) == len(alternates)


def test_rss_is_as_its_specification_asks(fetch):
    root = ElementTree.fromstring(fetch("/feed.rss").text)
    channel = root.find("channel")
    assert root.get("version") == "2.0" and all(channel.findtext(name) for name in ("title", "link", "description"))
    for item in channel.iter("item"):
        assert item.find("guid").get("isPermaLink") == "false"
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", item.findtext("pubDate"))
        assert item.findtext("title") and item.findtext("description")


def test_json_is_as_its_specification_asks(fetch):
    feed = fetch("/feed.json").json()
    assert feed["version"] == "https://jsonfeed.org/version/1.1" and feed["title"]
    assert urlsplit(feed["feed_url"]).path == "/feed.json" and urlsplit(feed["home_page_url"]).path == "/"
    for item in feed["items"]:
        assert item["id"] and item["content_html"] and DATE.fullmatch(item["date_published"])


@pytest.mark.parametrize("path", PATHS)
def test_a_feed_without_entries_is_one_all_the_same(serve, empty, tmp_path, path):
    client = serve(url=f"sqlite:///{shutil.copy(empty, tmp_path / 'nothing.db')}")
    response = client.get(f"{origin(client)}{path}")
    assert entries(response) == [] and "all changes" in response.text
    assert "01 Jan 1970" not in response.text, "a date of RSS that may be left out"


# The token in a URL


LINE = "/feed.atom?model=openai/*&kind=new,repriced,changed,expiring"
OWN = "/feed.atom?kind=new,repriced,changed,expiring&model=openai%2F*&token=own-token"


@pytest.fixture
def guarded(serve, news, tmp_path):
    """A server with a token for everything and one for a feed, and the file of both."""
    file = tmp_path / "tokens"
    file.write_text(f"whole-token\nown-token  {LINE}\nbadge-token /badge/a/one.svg\n")
    client = serve(tokens_file=file)
    return lambda url, **headers: client.get(url if "//" in url else origin(client) + url, headers=headers), file


def test_a_token_in_the_url_opens_that_feed_and_its_pages_alone(guarded, monkeypatch):
    monkeypatch.setattr(feeds, "ENTRIES", 1)
    fetch, _ = guarded
    first = fetch(OWN)
    assert len(entries(first)) == 1 and first.headers["cache-control"].startswith("private")
    assert len(entries(fetch(following(first)))) == 1
    for other in (
        "/feed.atom?token=own-token",
        "/feed.rss?model=openai/*&kind=new,repriced,changed,expiring&token=own-token",
        "/feed.atom?model=openai/*&kind=new&token=own-token",
        "/feed.atom?model=openai/*&kind=new,repriced,changed,expiring&free=1&token=own-token",
        "/feed.atom?model=openai/*&kind=new,repriced,changed,expiring&token=own-token&token=own-token",
        "/feed.atom?model=openai/*&kind=new,repriced,changed,expiring&token=own",
        "/feed.atom?model=openai/*&kind=new,repriced,changed,expiring",
        "/feed.atom?model=openai/*&kind=new,repriced,changed,expiring&token=whole-token",
        "/api/v1/models?token=own-token",
        "/metrics?token=own-token",
    ):
        assert fetch(other).status_code == 401, other
    for bearer in ("own-token", f"own-token  {LINE}"):
        assert fetch("/feed.atom", authorization=f"Bearer {bearer}").status_code == 401
    assert fetch("/feed.atom", authorization="Bearer whole-token").status_code == 200
    assert fetch("/badge/a/one.svg?token=badge-token").status_code == 200
    assert fetch("/badge/a/free.svg?token=badge-token").status_code == 401


def test_a_token_of_a_url_is_taken_back_with_its_line(guarded):
    fetch, file = guarded
    assert fetch(OWN).status_code == 200
    file.write_text(f"whole-token\n#own-token {LINE}\n")
    assert fetch(OWN).status_code == 401
    file.write_text(f"own-token {LINE}\n")
    assert fetch(OWN).status_code == 200, "no other token is needed"


@pytest.mark.parametrize("between", [b" ", b"   ", b"\t", b" \t "])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \r\n"])
def test_any_white_space_stands_between_a_token_and_its_url(guarded, between, end):
    fetch, file = guarded
    file.write_bytes(b"\xef\xbb\xbfwhole-token" + end + b"\tother" + between + b"/feed.atom?free=1" + end)
    assert fetch("/feed.atom?free=1&token=other").status_code == 200
    assert fetch("/feed.atom", authorization="Bearer whole-token").status_code == 200
    assert fetch("/feed.atom", authorization="Bearer other").status_code == 401


def test_nothing_is_logged_of_who_reads_what(guarded, caplog, capfd, tmp_path):
    caplog.set_level(0)
    fetch, _ = guarded
    assert fetch(OWN, **{"user-agent": "Reader of Ada"}).status_code == 200
    assert fetch(f"{OWN}&kind=bad", **{"user-agent": "Reader of Ada"}).status_code == 401
    assert fetch("/feed.atom?author=ada&size=bad", authorization="Bearer whole-token").status_code == 400
    said = "".join(capfd.readouterr()) + "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("http")
    )
    for word in ("own-token", "whole-token", "feed.atom", "Ada", "ada"):
        assert word not in said
    assert not any(b"own-token" in file.read_bytes() for file in tmp_path.glob("watcher.db*"))
