"""What a person is shown of the JSON that a service was posted."""

from collections.abc import Iterator
from typing import Any


def title_and_text(service: str, payload: Any) -> tuple[str, str]:
    """Return the title, empty where the text begins with it, and the text."""
    match service:
        case "slack":
            header, *sections = payload["blocks"]
            return header["text"]["text"], "\n\n".join(section["text"]["text"] for section in sections)
        case "discord":
            parts = ((embed.get("title"), embed["description"], _footer(embed)) for embed in payload["embeds"])
            return payload["content"], "\n\n".join(part for embed in parts for part in embed if part)
        case "teams":
            title, *rest = payload["attachments"][0]["content"]["body"]
            return "\n".join(_texts(title)), "\n".join(text for block in rest for text in _texts(block))
        case "telegram" | "mattermost" | "rocket":
            return "", payload["text"]
        case _:
            return payload["title"], payload["message"]


def _footer(embed: Any) -> str:
    return str(embed.get("footer", {}).get("text", ""))


def _texts(element: Any) -> Iterator[str]:
    """Yield the texts of an adaptive card's element, a line each."""
    if "inlines" in element:
        yield "".join(run["text"] for run in element["inlines"])
    elif "items" in element:
        for item in element["items"]:
            yield from _texts(item)
    else:
        yield element["text"]
