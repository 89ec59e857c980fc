"""What the documents point to is there, and nothing tracked points to one machine."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.documents import PAGES, ROOT, anchor, headings, prose

_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_LARGEST_IMAGE = 200_000
"""Bytes."""

_HOMES = ("work", "root")
MACHINE_PATH = re.compile(rf"(?<![\w.~$}}])/(?:{'|'.join(_HOMES)})/")
"""A path that only one machine has; put together here, so that this file holds none."""


def _links(page: Path) -> list[str]:
    return [match[1] or match[2] for match in _LINK.finditer(prose(page.read_text("utf-8")))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in _links(page):
        if _ELSEWHERE.match(link):
            continue
        name, _, place = unquote(link).partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_relative_to(ROOT), f"{page.name}: {link} leads out of the project"
        assert target.exists(), f"{page.name}: {link} does not exist"
        if place:
            assert place in map(anchor, headings(target.read_text("utf-8"))), f"{page.name}: {link} has no such heading"


def test_every_page_and_image_is_linked() -> None:
    linked = {(page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in _links(page)}
    images = {path for path in (ROOT / "docs" / "images").iterdir() if path.is_file()}

    assert {*PAGES, *images} - linked - {ROOT / "README.md"} == set()
    assert [image.name for image in images if image.stat().st_size > _LARGEST_IMAGE] == []


def _tracked() -> list[Path]:
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not in a git repository")
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_holds_a_path_of_a_machine() -> None:
    found = []
    for path in _tracked():
        content = path.read_bytes()
        if b"\0" in content:  # an image
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
            if MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")

    assert found == []


@pytest.mark.parametrize("home", _HOMES)
def test_a_path_of_a_machine_is_seen(home: str) -> None:
    assert MACHINE_PATH.search(f"see /{home}/notes.md")
    assert not MACHINE_PATH.search(f"https://example.org/{home}/notes.md")
