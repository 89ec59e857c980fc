"""Archives of every form, whole and damaged."""

import contextlib
import gzip
import io
import lzma
import os
import shutil
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watcher.errors import UsageError
from watcher.upstream import archive as archive_module
from watcher.upstream.archive import Capture, read_archive
from watcher.upstream.errors import ArchiveError

START = datetime(2026, 1, 4, 19, 13, 29, tzinfo=UTC)
Members = Iterable[tuple[str, bytes]]


def named(hours: int) -> str:
    return (START + timedelta(hours=hours)).strftime("%Y-%m-%dT%H-%M-%SZ.json")


def captures(count: int) -> list[tuple[str, bytes]]:
    return [(named(hour), b'{"data":[%d]}' % hour) for hour in range(count)]


def told(archive: object) -> tuple[list[Capture], list[str]]:
    problems: list[str] = []
    return list(read_archive(str(archive), on_problem=problems.append)), problems


def hours(found: list[Capture]) -> list[float]:
    return [(capture.at - START).total_seconds() / 3600 for capture in found]


# Containers: each writes members to an archive and returns its path


def folder(tmp_path: Path, members: Members) -> Path:
    top = tmp_path / "folder"
    for name, body in members:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return top


def tar_bytes(members: Members) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, body in members:
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return buffer.getvalue()


def zstd(raw: bytes) -> bytes:
    try:
        from compression.zstd import compress  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from zstandard import compress
    packed: bytes = compress(raw)
    return packed


PACK: dict[str, Callable[[bytes], bytes]] = {"plain": bytes, "gz": gzip.compress, "xz": lzma.compress, "zst": zstd}


def tar(pack: str) -> Callable[[Path, Members], Path]:
    def write(tmp_path: Path, members: Members) -> Path:
        path = tmp_path / "archive.bin"  # the name must not matter
        path.write_bytes(PACK[pack](tar_bytes(members)))
        return path

    return write


CONTAINERS = [pytest.param(folder, id="folder"), *(pytest.param(tar(pack), id=pack) for pack in PACK)]
TARS = CONTAINERS[1:]
Container = Callable[[Path, Members], Path]


@pytest.mark.parametrize("container", CONTAINERS)
def test_captures_come_in_order_with_their_time(tmp_path: Path, container: Container) -> None:
    found, problems = told(container(tmp_path, captures(30)))
    assert problems == []
    assert hours(found) == list(range(30))
    assert found[7] == Capture(START + timedelta(hours=7), b'{"data":[7]}', named(7))


@pytest.mark.parametrize("container", CONTAINERS)
def test_members_out_of_order_in_any_folders_are_put_in_order(tmp_path: Path, container: Container) -> None:
    shuffled = [(f"{'ba'[hour % 2]}/x/{name}", body) for hour, (name, body) in enumerate(captures(20))]
    found, problems = told(container(tmp_path, shuffled[::-1]))
    assert problems == []
    assert hours(found) == list(range(20))
    assert [capture.body for capture in found] == [body for _, body in captures(20)]


@pytest.mark.parametrize("container", CONTAINERS)
def test_broken_members_are_named_and_skipped(
    tmp_path: Path, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "MAX_CAPTURE", 1000)
    bad = [
        ("README.md", b"hello"),
        ("2026-01-04T19-13-29Z.json.bak", b"{}"),
        ("2026-13-04T19-13-29Z.json", b"{}"),
        ("2026-01-04T19-13-29.json", b"{}"),
        (named(50), b"x" * 1001),
        (named(51), b""),
        ("evil\x1b[2J.json", b"{}"),
    ]
    found, problems = told(container(tmp_path, captures(2) + bad))
    assert hours(found) == [0, 1]
    assert len(problems) == len(bad)
    assert all(problem.isprintable() and problem.endswith(": skipped") for problem in problems)
    for name, _ in bad[:-1]:
        assert any(problem.startswith(name + " ") for problem in problems)


@pytest.mark.parametrize("container", CONTAINERS)
def test_of_two_at_the_same_time_the_first_counts(tmp_path: Path, container: Container) -> None:
    found, problems = told(
        container(tmp_path, [("a/" + named(0), b"{1}"), ("b/" + named(0), b"{2}"), (named(1), b"{3}")])
    )
    assert [capture.body for capture in found] == [b"{1}", b"{3}"]
    assert problems == [f"b/{named(0)} has the same time as a/{named(0)}: skipped"]


@pytest.mark.parametrize("number", [11, 60_000])
def test_many_members_that_are_no_captures_are_one_line(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.tar"
    header = tarfile.TarInfo("photo.jpg").tobuf()
    path.write_bytes(header * number + tar_bytes([*captures(2), ("evil\x1b[2J.json", b"x"), (named(9), b"")]))
    found, problems = told(path)
    assert hours(found) == [0, 1]
    assert problems == [
        f"photo.jpg is not named by a UTC time, like 2026-01-04T19-13-29Z.json; {number:,} more are like it: skipped",
        f"{named(9)} is empty: skipped",
    ]


@pytest.mark.parametrize("container", CONTAINERS)
def test_many_of_the_same_time_and_many_too_large_are_a_line_each(
    tmp_path: Path, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "MAX_CAPTURE", 1000)
    twice = [(f"{folder}/{name}", body) for folder in "ab" for name, body in captures(12)]
    large = [(named(20 + number), b"x" * (1001 + number)) for number in range(12)]
    found, problems = told(container(tmp_path, twice + large))
    assert hours(found) == list(range(12))
    assert [problem.rpartition("; ")[2] for problem in problems] == ["11 more are like it: skipped"] * 2


@pytest.mark.parametrize("container", CONTAINERS)
def test_an_archive_without_any_capture_is_an_error(tmp_path: Path, container: Container) -> None:
    with pytest.raises(ArchiveError, match="no member named like") as caught:
        told(container(tmp_path, [("README", b"x")]))
    assert isinstance(caught.value, UsageError)
    assert caught.value.exit_code == 64


@pytest.mark.parametrize("name", ["missing", "missing#", "nul\x00", "/dev/null", "x" * 5000, ""])
def test_an_archive_that_is_none_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if name:
        with pytest.raises(ArchiveError) as caught:
            read_archive(name)
        assert str(caught.value).isprintable()


def test_a_folder_is_not_followed_into_hidden_folders_and_pipes(tmp_path: Path) -> None:
    top = folder(tmp_path, [*captures(1), (".git/" + named(1), b"{}")])
    os.mkfifo(top / named(2))
    (top / named(3)).symlink_to("nowhere")
    found, problems = told(top)
    assert hours(found) == [0]
    assert [problem.split(" ")[0] for problem in problems] == [named(2), named(3)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    top = folder(tmp_path, captures(2))
    (top / named(0)).chmod(0)
    found, problems = told(top)
    assert hours(found) == [1]
    assert "Permission denied" in problems[0]


def test_a_file_that_goes_away_while_reading_is_named(tmp_path: Path) -> None:
    top = folder(tmp_path, captures(2))
    problems: list[str] = []
    reading = read_archive(str(top), on_problem=problems.append)
    (top / named(0)).unlink()
    assert hours(list(reading)) == [1]
    assert problems == [f"{named(0)} cannot be read: No such file or directory: skipped"]


def test_links_and_devices_in_a_tar_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as out:
        out.add(folder(tmp_path, captures(1)), arcname="top")
        for hour, kind in ((1, tarfile.SYMTYPE), (2, tarfile.LNKTYPE), (3, tarfile.FIFOTYPE), (4, tarfile.CHRTYPE)):
            member = tarfile.TarInfo(named(hour))
            member.type, member.linkname = kind, "/etc/passwd"
            out.addfile(member)
    found, problems = told(path)
    assert (hours(found), len(problems)) == ([0], 4)


@pytest.mark.parametrize("container", TARS)
def test_a_tar_that_was_cut_off_is_refused(tmp_path: Path, container: Container) -> None:
    path = container(tmp_path, [(named(hour), os.urandom(700)) for hour in range(6)])
    whole = path.read_bytes()
    for end in (0, 3, 100, len(whole) // 2, len(whole) * 2 // 3):
        path.write_bytes(whole[:end])
        with pytest.raises(ArchiveError):
            told(path)


def test_a_plain_tar_cut_off_between_members_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    whole = tar_bytes(captures(3))
    path.write_bytes(whole[: 2 * 1024])
    found, problems = told(path)
    assert hours(found) == [0, 1]
    assert "no end mark" in problems[0]
    path.write_bytes(whole[: 2 * 1024 + 100])
    with pytest.raises(ArchiveError, match="breaks off"):
        told(path)


@pytest.mark.parametrize("pack", ["plain", "gz", "xz", "zst"])
def test_a_tar_with_a_damaged_header_in_it_is_not_taken_for_a_short_one(tmp_path: Path, pack: str) -> None:
    raw = bytearray(tar_bytes(captures(4)))
    raw[2048 + 10] ^= 0xFF
    path = tmp_path / "a"
    path.write_bytes(PACK[pack](bytes(raw)))
    with pytest.raises(ArchiveError, match="damaged"):
        told(path)


@pytest.mark.parametrize(
    "content", [b"hello", b"{}" * 5000, b"\xfd7zXZ\x00junk", b"\x1f\x8bjunk", b"\x28\xb5\x2f\xfdjunk"]
)
def test_what_is_no_tar_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / named(0)
    path.write_bytes(content)
    with pytest.raises(ArchiveError):
        told(path)


@pytest.mark.slow
@pytest.mark.parametrize("container", TARS)
@pytest.mark.parametrize("order", [1, -1])
def test_a_large_tar_streams(tmp_path: Path, container: Container, order: int) -> None:
    path = container(tmp_path, [(named(hour), bytes(1_000_000)) for hour in range(40)][::order])
    tracemalloc.start()
    try:
        assert sum(len(capture.body) for capture in read_archive(str(path))) == 40_000_000
        assert tracemalloc.get_traced_memory()[1] < 16_000_000  # xz needs 8 MiB for itself
    finally:
        tracemalloc.stop()


# Git


def git(repository: Path, *arguments: str, at: int = 0) -> None:
    when = (START + timedelta(hours=at)).isoformat()
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    dates = {"GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z", "GIT_COMMITTER_DATE": when}
    environment = os.environ | who | dates | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *arguments], cwd=repository, env=environment, check=True, capture_output=True)


def commit(repository: Path, file: str, body: bytes | None, at: int) -> None:
    path = repository / file
    if body is None:
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    git(repository, "add", "-A", "--", ".")
    git(repository, "commit", "-q", "-m", "x", at=at)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    top = tmp_path / "repo#1 -x"
    top.mkdir()
    git(top, "init", "-q", "-b", "main")
    return top


def test_the_history_of_a_file_is_an_archive(repository: Path) -> None:
    for hour in range(4):
        commit(repository, "data/models.json", b'{"data":[%d]}' % hour, hour)
        commit(repository, "other.json", b"%d" % hour, hour)
    found, problems = told(f"git+{repository}#data/models.json")
    assert problems == []
    assert hours(found) == [0, 1, 2, 3]
    assert [capture.body for capture in found] == [b'{"data":[%d]}' % hour for hour in range(4)]
    assert found[0].name.endswith(":data/models.json")


def test_deleted_versions_are_skipped_silently_and_odd_ones_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "MAX_CAPTURE", 5000)
    commit(repository, "m.json", b"{1}", 0)
    commit(repository, "m.json", None, 1)
    commit(repository, "m.json/x", b"a folder", 2)
    shutil.rmtree(repository / "m.json")
    commit(repository, "m.json", b"x" * 5001, 3)
    commit(repository, "m.json", b"", 4)
    commit(repository, "m.json", b"{2}\n\x00binary\n", 5)
    commit(repository, "m.json", b"{3}", 5)
    git(repository, "mv", "m.json", "n.json")
    git(repository, "commit", "-q", "-m", "renamed", at=6)
    found, problems = told(f"git+{repository}#m.json")
    assert [capture.body for capture in found] == [b"{1}", b"{2}\n\x00binary\n"]
    assert [
        "same time" in problems[0],
        "not a file" in problems[1],
        "5001 bytes" in problems[2],
        "empty" in problems[3],
    ] == [True] * 4
    assert [capture.body for capture in told(f"git+{repository}#n.json")[0]] == [b"{3}"]


def test_branches_count_and_merges_do_not_repeat_them(repository: Path) -> None:
    commit(repository, "m.json", b"{0}", 0)
    git(repository, "checkout", "-q", "-b", "side")
    commit(repository, "m.json", b"{1}", 1)
    git(repository, "checkout", "-q", "main")
    commit(repository, "other", b"x", 2)
    git(repository, "merge", "-q", "--no-ff", "-m", "merge", "side", at=3)
    commit(repository, "m.json", b"{4}", 4)
    assert hours(told(f"git+{repository}#m.json")[0]) == [0, 1, 4]


def test_the_order_is_that_of_the_commit_times(repository: Path) -> None:
    for at in (3, 1, 2):
        commit(repository, "m.json", b"{%d}" % at, at)
    assert [capture.body for capture in told(f"git+{repository}#m.json")[0]] == [b"{1}", b"{2}", b"{3}"]


@pytest.mark.parametrize(
    "name", ["-x.json", "--all", "*.json", ":(icase)M.json", "a b.json", "ä.json", "x#y.json", '"q".json']
)
def test_odd_file_names_are_names_and_nothing_else(repository: Path, name: str) -> None:
    commit(repository, "m.json", b"{0}", 0)
    commit(repository, name, b"{1}", 1)
    if "#" in name:
        with pytest.raises(ArchiveError):
            told(f"git+{repository}#{name}")
        return
    (found,), problems = told(f"git+{repository}#{name}")
    assert (found.body, problems) == (b"{1}", [])


def test_a_repository_may_be_bare_or_have_a_name_like_an_option(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(repository, "m.json", b"{0}", 0)
    git(tmp_path, "clone", "-q", "--bare", str(repository), "./--upload-pack=touch pwned")
    monkeypatch.chdir(tmp_path)
    (found,), _ = told("git+--upload-pack=touch pwned#m.json")
    assert found.body == b"{0}"
    assert not (tmp_path / "pwned").exists()


def test_neither_the_environment_nor_the_configuration_changes_what_is_read(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(repository, "m.json", b"{0}", 0)
    git(repository, "config", "log.showSignature", "true")
    git(repository, "config", "gpg.program", str(tmp_path / "evil"))
    git(repository, "config", "core.quotePath", "false")
    (tmp_path / ".gitconfig").write_text("[diff]\norderFile = /nonexistent\n[log]\nshowRoot = false\ndate = never\n")
    for name, value in {
        "HOME": str(tmp_path),
        "GIT_DIR": "/nonexistent",
        "GIT_WORK_TREE": "/nonexistent",
        "GIT_OBJECT_DIRECTORY": "/nonexistent",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_TRACE": "1",
        "GIT_NAMESPACE": "x",
    }.items():
        monkeypatch.setenv(name, value)
    assert [capture.body for capture in told(f"git+{repository}#m.json")[0]] == [b"{0}"]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("missing.json", "no version of that file"),
        ("../outside", "outside"),
        ("a\nb", "control characters"),
        ("", "names no repository"),
    ],
)
def test_a_file_without_history_is_an_error(repository: Path, file: str, said: str) -> None:
    commit(repository, "m.json", b"{0}", 0)
    with pytest.raises(ArchiveError, match=said):
        read_archive(f"git+{repository}#{file}")


def test_what_is_no_repository_is_an_error(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="git cannot read the history"):  # no commit yet
        read_archive(f"git+{repository}#m.json")
    commit(repository, "below/m.json", b"{0}", 0)
    for path in (tmp_path, repository / "below", tmp_path / "missing", Path("/dev/null")):
        with pytest.raises(ArchiveError):
            read_archive(f"git+{path}#m.json")
    for name in ("git+", "git+#", f"git+{repository}", "git+#m.json"):
        with pytest.raises(ArchiveError):
            read_archive(name)


def test_without_git_it_says_so(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ArchiveError, match="install git"):
        read_archive(f"git+{repository}#m.json")


def clone(repository: Path, to: Path, *options: str) -> Path:
    git(repository, "config", "uploadpack.allowFilter", "true")
    git(repository, "clone", "-q", *options, f"file://{repository.resolve()}", str(to))
    return to


@pytest.mark.parametrize("allowed", ["protocol.allow", "protocol.file.allow", "protocol.ext.allow"])
@pytest.mark.parametrize("url", [None, "ext::touch pwned"])
def test_what_a_partial_clone_lacks_is_named_and_no_program_of_its_configuration_is_run(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: str, url: str | None
) -> None:
    for hour in range(4):
        commit(repository, "m.json", b"{%d}" % hour, hour)
    partial = clone(repository, tmp_path / "partial", "--filter=blob:none")
    pwned = tmp_path / "pwned"
    git(partial, "config", "remote.origin.uploadpack", f"touch {pwned}; git-upload-pack")
    git(partial, "config", "core.fsmonitor", f"touch {pwned}")
    git(partial, "config", allowed, "always")
    if url is not None:
        git(partial, "config", "remote.origin.url", f"ext::touch {pwned}")
    found, problems = told(f"git+{partial}#m.json")
    assert [capture.body for capture in found] == [b"{3}"], "what was checked out is there"
    assert len(problems) == 3
    assert all(problem.endswith(":m.json is missing from this repository: skipped") for problem in problems)
    assert not pwned.exists()
    if url is None:
        git(partial, "cat-file", "-p", "HEAD~2:m.json")
        assert pwned.exists(), "git itself does run it"


@pytest.mark.parametrize("file", ["m.json", "deep/er/m.json"])
def test_a_version_whose_content_is_lost_is_named_and_a_deleted_one_is_not(repository: Path, file: str) -> None:
    for hour in range(3):
        commit(repository, file, b"{%d}" % hour, hour)
    commit(repository, file, None, 3)
    commit(repository, file, b"{4}", 4)
    lost = subprocess.check_output(["git", "rev-parse", f"HEAD~3:{file}"], cwd=repository, text=True).strip()
    (repository / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    found, problems = told(f"git+{repository}#{file}")
    assert hours(found) == [0, 2, 4]
    at = subprocess.check_output(["git", "rev-parse", "HEAD~3"], cwd=repository, text=True)[:12]
    assert problems == [f"{at}:{file} is missing from this repository: skipped"]


def test_many_versions_that_are_missing_are_one_line(repository: Path, tmp_path: Path) -> None:
    for hour in range(14):
        commit(repository, "m.json", b"{%d}" % hour, hour)
    found, (problem,) = told(f"git+{clone(repository, tmp_path / 'partial', '--filter=blob:none')}#m.json")
    assert hours(found) == [13]
    assert problem.endswith(":m.json is missing from this repository; 12 more are like it: skipped")


def test_a_shallow_clone_is_read_as_far_as_it_goes(repository: Path, tmp_path: Path) -> None:
    for hour in range(4):
        commit(repository, "m.json", b"{%d}" % hour, hour)
    found, problems = told(f"git+{clone(repository, tmp_path / 'shallow', '--depth=2')}#m.json")
    assert (hours(found), problems) == ([2, 3], [])


def test_worktrees_and_other_hashes_and_borrowed_objects_are_read(repository: Path, tmp_path: Path) -> None:
    commit(repository, "m.json", b"{0}", 0)
    git(repository, "worktree", "add", "-q", str(tmp_path / "tree"))
    git(tmp_path, "clone", "-q", "--shared", str(repository), "shared")
    (tmp_path / "sha256").mkdir()
    git(tmp_path / "sha256", "init", "-q", "--object-format=sha256")
    commit(tmp_path / "sha256", "m.json", b"{0}", 0)
    for name in ("tree", "shared", "sha256"):
        (found,), problems = told(f"git+{tmp_path / name}#m.json")
        assert (found.body, problems) == (b"{0}", [])


def test_a_damaged_repository_is_told(repository: Path) -> None:
    commit(repository, "m.json", b"{0}", 0)
    reading = read_archive(f"git+{repository}#m.json")
    shutil.rmtree(repository / ".git")
    with pytest.raises(ArchiveError, match="git stopped"):
        list(reading)


def test_three_processes_are_enough_and_none_is_left(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for hour in range(5):
        commit(repository, "m.json", b"{%d}" % hour, hour)
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def counting(*arguments: object, **settings: object) -> "subprocess.Popen[bytes]":
        started.append(real(*arguments, **settings))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", counting)
    with contextlib.closing(read_archive(f"git+{repository}#m.json")) as reading:  # type: ignore[type-var]
        next(reading)
    assert len(started) == 3
    assert all(process.returncode is not None for process in started)


# Real input


def test_the_recorded_archive_reads_in_order(archive_path: Path) -> None:
    times, size = [], 0
    for capture in read_archive(str(archive_path)):
        assert capture.body.startswith(b'{"data":[')
        times.append(capture.at)
        size += len(capture.body)
    assert times == sorted(set(times))
    assert (len(times), size) == (276, 133_694_071)
