"""What the programs that we start can know of us: no secret is in their arguments or their environment."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.upstream.test_archive import commit, repository
from watcher.upstream.archive import read_archive

__all__ = ["repository"]

MARK = "kzq9"
SPY = """#!{python}
import os, sys
with open({seen!r}, "ab") as seen:
    for name in ("environ", "cmdline"):
        seen.write(open(f"/proc/self/{{name}}", "rb").read() + b"\\n")
os.execv({git!r}, [{git!r}, *sys.argv[1:]])
"""


def test_git_is_told_no_secret(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repository, "models.json", b"{}", 0)
    git = shutil.which("git")
    assert git is not None
    folder, seen = tmp_path / "bin", tmp_path / "seen"
    folder.mkdir()
    spy = folder / "git"
    spy.write_text(SPY.format(python=sys.executable, seen=str(seen), git=git))
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("OPENROUTER_API_KEY", f"sk-or-v1-{MARK}")
    monkeypatch.setenv("TEAM_URL", f"slack://{MARK}")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", f"/run/{MARK}")
    monkeypatch.setenv("HTTPS_PROXY", f"http://ann:{MARK}@proxy.example.org")
    monkeypatch.setenv("PGPASSWORD", MARK)
    monkeypatch.setenv("NOTIFY_SOCKET", f"/run/{MARK}")
    assert list(read_archive(f"git+{repository}#models.json"))
    told = seen.read_bytes()
    assert told.count(b"\n") >= 6, "git was run three times at least"
    assert b"PATH=" in told
    assert MARK.encode() not in told
