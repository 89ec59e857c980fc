"""The pictures of the documentation are made by one command, and fit a phone."""

import shutil
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, text

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium")


@pytest.mark.slow
def test_one_command_makes_all_pictures_of_the_documentation(tmp_path: Path) -> None:
    from tools.screenshots import MAILS, main

    assert "python -m tools.screenshots docs/images" in text("development.md")
    main(tmp_path)  # it fails where a mail is wider than its window
    pictures = {picture.name: picture.read_bytes() for picture in tmp_path.iterdir()}
    assert pictures.keys() == {picture.name for picture in (ROOT / "docs" / "images").iterdir()}
    for name, (width, _) in MAILS.items():
        assert int.from_bytes(pictures[name][16:20], "big") == width
