"""What all tests share: the recorded snapshots, where they are there."""

import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

Recorded = list[tuple[datetime, bytes]]


@pytest.fixture(scope="session")
def archive_path() -> Path:
    """The recorded archive; the test is skipped where it is missing."""
    folder = Path(os.environ.get("WATCHER_DATA") or Path(__file__).parent.parent.parent / "shared" / "data")
    found = sorted(folder.glob("openrouter-models-*.tar.xz"))
    if not found:
        pytest.skip("no recorded snapshots: set WATCHER_DATA to their folder")
    return found[0]


@pytest.fixture(scope="session")
def recorded(archive_path: Path) -> Recorded:
    """Every recorded snapshot: its time (UTC) and body."""
    with tarfile.open(archive_path, "r:xz") as archive:
        return [
            (datetime.strptime(Path(member.name).stem, "%Y-%m-%dT%H-%M-%SZ").replace(tzinfo=UTC), file.read())
            for member in archive
            if (file := archive.extractfile(member)) is not None
        ]
