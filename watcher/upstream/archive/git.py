"""Archives that are the history of a file in a git repository, which may be a stranger's.

A repository's configuration can name programs for git to run, such as one to fetch what a partial clone lacks. So git
is asked once for the place of the objects. Then it works in a repository of our own, which has only these objects.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from msgspec import Struct

from watcher.upstream.archive.members import Capture, Planned, Skipped, in_order, refuse
from watcher.upstream.errors import excerpt

if TYPE_CHECKING:
    import subprocess

_CHUNK = 1024 * 1024  # bytes


class _Repository(Struct, frozen=True):
    name: str
    """The archive's, for messages."""
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
    if repository.startswith("~/"):  # the shell does not expand it after `git+`
        repository = str(Path(repository).expanduser())
    if not Path(repository).is_dir():
        refuse(name, f"{repository!r} is not a folder; give the path of a local clone")
    found = _find(name, Path(repository))
    plan = in_order(name, _plan(found, file, skipped), skipped, "version of that file")
    return _captures(found, file, plan, skipped)


def _find(name: str, repository: Path) -> _Repository:
    """Return the place of the repository's objects and its newest commit."""
    places = {"GIT_CEILING_DIRECTORIES": str(repository.resolve().parent)}  # do not search the folders above it
    output = _output(name, ["rev-parse", "--show-object-format", "HEAD", "--git-path", "objects"], repository, places)
    hashing, head, objects = output.split("\n", 2)
    return _Repository(name, head, hashing, (repository / objects.removesuffix("\n")).resolve())


@contextlib.contextmanager
def _borrowed(found: _Repository) -> Iterator[tuple[Path, dict[str, str]]]:
    """Make a repository of our own with the objects of another. Yield its folder and the environment for git."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="openrouter-watcher-") as folder:
        own = Path(folder)
        (own / "refs").mkdir()
        (own / "HEAD").write_text(f"{found.head}\n")
        (own / "config").write_text(
            f"[core]\nrepositoryFormatVersion = 1\nbare = true\n[extensions]\nobjectFormat = {found.hashing}\n"
        )
        with contextlib.suppress(OSError):  # only a shallow clone has this file, which says where it ends
            (own / "shallow").write_bytes((found.objects.parent / "shallow").read_bytes())
        # The user's own configuration could make git run a program too, or stop: a missing diff.orderFile does.
        alone = {"GIT_CONFIG_NOSYSTEM": "1", "HOME": folder, "XDG_CONFIG_HOME": folder}
        yield own, {"GIT_DIR": folder, "GIT_OBJECT_DIRECTORY": str(found.objects), **alone}


def _plan(found: _Repository, file: str, skipped: Skipped) -> Iterator[Planned]:
    """Yield every commit that added or changed the file, oldest first."""
    choice = ["--raw", "--no-renames", "--diff-filter=d", "--full-history", "--no-merges", "--reverse"]
    arguments = ["log", "--format=%ct %H", *choice, "HEAD", "--", f":(top,literal){file}"]
    with _borrowed(found) as (own, places):
        output = _output(found.name, arguments, own, places)
    # The lines of the raw difference, which only --diff-filter needs, begin with a colon.
    for seconds, commit in re.findall(r"^(-?\d+) (\w+)$", output, re.MULTILINE | re.ASCII):
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
                kind, size, content = _ask(git, f"{member.name}:{file}")
                if kind == "missing":
                    skipped.add(name, "is missing from this repository")
                elif kind == "blob" and skipped.takes(name, size):
                    body = content.read(size + 1)  # a newline follows
                    if len(body) <= size:
                        raise EOFError
                    yield Capture(member.at, body[:size], name)
                else:
                    if kind != "blob":
                        skipped.add(name, "is not a file")
                    for start in range(0, size + 1, _CHUNK):
                        content.read(min(_CHUNK, size + 1 - start))
        except (OSError, ValueError, EOFError):
            git.kill()
            complaint = git.stderr.read() if git.stderr else b""
            refuse(
                found.name,
                f"git stopped while it was read: {excerpt(complaint, 200) or 'no reason given'}; run git fsck",
            )


def _ask(git: "subprocess.Popen[bytes]", name: str) -> tuple[str, int, IO[bytes]]:
    """Return kind and size of an object, and where its content can be read. The kind may be `missing`."""
    assert git.stdin and git.stdout
    git.stdin.write(os.fsencode(name) + b"\n")
    git.stdin.flush()
    answer = git.stdout.readline()
    if answer.endswith(b" missing\n"):
        return "missing", 0, git.stdout
    _, kind, size = answer.split()
    return kind.decode("ascii"), int(size), git.stdout


def _output(name: str, arguments: list[str], folder: Path, places: dict[str, str]) -> str:
    with _git(name, arguments, folder, places) as git:
        output, complaint = git.communicate()
    if git.returncode:
        refuse(name, f"git cannot read the history: {excerpt(complaint, 200)}")
    return os.fsdecode(output)


_NEEDED = ("HOME", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "XDG_CONFIG_HOME")
"""Variables of the environment: where git is, and where its configuration says whose repositories are safe."""


@contextlib.contextmanager
def _git(name: str, arguments: list[str], folder: Path, places: dict[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    """Run git in that folder until the end of the block.

    Of our environment, which can hold secrets, it gets only what it needs, and `places`. It cannot fetch anything.
    """
    import subprocess

    environment = {key: value for key, value in os.environ.items() if key in _NEEDED} | {
        "GIT_ALLOW_PROTOCOL": "",  # none; configuration can override protocol.allow, but not this
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
        with contextlib.suppress(OSError):  # stdin may hold bytes that git did not take
            git.__exit__(None, None, None)
