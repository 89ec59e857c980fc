"""Archives that are the history of a file in a git repository, which may be anybody's.

A repository's configuration can name programs for git to run: one to fetch what a partial clone lacks, among others. So
git is asked once where the objects are, and then works in a repository of our own that has nothing but these objects.
"""

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from msgspec import Struct

from watcher.upstream.archive.members import Capture, Planned, Skipped, in_order, refuse
from watcher.upstream.errors import excerpt

if TYPE_CHECKING:
    import subprocess


class _Repository(Struct, frozen=True):
    name: str
    """Of the archive, for messages."""
    head: str
    hashing: str
    objects: Path


def read_history(name: str, skipped: Skipped) -> Iterator[Capture]:
    """Return the versions of a file in a git repository, in order: `git+PATH#FILE`.

    Raises ArchiveError if there is none, or git cannot read it.
    """
    repository, mark, file = name.removeprefix("git+").rpartition("#")
    if not mark or not repository or not file:
        refuse(name, "names no repository and file; write it like git+/path/to/repository#models.json")
    if not file.isprintable():
        refuse(name, "has a file name with control characters in it, which git cannot be asked for")
    if repository.startswith("~/"):  # no shell expands it after `git+`
        repository = str(Path(repository).expanduser())
    if not Path(repository).is_dir():
        refuse(name, f"{repository!r} is no folder; give the path of a local clone")
    found = _find(name, Path(repository))
    plan = in_order(name, _plan(found, file, skipped), skipped, "version of that file")
    return _captures(found, file, plan, skipped)


def _find(name: str, repository: Path) -> _Repository:
    """Return where the objects of the repository at that path are, and what its newest commit is."""
    places = {"GIT_CEILING_DIRECTORIES": str(repository.resolve().parent)}  # the folders above it are not searched
    output = _output(name, ["rev-parse", "--show-object-format", "HEAD", "--git-path", "objects"], repository, places)
    hashing, head, objects = output.split("\n", 2)
    return _Repository(name, head, hashing, (repository / objects.removesuffix("\n")).resolve())


@contextlib.contextmanager
def _borrowed(found: _Repository) -> Iterator[tuple[Path, dict[str, str]]]:
    """Have a repository of our own with the objects of another: its folder, and the environment for git."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="openrouter-watcher-") as folder:
        own = Path(folder)
        (own / "refs").mkdir()
        (own / "HEAD").write_text(f"{found.head}\n")
        (own / "config").write_text(
            f"[core]\nrepositoryFormatVersion = 1\nbare = true\n[extensions]\nobjectFormat = {found.hashing}\n"
        )
        with contextlib.suppress(OSError):  # where a shallow clone ends; another one has no such file
            (own / "shallow").write_bytes((found.objects.parent / "shallow").read_bytes())
        yield own, {"GIT_DIR": str(own), "GIT_OBJECT_DIRECTORY": str(found.objects)}


def _plan(found: _Repository, file: str, skipped: Skipped) -> Iterator[Planned]:
    """Every commit that touched the file, oldest first. `rev-list` is plumbing: no configuration changes its output,
    and none makes it run a program, as `log.showSignature` does with `git log`."""
    arguments = ["rev-list", "--timestamp", "--full-history", "--no-merges", "--reverse", "HEAD", "--"]
    with _borrowed(found) as (own, places):
        output = _output(found.name, [*arguments, f":(top,literal){file}"], own, places)
    for line in output.splitlines():
        seconds, _, commit = line.partition(" ")
        try:
            at = datetime.fromtimestamp(int(seconds), UTC)
        except (ValueError, OverflowError, OSError):
            skipped.add(f"{commit}:{file}", "has an impossible commit time")
            continue
        yield Planned(at, commit, 0)


def _captures(found: _Repository, file: str, plan: list[Planned], skipped: Skipped) -> Iterator[Capture]:
    arguments = ["cat-file", "--batch"]
    with _borrowed(found) as (own, places), _git(found.name, arguments, own, places) as git, skipped:
        try:
            for member in plan:
                name = f"{member.name[:12]}:{file}"
                kind, size, content = _object(git, f"{member.name}:{file}")
                if content is None:
                    if _has_entry(git, member.name, file):
                        skipped.add(name, "is missing from this repository")
                elif kind != "blob":
                    skipped.add(name, "is no file")
                    _pass_over(content, size)
                elif not skipped.takes(name, size):
                    _pass_over(content, size)
                else:
                    yield Capture(member.at, _whole(content, size), name)
        except (OSError, ValueError, EOFError):
            git.kill()
            complaint = git.stderr.read() if git.stderr else b""
            refuse(
                found.name,
                f"git stopped while it was read: {excerpt(complaint, 200) or 'no reason given'}; run git fsck",
            )


def _object(git: "subprocess.Popen[bytes]", name: str) -> tuple[str, int, IO[bytes] | None]:
    """Return kind and size of an object, and where its content can be read; None if it is not there."""
    assert git.stdin
    assert git.stdout
    git.stdin.write(os.fsencode(name) + b"\n")
    git.stdin.flush()
    answer = git.stdout.readline()
    if answer.endswith(b" missing\n"):
        return "", 0, None
    _, kind, size = answer.split()
    return kind.decode("ascii"), int(size), git.stdout


def _whole(content: IO[bytes], size: int) -> bytes:
    body = content.read(size + 1)  # a newline follows
    if len(body) <= size:
        raise EOFError
    return body[:size]


def _pass_over(content: IO[bytes], size: int) -> None:
    left = size + 1
    while left > 0 and (chunk := content.read(min(left, 1024 * 1024))):
        left -= len(chunk)


def _has_entry(git: "subprocess.Popen[bytes]", commit: str, file: str) -> bool:
    """Whether a commit has the file, whose content is not there; if not, the commit deleted it."""
    folder, _, entry = file.rpartition("/")
    kind, size, content = _object(git, f"{commit}:{folder}")
    if content is None:
        return False
    tree = _whole(content, size)
    while kind == "tree" and tree:
        mode_and_name, _, tree = tree.partition(b"\0")
        if mode_and_name.partition(b" ")[2] == os.fsencode(entry):
            return True
        tree = tree[len(commit) // 2 :]  # the hash, as long as the commit's
    return False


def _output(name: str, arguments: list[str], folder: Path, places: dict[str, str]) -> str:
    with _git(name, arguments, folder, places) as git:
        output, complaint = git.communicate()
    if git.returncode:
        refuse(name, f"git cannot read the history: {excerpt(complaint, 200)}")
    return os.fsdecode(output)


@contextlib.contextmanager
def _git(name: str, arguments: list[str], folder: Path, places: dict[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    """A git process in that folder: what the environment says of a repository is left out but for `places`, and nothing
    is fetched, by whatever means. It is gone at the end, whatever happens."""
    import subprocess

    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | {
        "GIT_ALLOW_PROTOCOL": "",  # none; unlike protocol.allow, no configuration can allow one all the same
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        **places,
    }
    command = ["git", "-c", "protocol.allow=never", *arguments]
    pipe = subprocess.PIPE
    try:
        git = subprocess.Popen(command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        refuse(name, f"git cannot be run: {error.strerror}; install git")
    try:
        yield git
    finally:
        git.kill()
        with contextlib.suppress(OSError):  # what stdin still holds
            git.__exit__(None, None, None)
