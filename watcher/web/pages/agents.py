"""What agents read first: `/llms.txt`, also below each page, and `/llms-full.txt`."""

from urllib.parse import quote

from watcher.messages.document import Format, escape
from watcher.messages.text import visible

PAGES = {
    "changes": "what was announced, newest first; parameters: kind, model, author, free, direction, size, before",
    "models": "all models that are listed, with prices; parameters: q, free, modality, parameter, max_price, "
    "min_context, sort, page",
    "gone": "the models that are gone, and what to use instead; parameters: q, page",
    "compare": "two to six models side by side; parameters: model (repeated), price",
    "status": "whether the watching works",
}
"""Each page, and what it tells."""
FULL = ("changes", "models", "gone")
"""The pages in `/llms-full.txt`, after the index."""


def index(base: str, path: str) -> str:
    """Return the index of the site or, with the path of a page, of that page."""
    if path:
        address = base + quote(path, safe="/:~")
        forms = f"- [Markdown]({address}.md)\n- [JSON]({address}.json)\n"
        title = escape(visible(path), Format.MARKDOWN)
        return f"# {title}\n\nA page of openrouter-watcher, which watches OpenRouter's catalogue of models.\n\n{forms}"
    pages = "\n".join(f"- [{name}]({base}/{name}.md): {what}" for name, what in PAGES.items())
    return f"""# openrouter-watcher

> What changed in OpenRouter's catalogue of models: new ones, ones that are gone or will go, and every price over time.

Prices are in USD, in JSON per token as decimal strings. All times are UTC. Every page is there as HTML, with `.md` at
its end as Markdown, and with `.json` as JSON. With `/llms.txt` at its end it is the index of that page.

## Pages

{pages}
- [a model]({base}/model/openai/gpt-4o.md): one model, gone or not: prices now and over time, changes, successors

## API

- [models]({base}/api/v1/models): OpenRouter's models API over this database; `at=2026-01-15T00:00Z` answers as of then
- [one model]({base}/api/v1/model/openai/gpt-4o)

## Everything at once

- [llms-full.txt]({base}/llms-full.txt)
"""
