"""`python -m bench [NAME…]`: run the benchmarks (all of them without a name) and print their figures."""

import subprocess
import sys
from importlib import import_module

NAMES = ("judgement", "history", "unchanged", "delivery", "rest", "polling", "soak")


def main() -> None:
    """Run what is asked for."""
    names = sys.argv[1:] or NAMES
    for name in names:
        if name not in NAMES:
            sys.exit(f"There is no benchmark {name!r}; there are {', '.join(NAMES)}.")
        if len(names) == 1:
            import_module(f"bench.{name}").main()
        else:  # what one benchmark holds would count in the memory of the next one's children
            subprocess.run([sys.executable, "-m", "bench", name], check=True)
            print()


main()
