"""`python -m bench [NAME…]`: run the benchmarks (all of them without a name) and print their figures."""

import subprocess
import sys
from importlib import import_module

MODULES = {
    "judgement": "testkit.judgement",
    "history": "bench.history",
    "unchanged": "bench.unchanged",
    "delivery": "bench.delivery",
    "rest": "bench.rest",
    "polling": "bench.polling",
    "web": "bench.web",
    "pages": "bench.pages",
    "feeds": "bench.feeds",
    "scan": "bench.scan",
    "soak": "testkit.soak",
}


def main() -> None:
    """Run the benchmarks that the command line names."""
    names = sys.argv[1:] or [*MODULES]
    for name in names:
        if name not in MODULES:
            sys.exit(f"There is no benchmark {name!r}; there are {', '.join(MODULES)}.")
        if len(names) == 1:
            import_module(MODULES[name]).main()
        else:  # memory of one benchmark would count in the peaks of the next
            subprocess.run([sys.executable, "-m", "bench", name], check=True)
            print()


main()
