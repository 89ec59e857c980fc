"""The recorded snapshots, where they are there; a catalogue of the same size otherwise."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testkit.lasting import captures
from watcher.simulator import built_in


def model_archives() -> list[Path]:
    """Return the recorded archives of the list, oldest first; none where they are missing."""
    folder = Path(os.environ.get("WATCHER_DATA") or Path(__file__).parent.parent.parent / "shared" / "data")
    return sorted(folder.glob("*-models-*.tar.xz"))


def one_body() -> tuple[datetime, bytes]:
    """Return one list of some 480 KB, and its time: the first recorded one, or one made from the built-in catalogue."""
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
    """Return so many models: those recorded last, and again under other ids until there are enough.

    Where nothing is recorded they are the built-in ones, with descriptions as long as those of the real ones.
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
