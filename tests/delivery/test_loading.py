"""Apprise is loaded once, by whichever channel is first."""

import json
import subprocess
import sys

SIDE_BY_SIDE = """
import json, sys, threading
from watcher.delivery.services import open_service
sys.setswitchinterval(1e-6)
start, failed = threading.Barrier(8), []
def open_one(number):
    start.wait()
    try:
        open_service(f"json://127.0.0.1/{number}", 5.0)
    except BaseException as error:
        failed.append(repr(error))
threads = [threading.Thread(target=open_one, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(failed))
"""


def test_channels_that_are_first_side_by_side_all_load() -> None:
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", SIDE_BY_SIDE], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == []
