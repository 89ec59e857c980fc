"""The promise under what else befalls a daemon: full disks, locks, wrong clocks, company, services that hang or die."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from tests.end_to_end.surviving import (
    Case,
    Told,
    World,
    assert_nothing_to_announce,
    ended,
    ids,
)
from watcher.alerts.channel import send_events
from watcher.alerts.outbox import drain
from watcher.catalog.model import Event
from watcher.cli.opening import open_source, sender
from watcher.config.load import load
from watcher.cycle import check
from watcher.errors import StoreError
from watcher.store.store import Store

AT_TIME = str(Path(__file__).parent / "at_time.py")
HOUR = 3600


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        yield world


@pytest.fixture
def case(world: World) -> Case:
    """A watcher to whom nothing has happened yet, without the channel that is always dead."""
    world.prepare(more="")
    return world.case("case")


# A full disk

ON_SMALL_DISK = """
mount -t tmpfs -o size="$1" small . && cp "$2/w.db" "$2/config.toml" . || exit 99
head -c "$3" /dev/zero > ballast || exit 99
"$4" -m watcher --check > first.out 2> first.err; echo $? > "$2/first.code"
cp first.err "$2/first.err" 2> "$2/cp.err"
sqlite() { "$4" -c 'import sqlite3, sys; print(sqlite3.connect("w.db").execute("PRAGMA integrity_check").fetchone()[0])'; }
rm ballast
HOOK="$5" NARROW="$6" MAIL="$7" "$4" -m watcher --check > "$2/again.out" 2> "$2/again.err"; echo $? > "$2/again.code"
cp w.db "$2/w.db"; cp w.db-wal "$2/" 2> "$2/cp.err"; exit 0
"""
