"""Loading what Apprise sends by, in several threads at once."""

import subprocess
import sys

TOGETHER = """
import sys, threading
from watcher.alerts.loading import load_requests
sys.setswitchinterval(1e-6)
failed, together = [], threading.Barrier(2)
def load(part):
    together.wait()
    try:
        load_requests()
        __import__(part)
    except Exception as error:
        failed.append(error)
threads = [threading.Thread(target=load, args=(part,)) for part in ("requests.adapters", "urllib3.poolmanager")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit(repr(failed) if failed else 0)
"""


def test_threads_that_load_it_at_once_each_find_all_of_it() -> None:
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
