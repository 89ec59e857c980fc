"""A folder with a configuration, code, and a database that has seen a few models until an hour ago."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testkit.command import Watcher
from tests.store.samples import body, document

Documents = Sequence[Mapping[str, Any]]

KEPT = document("openai/kept", "0.000002", name="OpenAI: Kept")
GONE = document("openai/gone:free", "0.000001", name="OpenAI: Gone")
SIBLING = document("openai/gone", "0.000003", name="OpenAI: Gone, paid")


def ends(days: int) -> Mapping[str, Any]:
    """A model with an expiration date in so many days."""
    end = datetime.now(UTC) + timedelta(days=days)
    return document("google/ending", expiration_date=f"{end:%Y-%m-%d}")


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    made = Watcher(tmp_path)
    made.configure('[store]\nurl = "sqlite:///w.db"\n')
    return made


def remember(watcher: Watcher, shown: Mapping[float, Documents]) -> None:
    """Fill the database: so many hours ago the list had these models."""
    archive = watcher.folder / "archive"
    archive.mkdir()
    for hours, documents in shown.items():
        at = datetime.now(UTC) - timedelta(hours=hours)
        (archive / f"{at:%Y-%m-%dT%H-%M-%SZ}.json").write_bytes(body(documents))
    done = watcher.run_here("import", "archive")
    assert done.code == 0, done.err


@pytest.fixture
def filled(watcher: Watcher) -> Watcher:
    """Models that are as they were, gone, about to go, dearer, and behind another id."""
    moved = {"alias_target": {"slug": "openai/kept"}}, {"alias_target": {"slug": "openai/gone"}}
    dearer = document("qwen/dearer", "0.000001"), document("qwen/dearer", "0.0000015")
    alias = [document("~openai/latest", **target) for target in moved]
    before = (KEPT, GONE, SIBLING, ends(9), dearer[0], alias[0])
    after = (KEPT, SIBLING, ends(9), dearer[1], alias[1])
    remember(watcher, {40 * 24: before, 20 * 24: before, 30: after, 20: after, 1: after})
    return watcher
