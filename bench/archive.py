"""The recorded snapshots, where they are there; a catalogue of the same size otherwise."""

import json
import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from watcher.simulator import built_in


def archive_path() -> Path | None:
    """Return the recorded archive, or None where it is missing."""
    folder = Path(os.environ.get("WATCHER_DATA") or Path(__file__).parent.parent.parent / "shared" / "data")
    return next(iter(sorted(folder.glob("openrouter-models-*.tar.xz"))), None)


def one_body() -> tuple[datetime, bytes]:
    """Return one list of some 480 KB, and its time: the first recorded one, or one made from the built-in catalogue."""
    path = archive_path()
    if path is not None:
        with tarfile.open(path, "r:xz") as archive:
            member = next(iter(archive))
            file = archive.extractfile(member)
            assert file is not None
            return datetime.now(UTC), file.read()
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
    path = archive_path()
    if path is None:
        models = [{**model, "description": str(model.get("description", "")) * 8} for model in built_in()]
    else:
        with tarfile.open(path, "r:xz") as archive:
            for member in archive:
                file = archive.extractfile(member)
                assert file is not None
                body = file.read()
        models = json.loads(body)["data"]
    return [
        {**model, "id": f"{model['id']}-{n}", "created": model["created"] - n} if n else model
        for n in range(-(-count // len(models)))
        for model in models
    ][:count]
