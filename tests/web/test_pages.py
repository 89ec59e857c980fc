"""The pages, on the bytes that arrive: what they say, in every format, and what comes with them."""

import json
import re
import shutil
from datetime import timedelta
from html.parser import HTMLParser
from itertools import product
from urllib.parse import quote, urljoin, urlsplit

import pytest

from testkit.command import Watcher
from tests.messages.test_builder import HOSTILE
from tests.store.samples import START, Polls, document
from tests.web.conftest import NOW, make_client, make_config
from watcher.catalog.feed import FeedModel
from watcher.config.settings import Channel
from watcher.store.store import Store
from watcher.web.changes import SHOWN_KINDS
from watcher.web.server import WebServer

PAGES = ("/", "/changes", "/models", "/gone", "/compare", "/compare?model=a/one&model=a/gone", "/status",
         "/model/a/one", "/model/a/gone", "/model/b/new")  # fmt: skip
FORMS = {"": "text/html; charset=utf-8", ".json": "application/json", ".md": "text/markdown; charset=utf-8"}


@pytest.fixture
def site(serve):
    """Return a client of the pages, over a history with each kind of change of presence and price."""

    def start(*args, **web):
        client = serve(*args, **web)
        return make_client(str(client.base_url).removesuffix("/api/v1/"))

    return start


def see_more(polls):
    """Poll twice more: a/gone is announced as gone, and a/one as dearer."""
    free = document("a/free", created=3, pricing={"prompt": "0", "completion": "0"})
    one = document("a/one", prompt="0.000002", created=1, expiration_date="2026-02-01")
    alias = document("~a/latest", alias_target={"slug": "a/one", "name": "One"}, created=5)
    for hours in (2, 5):
        polls.see(one, free, document("b/new", created=4), alias, at=START + timedelta(hours=hours))


@pytest.fixture
def history(polls):
    """The database after these polls."""
    see_more(polls)
    return polls


@pytest.fixture(scope="module")
def reader(filled, tmp_path_factory):
    """A client of one server over this history, for all tests that only read with the default settings."""
    url = f"sqlite:///{shutil.copy(filled, tmp_path_factory.mktemp('history') / 'watcher.db')}"
    with Store.open(url) as store:
        see_more(Polls(store))
    server = WebServer(make_config(url), clock=lambda: NOW)
    server.start()
    with make_client(server.url) as client:
        yield client
    server.stop()


class Document(HTMLParser):
    """Fails where elements are not closed in order; collects links, ids and loaded addresses."""

    void = ("meta", "link", "input", "br", "img", "hr")

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.loaded, self.ids, self.tags = [], [], [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        assert not re.search(r'="[^"]*"[^\s/>]', self.get_starttag_text()), self.get_starttag_text()
        values = dict(attrs)
        self.tags.append((tag, values))
        if tag not in self.void:
            self.open.append(tag)
        if tag == "a":
            self.links.append(values["href"])
        self.loaded += [values[name] for name in ("src", "data", "action") if name in values]
        self.loaded += [values["href"]] if tag == "link" else []
        self.ids += [values["id"]] if "id" in values else []

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.void:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag


def page(client, path):
    response = client.get(path)
    assert response.status_code == 200, (path, response.text[:500])
    return response.text


def text_of(html):
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html))


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_every_page_comes_in_every_format_well_formed(site, history):
    client = site()
    for path, (suffix, kind) in product(PAGES, FORMS.items()):
        name, _, query = path.partition("?")
        address = f"{(name if name != '/' or not suffix else '/changes')}{suffix}?{query}"
        response = client.get(address)
        assert (response.status_code, response.headers["content-type"]) == (200, kind), address
        if not suffix:
            found = Document(response.text)
            assert len(found.ids) == len(set(found.ids))
        if suffix == ".json":
            assert isinstance(response.json(), dict)
        if suffix == ".md":
            assert response.text.startswith("# ") and "<" not in response.text.replace("(<", "").replace("&lt;", "")


def test_every_link_of_every_page_leads_somewhere(site, history):
    client = site(prefix="/watch")
    seen, left = set(), ["/watch/"]
    while left:
        path = left.pop()
        response = client.get(path)
        assert response.status_code == 200, path
        if not response.headers["content-type"].startswith("text/html"):
            continue
        found = Document(response.text)
        for link in [*found.links, *found.loaded]:
            target = urljoin(path, link).partition("#")[0]
            if urlsplit(target).netloc:
                assert target.startswith("https://openrouter.ai/")
                continue
            assert target.startswith("/watch/"), link
            if target not in seen and len(seen) < 250:
                seen.add(target)
                left.append(target)
    assert {
        "/watch/models",
        "/watch/model/a/one",
        "/watch/model/a/gone",
        "/watch/model/~a/latest",
        "/watch/llms.txt",
    } <= seen


def test_a_filter_and_what_follows_it_are_well_formed(reader):
    for path in ("/?kind=new,expired&direction=up&size=5&free=1", "/models?modality=text&free=1&sort=-prompt"):
        found = Document(page(reader, path))
        chosen = [values for _, values in found.tags if {"checked", "selected"} & values.keys()]
        assert len(chosen) == (4 if path.startswith("/?") else 2), path
    assert "<option selected>video</option>" in page(reader, "/models?modality=video"), "although no model has it"
    assert " of 4" in text_of(page(reader, "/models?q=a/one")) and "1of" not in page(reader, "/models?q=a/one")


def test_changes_are_grouped_by_day_and_say_what_a_channel_gets(reader):
    text = text_of(page(reader, "/"))
    assert text.index("4 January 2026") < text.index("Name of a/one")
    assert "prompt: $1 → $2/M ↑ +100%" in text and "No longer in the catalogue" in text
    only = text_of(page(reader, "/?kind=expired"))
    assert "a/gone" in only and "a/one" not in only


def test_a_filter_stays_in_the_form_and_in_the_addresses_of_other_formats(reader):
    html = page(reader, "/?kind=expired&author=a")
    checked = [values["value"] for tag, values in Document(html).tags if tag == "input" and "checked" in values]
    assert checked == ["expired"] and 'value="a"' in html
    assert "/changes.json?kind=expired&amp;author=a" in html
    found = reader.get("/changes.json?kind=expired&author=a").json()
    assert [(event["kind"], event["model"]) for event in found["changes"]] == [("expired", "a/gone")]


def test_changes_come_in_pages(site, polls):
    for number in (15, 30, 45, 60):  # a page ends among events of one time
        shown = [document(id) for id in ("a/one", "a/free", "b/new", *(f"n/{each:02}" for each in range(number)))]
        polls.see(*shown, at=START + timedelta(hours=2, minutes=number))
    client, path, ids = site(), "/changes.json?kind=new", []
    while path:
        found = client.get(path).json()
        ids += [event["model"] for event in found["changes"] if event["model"].startswith("n/")]
        path = found["next"] and f"/changes.json{found['next']}"
    assert sorted(ids) == [f"n/{number:02}" for number in range(60)]
    html = page(client, "/?kind=new")
    following = next(v["href"] for tag, v in Document(html).tags if tag == "a" and v.get("rel") == "next")
    assert "Newest" in page(client, following)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["a/free", "a/one", "b/new", "~a/latest"]),
        ("q=ONE", ["a/one"]),
        ("q=a/*", ["a/free", "a/one", "~a/latest"]),
        ("free=on", ["a/free"]),
        ("max_price=1", ["a/free", "b/new", "~a/latest"]),
        ("min_context=200000", []),
        ("modality=text&parameter=tools&q=b", ["b/new"]),
        ("modality=image", []),
        ("sort=-prompt", ["a/one", "~a/latest", "b/new", "a/free"]),
        ("sort=prompt&free=", ["a/free", "b/new", "~a/latest", "a/one"]),
        ("sort=created", ["a/one", "a/free", "b/new", "~a/latest"]),
        ("sort=-created&q=", ["~a/latest", "b/new", "a/free", "a/one"]),
        ("sort=-changed&q=one", ["a/one"]),
        ("sort=cache", ["a/free", "a/one", "b/new", "~a/latest"]),
        ("page=2", []),
    ],
)
def test_models_are_filtered_and_sorted_by_the_server(reader, query, expected):
    found = reader.get(f"/models.json?{query}").json()["models"]
    assert [model["id"] for model in found] == expected


def test_a_bound_of_zero_stays_in_the_links(reader):
    shown = Document(page(reader, "/models?max_price=0&q=a&min_context=0"))
    assert "/models?q=a&max_price=0&min_context=0&sort=prompt" in shown.links


def test_the_sorted_column_says_so_and_turns_round(reader):
    html = page(reader, "/models?sort=prompt&free=on")
    (sorted_column,) = [values for tag, values in Document(html).tags if "aria-sort" in values]
    assert sorted_column["aria-sort"] == "ascending"
    assert "/models?free=true&amp;sort=-prompt" in html and "/models?free=true&amp;sort=context" in html


@pytest.mark.parametrize("column", ["created", "changed"])
def test_the_least_age_comes_first_and_is_called_so(reader, column):
    assert f'"/models?sort=-{column}"' in page(reader, "/models")
    for sort, order, other in ((f"-{column}", "ascending", column), (column, "descending", f"-{column}")):
        html = page(reader, f"/models?sort={sort}")
        assert [values["aria-sort"] for _, values in Document(html).tags if "aria-sort" in values] == [order]
        assert f'"/models?sort={other}"' in html


@pytest.mark.parametrize(
    "path", ["/models?sort=x", "/models?max_price=x", "/models?page=0", "/?kind=x", "/?size=x", "/gone?page=x",
             "/compare?price=x", "/compare?model=1,2,3,4,5,6,7", "/%ff", "/?model=%ff"]
)  # fmt: skip
def test_a_wrong_address_is_an_error_in_the_format_of_the_page(reader, path):
    response = reader.get(path)
    assert response.status_code == 400 and response.headers["content-type"] == FORMS[""]
    assert response.headers["cache-control"] == "no-store" and "etag" not in response.headers
    path, _, query = path.partition("?")
    if path not in ("/", "/%ff"):
        assert reader.get(f"{path}.json?{query}").json()["error"]["code"] == 400


def test_a_model_shows_its_prices_over_time_and_everything_about_it(reader):
    html = page(reader, "/model/a/one")
    found = json.loads(page(reader, "/model/a/one.json"))
    assert found["aliases"] == ["~a/latest"]
    assert [price for _, price in found["prices"]["prompt"]] == ["0.000001", "0.000002", "0.000002"]
    assert html.count("<svg") == 2 and "<title>Prices of Name of a/one, USD per 1M tokens" in html
    text = text_of(html)
    for part in (
        "$2",
        "listed",
        "expires 1 February 2026",
        "~a/latest",
        "The document as it came",
        "What a/one is good",
    ):
        assert part in text, part
    assert "2026-01-04 12:00 prompt $1" in text  # the table below the chart


def test_an_alias_does_not_point_to_itself(site, polls):
    alias = document("~a/latest", alias_target={"slug": "a/one", "name": "One"}, canonical_slug="a/one")
    kept = [document("a/one"), document("a/free"), document("b/new")]
    polls.see(*kept, alias, at=START + timedelta(hours=2))
    client = site()
    assert client.get("/model/a/one.json").json()["aliases"] == ["~a/latest"]
    assert client.get("/model/~a/latest.json").json()["aliases"] == []


def test_the_tiers_of_a_price_are_in_the_order_of_their_size(site, polls):
    overrides = [{"min_prompt_tokens": size, "prompt": f"{size}e-9"} for size in (200_000, 32_000, 1_000_000)]
    tiers = document("a/tiers", pricing={"prompt": "0.000001", "completion": "0.000002", "overrides": overrides})
    polls.see(document("a/one"), document("a/free"), document("b/new"), tiers, at=START + timedelta(hours=2))
    for path in ("/model/a/tiers", "/model/a/tiers.md", "/compare?model=a/tiers"):
        found = re.findall(r"prompt over (\w+) tokens", page(site(), path).partition("over time")[0])
        assert found[:3] == ["32K", "200K", "1M"], path


def test_a_document_keeps_its_indents_and_its_links_lead_somewhere(site, polls):
    kept = [document("a/one"), document("a/free"), document("b/new")]
    polls.see(*kept, document("a/three/parts"), at=START + timedelta(hours=2))
    client = site()
    html = page(client, "/model/a/three/parts")
    assert "{\n  &#34;id&#34;: " in html or "{\n  &quot;id&quot;: " in html
    assert ": {\n    &quot;input_modalities" in html.replace("&#34;", "&quot;")
    for link in Document(html).links:
        assert link.startswith("https://openrouter.ai/") or client.get(link).status_code == 200, link


def test_a_page_behind_the_last_says_so(reader):
    for path in ("/models", "/gone"):
        shown = text_of(page(reader, f"{path}?page=3"))
        assert "The list ends before this page." in shown and "No model" not in shown
        assert "No model matches." in text_of(page(reader, f"{path}?page=1&q=nothing"))


def test_each_kind_has_its_colour(reader):
    sheet = reader.get(next(address for address in Document(page(reader, "/")).loaded if ".css" in address)).text
    coloured = {name for rule in re.findall(r"([^{}]*)\{ --kind:", sheet) for name in re.findall(r"\.(\w+)", rule)}
    assert coloured == set(SHOWN_KINDS)


def test_a_model_that_is_gone_keeps_its_page(reader):
    text = text_of(page(reader, "/model/a/gone"))
    assert "No longer in the catalogue." in text and "it was not announced" in text and "Last prices" in text
    found = reader.get("/gone.json").json()["models"]
    assert [(one["model"]["id"], one["announced"]) for one in found] == [("a/gone", None)]
    assert "a/gone" in page(reader, "/gone?q=gone") and "a/gone" not in page(reader, "/gone?q=other")


def test_a_model_of_the_feed_alone_is_not_called_gone(site, polls):
    kept = [document("a/one"), document("a/free"), document("b/new")]
    polls.see(*kept, at=START + timedelta(hours=2), feed=[FeedModel("f/only", "Feed only")])
    for path in ("/model/f/only", "/model/f/only.md", "/compare?model=f/only&model=a/one"):
        text = page(site(), path)
        assert "Feed only" in text and "Last prices" not in text and ">gone<" not in text, path


def test_what_left_as_announced_names_its_day_and_what_to_use_instead(site, polls):
    kept = [document("a/one"), document("a/free"), document("b/new")]
    leaving = document("b/old", created=6, expiration_date="2026-01-05")
    polls.see(*kept, leaving, document("b/old:free", created=7), at=START + timedelta(hours=2))
    for hours in (40, 47, 54):
        polls.see(*kept, document("b/old:free", created=7), at=START + timedelta(hours=hours))
    client = site(START + timedelta(hours=60))
    (one,) = [one for one in client.get("/gone.json").json()["models"] if one["model"]["id"] == "b/old"]
    assert one["date"] == "2026-01-05" and [other["id"] for other in one["successors"]] == ["b/old:free"]
    assert "announced on 4 January 2026 for 5 January 2026" in text_of(page(client, "/model/b/old"))
    assert '<a href="/model/b/old:free">' in page(client, "/model/b/old")


def test_an_unknown_model_is_404_with_suggestions(reader):
    response = reader.get("/model/a/oen")
    assert response.status_code == 404 and '<a href="/model/a/one">' in response.text
    assert reader.get("/model/x/one.json").json()["similar"][0] == "a/one"
    assert "/model/a/one" in Document(reader.get("/a/one").text).links, "as OpenRouter has it"
    assert reader.get("/nothing").status_code == 404


def test_the_nearest_suggestion_comes_first(site, polls):
    polls.see(
        *(document(f"{author}/gpt-4{end}") for author in "qoz" for end in ("-mini", "o-preview", "o")),
        at=START + timedelta(hours=2),
    )
    for wanted, nearest in (("o/gpt-4o", "o/gpt-4o"), ("O/GPT-4", "o/gpt-4o"), ("o/gpt-4-m", "o/gpt-4-mini")):
        assert site().get(f"/{wanted}.json").json()["similar"][0] == nearest, wanted


def test_an_id_that_ends_like_a_format_has_its_page_in_every_format(site, polls):
    polls.see(
        document("a/x.json"), document("a/one"), document("a/free"), document("b/new"), at=START + timedelta(hours=2)
    )
    client = site()
    assert client.get("/model/a/x.json").headers["content-type"] == FORMS[""]
    assert client.get("/model/a/x.json.json").json()["model"]["id"] == "a/x.json"


def test_models_are_compared_in_one_chart(reader):
    html = page(reader, "/compare?model=a/one&model=a/gone&model=&price=completion")
    assert "completion price of Name of a/one, Name of a/gone" in html and "gone" in text_of(html)
    unknown = page(reader, "/compare?model=a/oen&model=a/one")
    assert "Did you mean" in unknown and 'value="a/oen"' in unknown and 'value="a/one"' in unknown
    markdown = page(reader, "/compare.md?model=a/one&model=a/gone&model=a/oen")
    assert "[a/gone](/model/a/gone.md) (gone) |" in markdown and "No model a/oen was ever seen." in markdown
    rows = [line.count("|") for line in markdown.splitlines() if line.startswith("|")]
    assert len(rows) == 10 and set(rows) == {4}
    assert "Choose two to 6 models" in page(reader, "/compare.md") and "|" not in page(reader, "/compare.md")
    found = reader.get("/compare.json?model=a/one,b/new").json()
    assert [one["model"]["id"] for one in found["models"]] == ["a/one", "b/new"]


def test_the_status_tells_what_works_without_secrets_and_paths(site, history, database):
    from watcher.config.secret import Secret

    channels = (Channel("team", url=Secret("json://user:hunter2@example.org")),)
    client = site(config={"channels": channels})
    for path in ("/status", "/status.json", "/status.md"):
        text = page(client, path)
        assert "team" in text and "hunter2" not in text and "example.org" not in text
        assert "watcher.db" not in text
    assert client.get("/status.json").json()["healthy"]
    assert "etag" not in client.get("/status").headers


def test_a_status_that_is_too_old_says_since_when(site, history):
    assert "Not checked since 2026-01-04 17:00 UTC." in text_of(page(site(NOW + timedelta(days=9)), "/status"))


def test_an_empty_database_has_all_its_pages(site, empty, tmp_path):
    url = f"sqlite:///{shutil.copy(empty, tmp_path / 'empty.db')}"
    client = site(url=url)
    for path in ("/", "/models", "/gone", "/compare", "/status"):
        assert "<main" in page(client, path)
    assert "watcher --check" in page(client, "/") and "watcher --check" in page(client, "/models")
    assert client.get("/model/a/one").status_code == 404
    assert "Never checked" in page(client, "/status")


def test_the_status_of_a_database_that_was_only_imported_says_so(site, polls, tmp_path):
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / f"{START:%Y-%m-%dT%H-%M-%SZ}.json").write_text(json.dumps({"data": [document("a/one")]}))
    (tmp_path / "config.toml").write_text('[store]\nurl = "sqlite:///imported.db"\n')
    done = Watcher(tmp_path).run_here("import", str(archive))
    assert done.code == 0, done.err
    client = site(url=f"sqlite:///{tmp_path / 'imported.db'}")
    said = text_of(page(client, "/status"))
    assert "Not polled yet." in said and "was imported: its last snapshot is from 2026-01-04 12:00 UTC" in said
    assert "Never checked" not in said and "Models 1" in said
    assert "imported, up to 2026-01-04 12:00 UTC" in page(client, "/status.md")
    assert client.get("/status.json").json()["last_poll"] is None


def test_a_database_that_cannot_be_read_is_a_page_that_says_so(site, polls, tmp_path):
    response = site(url=f"sqlite:///{tmp_path / 'none.db'}").get("/models")
    assert response.status_code == 503 and response.headers["retry-after"] == "30"
    assert "does not exist" in response.text and response.headers["content-type"] == FORMS[""]


def test_headers_let_nothing_in_from_elsewhere(reader):
    for path in (*PAGES, "/nothing", "/models?sort=x", "/models.json", "/static/style.css", "/llms.txt"):
        headers = reader.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none';") and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and "http" not in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"


def test_a_page_is_304_until_something_changes_or_the_day_ends(site, history):
    client = site()
    for path in ("/", "/models", "/model/a/one", "/gone.json", "/llms.txt"):
        first = client.get(path)
        assert first.headers["cache-control"] == "public, no-cache"
        again = client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert again.status_code == 304 and again.content == b"", path
    etag = client.get("/models").headers["etag"]
    assert site(NOW + timedelta(days=1)).get("/models", headers={"if-none-match": etag}).status_code == 200
    history.see(
        document("c/c", created=9),
        document("a/one"),
        document("a/free"),
        document("b/new"),
        at=START + timedelta(hours=5.5),
    )
    assert "c/c" in client.get("/models", headers={"if-none-match": etag}).text


def test_what_pages_load_is_small_kept_for_a_year_and_ours(reader):
    for path in ("/", "/models", "/model/a/one"):
        html = page(reader, path)
        loaded = [address for address in Document(html).loaded if address.startswith("/static/")]
        assert loaded and all("?" in address for address in loaded)
        for address in loaded:
            response = reader.get(address)
            assert response.status_code == 200 and "immutable" in response.headers["cache-control"]
        scripts = [reader.get(address).content for address in loaded if ".js" in address]
        assert len(scripts) == (path == "/models") and all(len(script) < 5000 for script in scripts)
    assert reader.get("/static/../site.py").status_code == reader.get("/static/nothing").status_code == 404


def test_tokens_guard_pages_as_they_guard_the_api(site, history, tmp_path):
    file = tmp_path / "tokens"
    file.write_text("first-token\n")
    client = site(tokens_file=file)
    assert [client.get(path).status_code for path in ("/", "/status.json", "/llms.txt", "/static")] == [401] * 4
    allowed = client.get("/", headers={"authorization": "Bearer first-token"})
    assert allowed.status_code == 200 and allowed.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in allowed.headers["vary"]


BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("wrong", ["", "wrong-token"])
def test_a_browser_without_a_valid_token_gets_a_page_that_says_how_to_send_one(site, history, tmp_path, wrong):
    (tmp_path / "tokens").write_text("first-token\nown-token /models?q=one\n")
    client = site(tokens_file=tmp_path / "tokens", prefix="/x")
    headers = {**BROWSER, **({"authorization": f"Bearer {wrong}"} if wrong else {})}
    for path in ("/", f"/models?q=one&token={wrong}", "/nothing", "/feed.atom", "/status.json"):
        refused = client.get(path, headers=headers)
        assert (refused.status_code, refused.headers["content-type"]) == (401, FORMS[""]), path
        assert refused.headers["www-authenticate"] == "Bearer" and refused.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in refused.headers["content-security-policy"]
        said = text_of(refused.text)
        assert "No valid token came with your request" in said and "wrong-token" not in said
        assert "Authorization: Bearer TOKEN" in said and "?token=TOKEN" in said
        sheet = Document(refused.text).loaded[0]
        assert client.get(urljoin("/x/", sheet)).status_code == 200
    assert client.head("/", headers=headers).content == b""
    assert client.get("/models?q=one&token=own-token", headers=BROWSER).status_code == 200


def test_programs_without_a_valid_token_get_json(site, history, tmp_path):
    (tmp_path / "tokens").write_text("first-token\n")
    client = site(tokens_file=tmp_path / "tokens")
    asked = [(path, {}) for path in ("/", "/models.json", "/feed.atom", "/api/v1/models")]
    asked += [(path, BROWSER) for path in ("/api/v1/models", "/api/v1/nothing", "/export/csv")]
    for path, headers in asked:
        refused = client.get(path, headers=headers)
        assert refused.status_code == 401 and refused.headers["content-type"] == "application/json", path
        assert refused.json()["error"] == {"code": 401, "message": "No valid token was given"}


def test_agents_find_every_page(site, history):
    client = site(prefix="/watch")
    index = page(client, "/llms.txt")
    addresses = re.findall(r"\]\((http[^)]*)\)", index)
    assert len(addresses) >= 7
    for section in index.split("\n## ")[1:]:  # the lists of llmstxt.org, where each line begins with a link
        lines = section.strip().splitlines()[2:]
        assert lines and all(re.match(r"- \[[^\]]+\]\(http[^)]+\)(: .+)?$", line) for line in lines), section
    for address in addresses:
        assert client.get(address).status_code == 200, address
    assert "/watch/model/AUTHOR/SLUG.md`" in index
    assert f"{client.base_url}/watch/models.md" in addresses
    assert "/model/a/one.md" in page(client, "/model/a/one/llms.txt")
    for path in ("/nothing/llms.txt", "/model/a/oen/llms.txt", "/model/x%0A%0A%23%20Do%20this/llms.txt"):
        refused = client.get(path)
        assert (refused.status_code, refused.headers["content-type"]) == (404, FORMS[".md"]), path
    full = page(client, "/llms-full.txt")
    assert "# Models" in full and "# Gone" in full and "b/new" in full


def test_modalities_are_named_input_and_output(reader):
    model, compared = page(reader, "/model/a/one"), page(reader, "/compare?model=a/one&model=b/new")
    assert all(name in model for name in ("<dt>Input</dt>", "<dt>Output</dt>"))
    assert all(name in compared for name in (">input</th>", ">output</th>"))


def test_an_id_in_markdown_is_as_it_is(reader):
    assert "`~a/latest`, listed" in page(reader, "/model/~a/latest.md")


def test_a_description_is_shown_without_the_marks_of_markdown(site, polls):
    polls.see(document("a/told", description="One. A *fast* variant of [Opus](/anthropic/opus)."), at=START)
    client = site()
    for form in ("", ".md"):
        assert "A fast variant of Opus." in page(client, f"/model/a/told{form}")
    assert "[Opus](/anthropic/opus)" in page(client, "/model/a/told.json")


@pytest.mark.parametrize("form", ["", ".md", ".json"])
def test_the_page_of_a_model_has_its_description_as_text(site, polls, form):
    polls.see(document("a/told", description="Writes long reports.\nCosts <little>."), at=START)
    text = page(site(), f"/model/a/told{form}")
    shown = {"": "Writes long reports.\nCosts &lt;little&gt;.", ".md": r"Writes long reports. Costs \<little\>."}
    assert shown.get(form, r"Writes long reports.\nCosts <little>.") in text


def test_pages_may_only_be_read(reader):
    assert reader.post("/models").status_code == 405
    assert reader.head("/models").content == b""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_inert_in_every_format(site, polls, name):
    text = HOSTILE[name].replace("\ud800", "").replace("\udfff", "")
    odd = document(
        "x/<img/src=x/onerror=alert(1)>", name=text, description=text, created=9, canonical_slug=text,
        hugging_face_id=text,
        knowledge_cutoff=text, supported_parameters=[text, "tools"], alias_target={"slug": text, "name": text},
        architecture={"input_modalities": [text, "text"], "output_modalities": ["text"]},
        pricing={"prompt": "0.000001", "completion": "0.000002", text[:50] or "x": "0.1"},
    )  # fmt: skip
    kept = [document("a/one"), document("a/free"), document("b/new")]
    for hours, price in ((2, "0.000001"), (6, "0.000009"), (11, "0.000009")):
        odd["pricing"] = {**odd["pricing"], "prompt": price}
        polls.see(*kept, odd, at=START + timedelta(hours=hours))
    client = site(START + timedelta(hours=12))
    id = quote(odd["id"], safe="")
    for path in ("/", "/models", f"/model/{id}", f"/compare?model={id}&model=a/one", f"/?model={quote(text[:500])}",
                 f"/models?q={quote(text[:500])}", f"/model/{quote(text[:200], safe='')}"):  # fmt: skip
        response = client.get(path)
        assert response.status_code in (200, 400, 404), path
        for tag, values in Document(response.text).tags:
            assert tag not in ("img", "iframe", "object", "style", "base")
            assert tag != "script" or values["src"].startswith("/static/")
            assert not any(attribute.startswith("on") or attribute == "style" for attribute in values)
            for attribute in ("href", "src", "action"):
                target = values.get(attribute, "/")
                assert target.startswith(("/", "#", "https://openrouter.ai/")) and not target.startswith("//"), target
        assert not set(response.text) & {"\x00", "\x1b", "\u202e", "\u2066"}
    for path in ("/changes", "/models", f"/model/{id}"):
        markdown = client.get(f"{path}.md").text
        assert not re.search(r"(?<!\\)<(?!https://openrouter\.ai/)\w", markdown), path
        assert not re.search(r"(?<!\\)\]\((?!/|<https://openrouter\.ai/)", markdown), path
        assert client.get(f"{path}.json").json()
