"""The pictures of the documentation are made by one command, and fit a phone."""

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.docs.documents import ROOT, text
from watcher.delivery.mail import page
from watcher.messages.builder import compose
from watcher.messages.document import Format
from watcher.messages.sample import sample_events

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium")


@pytest.mark.slow
def test_a_mail_about_names_of_one_endless_word_fits_a_phone() -> None:
    from playwright.sync_api import sync_playwright

    endless = [replace(each, name="W" * 190, model="a/" + "w" * 150, detail="w" * 400) for each in sample_events()]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for events in (endless, endless[:1]):
            view = browser.new_page(viewport={"width": 360, "height": 100})
            view.set_content(page(compose(events, Format.HTML)))
            assert view.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.slow
def test_one_command_makes_all_pictures_of_the_documentation(tmp_path: Path) -> None:
    from tools.screenshots import MAILS, main

    assert "python -m tools.screenshots docs/images" in text("development.md")
    main(tmp_path)  # it fails where a mail is wider than its window
    pictures = {picture.name: picture.read_bytes() for picture in tmp_path.iterdir()}
    assert pictures.keys() == {picture.name for picture in (ROOT / "docs" / "images").iterdir()}
    for name, (width, _) in MAILS.items():
        assert int.from_bytes(pictures[name][16:20], "big") == width
