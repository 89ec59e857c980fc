"""Every call of the official SDK that reads models, endpoints or providers: the SDK validates what it gets."""

from collections.abc import Iterator
from typing import Any

import httpx
from openrouter import OpenRouter


def call_all(url: str, params: dict[str, str] | None = None) -> Iterator[tuple[str, Any]]:
    """Make each call against an API and yield its name and its answer; `params` go with every request.

    Raises the SDK's error if an answer is not what it promises.
    """
    with httpx.Client(params=params) as client, OpenRouter(api_key="key", server_url=url, client=client) as sdk:
        listed = sdk.models.list(output_modalities="all", limit=1000).result.data
        yield "models", listed
        yield "text models", sdk.models.list().result.data
        yield "count", sdk.models.count(output_modalities="all").data.count
        yield "user", sdk.models.list_for_user(security={"bearer": "key"}, output_modalities="all").result.data
        yield "embeddings", sdk.embeddings.list_models().result.data
        yield "images", sdk.images.list_models().data
        yield "videos", sdk.video_generation.list_videos_models().data
        yield "providers", sdk.providers.list().data
        for model in listed:
            if "/" in model.id:
                author, _, slug = model.id.partition("/")
                yield "model", sdk.models.get(author=author, slug=slug).data
                yield "endpoints", sdk.endpoints.list(author=author, slug=slug).data.endpoints
