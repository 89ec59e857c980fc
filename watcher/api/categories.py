"""Use-case categories of a model.

The API filters by category, but its documents do not name any. So they are guessed from words in name and description.
"""

import re
from collections.abc import Mapping
from typing import Any

_WORDS = {
    "programming": r"cod(?:e|er|ex|ing)|devstral|programming|repositor|software",
    "roleplay": r"roleplay|story|storyteller|adventure",
    "marketing": r"marketing|seo",
    "marketing/seo": r"seo",
    "technology": r"technology|agent|tool|software",
    "science": r"science|mathematics|research",
    "translation": r"translation|multilingual|languages",
    "legal": r"legal|law",
    "finance": r"financ",
    "health": r"health|medic",
    "trivia": r"trivia",
    "academia": r"academia|academic|textbook",
}
_PATTERNS = {name: re.compile(rf"\b(?:{words})", re.IGNORECASE) for name, words in _WORDS.items()}

CATEGORIES = frozenset(_WORDS)
"""The values that the API accepts for `category`."""


def belongs(model: Mapping[str, Any], category: str) -> bool:
    """Whether the model is listed under `category`, one of `CATEGORIES`."""
    return _PATTERNS[category].search(f"{model.get('name', '')} {model.get('description', '')}") is not None
