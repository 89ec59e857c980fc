"""How good the judgement is: `watcher replay --json` on the recorded archive, held against figures from the raw JSON.

The definitions are those of `bench.lasting`, which uses nothing of the judged code.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import datetime
from decimal import Decimal
from tempfile import TemporaryDirectory

from bench import lasting
from bench.archive import archive_path
from watcher.catalog.model import DEFAULT_KINDS


def main() -> None:
    """Print the figures."""
    path = archive_path()
    if path is None:
        print("The quality of the judgement needs the recorded archive: set WATCHER_DATA to its folder.")
        return
    with TemporaryDirectory() as folder:
        env = {**os.environ, "XDG_STATE_HOME": folder, "XDG_CONFIG_HOME": folder}
        command = [sys.executable, "-m", "watcher", "replay", "--json", str(path)]
        lines = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True).stdout.splitlines()
    events = [json.loads(line) for line in lines]
    captures = [lasting.capture(at, body) for at, body in lasting.captures(path)]
    said = [_said(event) for event in events if event["model"] is not None]
    figures = lasting.measure_prices(captures, said, by_key=False)
    kinds = Counter(event["kind"] for event in events)
    print(f"Judgement of {len(captures)} recorded captures (goals in parentheses)")
    print(f"  reprices sent that lasted 12 hours of captures   {figures.lasted:.1%} of {figures.repriced} (95 %)")
    print(f"  lasting changes that were announced              {figures.announced:.1%} of {figures.changes} (98 %)")
    print(f"  announced twice                                  {len(figures.twice)} (0)")
    print(f"  errors in new, expired, returned                 {len(lasting.measure_presence(captures, said))} (0)")
    print(f"  events of the default kinds                      {sum(kinds[kind] for kind in DEFAULT_KINDS)} (< 125)")
    print(f"  events of all kinds                              {kinds.total()} (< 250)")


def _said(event: dict[str, object]) -> lasting.Said:
    changes = event["prices"]
    assert isinstance(changes, dict)
    told = {key: changes[key]["new"] for key in lasting.KEYS if key in changes}
    prices = {key: Decimal(-1 if new == "varies" else new) for key, new in told.items() if new is not None}
    at = datetime.fromisoformat(str(event["at"]))
    return lasting.Said(at, str(event["kind"]), str(event["model"]), prices)
