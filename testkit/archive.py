"""Recorded snapshots, or a catalogue of the same size if there are none."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testkit.lasting import captures
from watcher.simulator import built_in


def model_archives(of: str = "models") -> list[Path]:
    """Return the recorded archives of the list, or of the `endpoints` of all models, oldest first."""
    folder = Path(os.environ.get("WATCHER_DATA") or Path(__file__).parent.parent.parent / "shared" / "data")
    return sorted(folder.glob(f"*-{of}-*.tar.xz"))


def one_body() -> tuple[datetime, bytes]:
    """Return the time and body of one list of about 480 KB: a recorded one, or one from the built-in catalogue."""
    for path in model_archives()[:1]:
        return datetime.now(UTC), next(captures(path)).body
    models = built_in()
    many = [
        {**model, "id": f"{model['id']}-{n}", "description": str(model.get("description", "")) * 8}
        for n in range(4)
        for model in models
    ]
    return datetime.now(UTC), json.dumps({"data": many}, separators=(",", ":")).encode()


def newest_models(count: int) -> list[dict[str, Any]]:
    """Return `count` models: the newest recorded ones, repeated under other ids as often as needed.

    Without recorded archives, use the built-in models with longer descriptions.
    """
    models = [{**model, "description": str(model.get("description", "")) * 8} for model in built_in()]
    for path in model_archives()[-1:]:
        *_, newest = captures(path)
        models = json.loads(newest.body)["data"]
    return [
        {**model, "id": f"{model['id']}-{n}", "created": model["created"] - n} if n else model
        for n in range(-(-count // len(models)))
        for model in models
    ][:count]
