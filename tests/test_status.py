"""What `watcher status --json` and the page of the status say."""

import msgspec

from watcher.catalog.gaps import Gaps
from watcher.catalog.health import Health
from watcher.status import Status


def test_the_document_names_the_suspect_fields():
    gaps = Gaps(announced={"pricing.prompt": 0, "context_length": 1})
    found = msgspec.json.decode(msgspec.json.encode(Status("w.db", {}, health=Health(gaps=gaps)).as_json()))
    assert found["source"]["gaps"]["suspect"] == ["pricing.prompt"]
    found = msgspec.json.decode(msgspec.json.encode(Status("w.db", {}).as_json()))
    assert "suspect" not in found["source"].get("gaps", {})
