"""The API's parameters and paths, asked over a real socket."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlsplit

import httpx
import pytest

from watcher.api.answer import Catalogue, Request, answer
from watcher.simulator import Simulator, built_in, story_by_name, story_scenes

MODELS = built_in()
MILLION = 1_000_000


def outputs(model):
    return model["architecture"]["output_modalities"]


def million(model, key):
    return Decimal(model["pricing"][key]) * MILLION


TEXT = [model for model in MODELS if "text" in outputs(model)]
NOW = datetime(2026, 1, 14, tzinfo=UTC)


def listed(client: httpx.Client, **params) -> list:
    response = client.get("/api/v1/models", params=params)
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["total_count"] == len(body["data"]) and body["links"] == {"next": None}
    return body["data"]


def test_the_whole_text_list_comes_at_once(client):
    response = client.get("/api/v1/models")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "public, max-age=120, stale-while-revalidate=3600, stale-if-error=3600"
    assert [model["id"] for model in listed(client)] == [model["id"] for model in TEXT]


def test_the_documents_come_as_they_are(client):
    assert listed(client, output_modalities="all") == MODELS


FILTERS = [
    ({"output_modalities": "all"}, lambda m: True),
    ({"output_modalities": "image"}, lambda m: "image" in outputs(m)),
    ({"output_modalities": "image, embeddings"}, lambda m: {"image", "embeddings"} & set(outputs(m))),
    ({"output_modalities": "audio"}, lambda m: "audio" in outputs(m)),
    ({"output_modalities": ""}, lambda m: "text" in outputs(m)),
    ({"input_modalities": "audio"}, lambda m: "audio" in m["architecture"]["input_modalities"]),
    ({"supported_parameters": "tools"}, lambda m: "tools" in m["supported_parameters"]),
    (
        {"supported_parameters": "tools,reasoning"},
        lambda m: {"tools", "reasoning"} <= set(m["supported_parameters"]),
    ),
    ({"context": "1000000"}, lambda m: m["context_length"] >= 1_000_000),
    ({"model_authors": "anthropic,openai"}, lambda m: m["id"].strip("~").startswith(("anthropic/", "openai/"))),
    ({"arch": "claude"}, lambda m: m["architecture"]["tokenizer"] == "Claude"),
    ({"providers": "mistral"}, lambda m: m["name"].startswith("Mistral:")),
    ({"q": "HAIKU"}, lambda m: "haiku" in m["id"]),
    ({"q": "claude opus"}, lambda m: "opus" in m["id"]),
    ({"min_price": "2", "max_price": "3"}, lambda m: 2 <= million(m, "prompt") <= 3),
    ({"max_price": "0"}, lambda m: million(m, "prompt") == 0),
    ({"min_output_price": "15"}, lambda m: million(m, "completion") >= 15),
    ({"max_output_price": "0.1"}, lambda m: 0 <= million(m, "completion") <= Decimal("0.1")),
    ({"max_age_days": "30"}, lambda m: m["created"] >= 1768402800 - 30 * 86400),
    ({"min_age_days": "700"}, lambda m: m["created"] <= 1768402800 - 700 * 86400),
    ({"whatever": "1"}, lambda m: True),
    ({"min_intelligence_index": "50"}, lambda m: m["id"].startswith("openai/gpt-5.2") and "benchmarks" in m),
    ({"max_coding_index": "48"}, lambda m: "opus" in m["id"] and "benchmarks" in m),
]


@pytest.mark.parametrize(("params", "wanted"), FILTERS, ids=[str(params) for params, _ in FILTERS])
def test_a_filter_gives_the_models_that_fit_and_no_others(client, params, wanted):
    pool = MODELS if "output_modalities" in params else TEXT
    expected = [model["id"] for model in pool if wanted(model)]
    assert expected
    assert [model["id"] for model in listed(client, **params)] == expected


def test_a_category_narrows_the_list(client):
    programming = [model["id"] for model in listed(client, category="programming")]
    assert "openai/gpt-5.2-codex" in programming
    assert "gryphe/mythomax-l2-13b" not in programming
    assert [model["id"] for model in listed(client, category="roleplay")][-1] == "gryphe/mythomax-l2-13b"


def test_a_model_without_a_fixed_price_passes_no_price_bound(client):
    for params in ({"min_price": "0"}, {"max_price": "1000000"}):
        assert "openrouter/auto" not in [model["id"] for model in listed(client, **params)]


@pytest.mark.parametrize(
    ("sort", "key", "reverse"),
    [
        ("newest", lambda m: m["created"], True),
        ("context-high-to-low", lambda m: m["context_length"], True),
        ("pricing-low-to-high", lambda m: million(m, "prompt") + million(m, "completion"), False),
        ("pricing-high-to-low", lambda m: million(m, "prompt") + million(m, "completion"), True),
    ],
)
def test_the_list_is_sorted_as_asked(client, sort, key, reverse):
    models = listed(client, sort=sort)
    if "pricing" in sort:
        assert models.pop()["id"] == "openrouter/auto"
    assert [key(model) for model in models] == sorted(map(key, models), reverse=reverse)


def elo(model):
    return max((arena["elo"] for arena in model.get("benchmarks", {}).get("design_arena", ())), default=0)


def index(model, name):
    return model.get("benchmarks", {}).get("artificial_analysis", {}).get(name, 0)


@pytest.mark.parametrize(
    ("sort", "score"),
    [
        ("intelligence-high-to-low", lambda m: index(m, "intelligence_index")),
        ("agentic-high-to-low", lambda m: index(m, "agentic_index")),
        ("design-arena-elo-high-to-low", elo),
    ],
)
def test_the_best_score_comes_first_and_models_without_one_last(client, sort, score):
    scores = [score(model) for model in listed(client, sort=sort)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1] == 0


@pytest.mark.parametrize(
    "query",
    [
        "zdr=true", "region=eu", "region=us", "distillable=true", "distillable=false", "sort=top-weekly",
        "sort=most-popular", "sort=throughput-high-to-low", "sort=latency-low-to-high", "min_tool_success_rate=0.5",
        "max_tool_success_rate=0",
    ],
)  # fmt: skip
def test_what_no_document_tells_is_501_with_a_reason(client, query):
    response = client.get(f"/api/v1/models?{query}")
    assert response.status_code == 501
    assert query.split("=")[0] in response.json()["error"]["message"]


@pytest.mark.parametrize("query", ["min_agentic_index=1", "sort=coding-high-to-low"])
def test_without_any_benchmarks_a_score_is_501(query):
    bare = [{key: value for key, value in model.items() if key != "benchmarks"} for model in MODELS]
    assert answer(Request("/api/v1/models", query), Catalogue(bare, NOW)).status == 501


@pytest.mark.parametrize("path", ["endpoints/zdr", "images/models/google/gemini-3-pro-image-preview/endpoints"])
def test_endpoints_of_single_providers_are_501(client, path):
    response = client.get(f"/api/v1/{path}")
    assert response.status_code == 501 and response.json()["error"]["code"] == 501


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=1001", "limit=-1", "limit=ten", "limit=1.5", "limit=%D9%A3", "offset=-1", "offset=x",
        "sort=cheapest", "category=cooking", "output_modalities=smell", "output_modalities=text,smell",
        "input_modalities=smell", "input_modalities=image,smell", "max_price=1_0", "max_price=%D9%A3",
        "context=long", "min_price=cheap", "max_price=-1", "min_output_price=NaN", "max_output_price=1e999999999",
        "max_price=Infinity", "use_rss=maybe", "use_rss_chat_links=2", "min_age_days=1e3", "max_age_days=99999999",
        "q=%ff%fe", "%ff=1", "region=cn", "distillable=maybe", "zdr=false", "context=0", "min_tool_success_rate=2",
        "max_intelligence_index=high", "sort=design-arena", "limit=99999999999999999999999", "&".join(["q=a"] * 200),
    ],
)  # fmt: skip
def test_a_bad_value_is_answered_with_400_and_the_api_s_error_body(client, query):
    response = client.get(f"/api/v1/models?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert error["code"] == 400 and error["message"]


@pytest.mark.parametrize(
    ("params", "first", "size", "following"),
    [
        ({"limit": "10"}, 0, 10, "offset=10&limit=10"),
        ({"offset": "10", "limit": "1"}, 10, 1, "offset=11&limit=1"),
        ({"offset": "5"}, 5, len(TEXT) - 5, None),
        ({"limit": "1000"}, 0, len(TEXT), None),
        ({"offset": str(len(TEXT) - 10), "limit": "10"}, len(TEXT) - 10, 10, None),
        ({"offset": "100000", "limit": "10"}, 0, 0, None),
    ],
)
def test_a_page_is_a_part_of_the_list_and_names_the_next(client, simulator, params, first, size, following):
    body = client.get("/api/v1/models", params=params).json()
    assert body["data"] == TEXT[first : first + size]
    assert body["total_count"] == len(TEXT)
    assert body["links"]["next"] == (following and f"{simulator.url}/models?{following}")


def test_following_the_pages_gives_the_whole_list_and_keeps_the_filters(client):
    url, seen = "/api/v1/models?model_authors=google&output_modalities=all&limit=4", []
    while url:
        body = client.get(url).json()
        seen += body["data"]
        url = body["links"]["next"]
    assert seen == [model for model in MODELS if model["id"].strip("~").startswith("google/")]


def test_without_a_limit_a_page_has_500_models():
    many = [{**MODELS[0], "id": f"a/{n}"} for n in range(1200)]
    offer = Catalogue(many, datetime(2026, 1, 14, tzinfo=UTC), base_url="https://here")

    def ask(query):
        return json.loads(answer(Request("/api/v1/models", query), offer).body)

    assert len(ask("")["data"]) == 1200
    page = ask("offset=0")
    assert len(page["data"]) == 500
    assert urlsplit(page["links"]["next"]).query == "offset=500&limit=500"


@pytest.mark.parametrize(("query", "count"), [("", len(TEXT)), ("?output_modalities=all", len(MODELS))])
def test_the_count_agrees_with_the_list(client, query, count):
    assert client.get(f"/api/v1/models/count{query}").json() == {"data": {"count": count}}


def test_the_account_s_list_is_filtered_and_sorted_too(client):
    query = "output_modalities=embeddings,image&sort=context-high-to-low"
    found = client.get(f"/api/v1/models/user?{query}", headers={"authorization": "Bearer secret"}).json()["data"]
    wanted = [model for model in MODELS if {"embeddings", "image"} & set(outputs(model))]
    assert found == sorted(wanted, key=lambda model: -model["context_length"])


@pytest.mark.parametrize(("path", "modality"), [("embeddings", "embeddings"), ("images", "image"), ("videos", "video")])
def test_lists_by_kind_hold_the_models_of_that_kind(client, path, modality):
    found = [model["id"] for model in client.get(f"/api/v1/{path}/models").json()["data"]]
    assert found == [model["id"] for model in MODELS if modality in outputs(model)]


def test_providers_are_those_that_the_names_tell(client):
    found = {entry["name"]: entry["slug"] for entry in client.get("/api/v1/providers").json()["data"]}
    assert found["Black Forest Labs"] == "black-forest-labs"
    assert found["alpindale"] == "alpindale"  # its name does not begin with a maker
    assert len(found) == len({m["name"].partition(":")[0] if ":" in m["name"] else m["id"].partition("/")[0]
                              for m in MODELS})  # fmt: skip


def test_raw_documents_come_byte_for_byte():
    document = b'{"name" : "A", "id":"a/b", "architecture":{"output_modalities":["text"]}, "pricing":{"prompt":"1e-6"}}'
    models = Catalogue([json.loads(document)], NOW, raw={"a/b": document})
    assert document in answer(Request("/api/v1/models", "raw=1"), models).body
    assert answer(Request("/api/v1/model/a/b", "raw=1"), models).body == b'{"data":' + document + b"}"
    assert answer(Request("/api/v1/models", "raw=yes"), models).status == 400
    following = json.loads(answer(Request("/api/v1/models", "at=x&raw=1&limit=1"),
                                  Catalogue(models.models * 2, NOW, raw=models.raw)).body)["links"]["next"]  # fmt: skip
    assert urlsplit(following).query == "at=x&raw=1&offset=1&limit=1"


def test_the_account_s_list_needs_a_key(client):
    refused = client.get("/api/v1/models/user")
    assert refused.status_code == 401 and refused.json()["error"]["code"] == 401
    given = client.get("/api/v1/models/user?limit=3", headers={"authorization": "Bearer secret"})
    assert given.json()["data"] == TEXT[:3]
    assert "private" in given.headers["cache-control"]
    assert client.get("/api/v1/models/user").status_code == 401


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("openai/gpt-4o", "openai/gpt-4o"),
        ("qwen/qwen3-coder:free", "qwen/qwen3-coder:free"),
        ("qwen/qwen3-coder%3Afree", "qwen/qwen3-coder:free"),
        ("qwen/qwen3-coder-480b-a35b-07-25", "qwen/qwen3-coder"),
        ("~anthropic/claude-sonnet-latest", "anthropic/claude-sonnet-4.5"),
        ("openai/gpt-5.2-20251211", "openai/gpt-5.2"),
    ],
)
def test_one_model_is_found_by_id_canonical_slug_and_alias(client, asked, found):
    response = client.get(f"/api/v1/model/{asked}")
    assert response.json() == {"data": next(model for model in MODELS if model["id"] == found)}
    details = client.get(f"/api/v1/models/{asked}/endpoints").json()["data"]
    assert details["id"] == found
    assert details["endpoints"][0]["pricing"] == response.json()["data"]["pricing"]
    assert details["endpoints"][0]["provider_name"]


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/api", "/api/v1", "/api/v1/", "/api/v2/models", "/api/v1/models/", "/api/v1/modelsx",
        "/api/v1/model/openai", "/api/v1/model/openai/nothing", "/api/v1/model/a/b/c",
        "/api/v1/models/openai/nothing/endpoints", "/api/v1/models/openai/gpt-4o", "/api/v1/model/openai%2Fgpt-4o/x",
        "/x/api/v1/models", "/api/v1/..%2f..%2fetc/passwd", "/simulator/nothing", "/api/v1/model/%00/%0a",
    ],
)  # fmt: skip
def test_what_is_not_there_is_404(client, path):
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_other_methods_are_405(client, method):
    response = client.request(method, "/api/v1/models", content=b"{}")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert client.request(method, "/api/v1/nothing").status_code == 404


def test_head_is_get_without_a_body(client):
    response = client.head("/api/v1/models")
    assert response.status_code == 200 and response.content == b""
    assert int(response.headers["content-length"]) == len(client.get("/api/v1/models").content)


@pytest.mark.parametrize(
    ("hour", "minute", "price"), [(12, 0, "0.00000015"), (16, 29, "0.00000015"), (16, 30, "0.000000075")]
)
def test_the_time_of_day_price_is_that_of_the_story_s_time(hour, minute, price):
    start = datetime(2026, 1, 14, hour, minute, 59, tzinfo=UTC)
    story = replace(story_by_name("quiet"), start=start)
    with Simulator(story_scenes(story)) as running, httpx.Client() as client:
        model = client.get(f"{running.url}/model/deepseek/deepseek-chat-v3.1").json()["data"]
    assert model["pricing"]["prompt"] == price
