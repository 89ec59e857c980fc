"""The watcher's command, killed at a chosen point: a script to run in its place, not a module.

    python killer.py RECORD PHASE N -- ARGUMENTS…

Every line of the watcher that runs is counted by the phase it belongs to, and so are the lines of the libraries at
which data leaves the process or reaches the disk. At the N-th of a phase the process kills itself, and RECORD tells
where that was. With N = 0 it runs to its end, and RECORD holds the number of lines of each phase.
"""

import itertools
import json
import os
import signal
import sys
import threading
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).parent.parent.parent
OURS = f"{ROOT / 'watcher'}{os.sep}"

LIBRARIES = {
    "sqlalchemy/engine/default.py": ("do_begin", "do_execute", "do_executemany", "do_commit", "do_rollback"),
    "sqlalchemy/engine/base.py": ("commit", "_do_commit", "_commit_impl", "_connection_commit_impl", "_do_close"),
    "httpcore/_backends/sync.py": (),
    "http/client.py": ("send", "_send_output", "_send_request", "getresponse", "_read_status"),
    "apprise/plugins/custom_json.py": (),
}
"""Where a library does what a phase is about; no names: all functions of the module."""

PHASES = {
    ("cycle.py", "fetch"): "fetch",
    ("cycle.py", "_read"): "judge",
    ("cycle.py", "_with_count"): "judge",
    ("decide.py", "decide"): "judge",
    ("store/state.py", None): "store",
    ("store/session.py", "save"): "store",
    ("cycle.py", "_save"): "commit",
    ("cycle.py", "check"): "commit",
    ("delivery/outbox.py", "_next_batch"): "batch",
    ("cli/setup.py", "send"): "send",
    ("delivery/channel.py", "run"): "send",
    ("delivery/outbox.py", "_record"): "mark",
    ("delivery/outbox.py", "_give_up_overdue"): "end",
    ("delivery/outbox.py", "_note_waiting"): "end",
}
"""The phase of what a function does, and of all that it calls; the innermost counts, and `start` is what has none."""

_phases: dict[CodeType, str | None] = {}
_counted: dict[CodeType, bool] = {}


def _is_counted(code: CodeType) -> bool:
    known = _counted.get(code)
    if known is None:
        is_function = bool(code.co_flags & 1)  # CO_OPTIMIZED; the bodies of modules and classes are not
        library = next((names for end, names in LIBRARIES.items() if code.co_filename.endswith(end)), None)
        named = library is not None and (not library or code.co_name in library)
        known = _counted[code] = is_function and (named or code.co_filename.startswith(OURS))
    return known


def _own_phase(code: CodeType) -> str | None:
    if code not in _phases:
        found = None
        if code.co_filename.startswith(OURS):
            name = code.co_filename.removeprefix(OURS)
            found = PHASES.get((name, code.co_name)) or PHASES.get((name, None))
        _phases[code] = found
    return _phases[code]


def _phase(frame: FrameType) -> str:
    at: FrameType | None = frame
    while at is not None:
        phase = _own_phase(at.f_code)
        if phase is not None:
            return phase
        at = at.f_back
    return "start"


class Killer:
    """Counts, and kills."""

    def __init__(self, record: Path, phase: str, number: int) -> None:
        self.record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self.phase = phase
        self.number = number
        self.counts: defaultdict[str, Any] = defaultdict(lambda: itertools.count(1))

    def on_call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        if not _is_counted(frame.f_code):
            return None
        phase = _phase(frame)
        if self.number and phase != self.phase:
            return None
        count = self.counts[phase]

        def on_line(frame: FrameType, event: str, _argument: Any) -> Any:
            if event != "exception" and next(count) == self.number:
                self.kill(frame)
            return on_line

        return on_line

    def kill(self, frame: FrameType) -> None:
        code = frame.f_code
        where = f"{Path(code.co_filename).name} {code.co_qualname if sys.version_info >= (3, 11) else code.co_name}"
        os.write(self.record, f"{self.phase} {where} {frame.f_lineno}".encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        threading.settrace(self.on_call)
        sys.settrace(self.on_call)

    def finish(self) -> None:
        sys.settrace(None)
        if not self.number:
            counts = {phase: next(count) - 1 for phase, count in self.counts.items()}
            os.write(self.record, json.dumps(counts).encode())


def main() -> None:
    record, phase, number, _, *arguments = sys.argv[1:]
    killer = Killer(Path(record), phase, int(number))
    sys.path[0] = str(ROOT)
    for library in ("httpx", "feedparser", "sqlalchemy", "apprise"):  # or their imports would be traced, which is slow
        import_module(library)
    from watcher.cli import main as watcher

    killer.watch()
    try:
        watcher(arguments)
    finally:
        killer.finish()


if __name__ == "__main__":
    main()
