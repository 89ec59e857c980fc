"""Ids in files as people write them: eight kinds of configuration, and four languages."""

from pathlib import Path

from watcher.mine.ids import Dictionary
from watcher.mine.scan import scan

FIXTURES = Path(__file__).parent / "fixtures"

EXPECTED = {
    ".aider.conf.yml": ["anthropic/claude-3.7-sonnet", "google/gemini-2.0-flash-001"],
    ".aider.model.settings.yml": ["deepseek/deepseek-chat-v3.1", "qwen/qwen-turbo"],
    ".continue/config.json": ["mistralai/mistral-large-2411"],
    ".continue/config.yaml": ["anthropic/claude-sonnet-4", "meta-llama/llama-3.3-70b-instruct:free"],
    ".env": ["openai/gpt-4o-mini", "openai/gpt-5-mini", "google/gemma-3-27b-it:free"],
    "analysis.ipynb": ["google/gemini-2.5-flash-lite", "openai/chatgpt-4o-latest", "thudm/glm-4-32b"],
    "compose.yaml": [
        "amazon/nova-lite-v1",
        "openai/text-embedding-3-large",
        "~anthropic/claude-sonnet-latest",
        "openai/gpt-4.1-mini",
    ],
    "litellm.yaml": [
        "anthropic/claude-sonnet-4.5",
        "openai/gpt-4.1",
        "qwen/qwen3-coder",
        "openai/gpt-4-0314",
        "deepseek/deepseek-r1-0528:free",
    ],
    "opencode.json": [
        "moonshotai/kimi-k2",
        "z-ai/glm-4.6",
        "x-ai/grok-code-fast-1",
        "minimax/minimax-m2",
    ],
    "package.json": ["inception/mercury", "openai/o4-mini"],
    "settings.toml": [
        "cohere/command-a",
        "liquid/lfm2-8b-a1b",
        "nvidia/nemotron-nano-9b-v2:free",
        "perplexity/sonar-pro",
    ],
    "src/app.py": [
        "openai/gpt-4o",
        "google/gemini-2.0-flash-exp:free",
        "anthropic/claude-opus-4.5",
        "openrouter/auto",
        "openai/gtp-4o",
        "mistralai/codestral-2508",
        "deepseek/deepseek-v3.2-exp",
        "openai/gpt-oss-120b:exacto",
    ],
    "src/bundle.min.js": [
        "openai/gpt-5-nano",
        "openai/gpt-5-pro",
        "morph/morph-v3-fast",
        "stepfun-ai/step3",
        "neversleep/noromaid-20b:free",
    ],
    "src/client.ts": [
        "openai/gpt-5.1",
        "google/gemini-2.5-flash-image",
        "qwen/qwen3-30b-a3b-instruct-2507",
        "x-ai/grok-4-fast",
        "x-ai/grok-4.1-fast",
        "anthropic/claude-3.7-sonnet:thinking",
    ],
    "src/lib.rs": [
        "nousresearch/hermes-4-70b",
        "tngtech/deepseek-r1t2-chimera:free",
        "ai21/jamba-mini-1.7",
        "mistralai/ministral-3b",
        "openai/gpt-4-1106-preview",
    ],
    "src/main.go": [
        "meta-llama/llama-4-maverick",
        "bytedance/ui-tars-1.5-7b",
        "baidu/ernie-4.5-300b-a47b",
        "arcee-ai/coder-large",
    ],
}
"""File → the ids in it, in order."""
UNKNOWN = {"openai/gtp-4o", "neversleep/noromaid-20b:free"}
KNOWN = {model for models in EXPECTED.values() for model in models} - UNKNOWN
DECOYS = {
    "openai/gpt-4", "openai/gpt-4-turbo", "openai/gpt-3.5-turbo", "openai/o1-mini", "openai/gpt-5",
    "openai/gpt-oss-20b",
    "anthropic/claude-haiku-4.5", "anthropic/claude-opus-4.1", "google/gemini-2.5-pro", "google/gemini-2.5-flash",
    "mistralai/mistral-nemo", "microsoft/phi-3-mini-128k-instruct", "neversleep/noromaid-20b",
}  # fmt: skip
"""Models that there are, in places where they do not mean a model of OpenRouter, or are to be ignored."""


def test_every_id_is_found_in_its_line_and_none_is_invented() -> None:
    shared = {"google/gemma-3-27b-it:free", "openai/gpt-oss-120b:exacto", "stepfun-ai/step3", "openai/gpt-oss-20b"}
    names = {model: model.partition(":")[0] if model in shared else None for model in KNOWN | DECOYS}

    found = scan([FIXTURES], Dictionary(names))

    by_file: dict[str, list[str]] = {}
    for hit in found.hits:
        by_file.setdefault(str(Path(hit.path).relative_to(FIXTURES)), []).append(hit.id)
        written = hit.id.removesuffix(":free").partition("/")[2]
        assert written in Path(hit.path).read_text().splitlines()[hit.line - 1].replace("\\/", "/"), hit
    assert by_file == EXPECTED
    assert found.problems == [] and found.left_out == []


def test_there_are_enough_of_them() -> None:
    assert sum(map(len, EXPECTED.values())) >= 60
