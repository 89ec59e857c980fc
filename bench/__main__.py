"""`python -m bench [NAME…]`: run the benchmarks (all of them without a name) and print their figures."""

import sys
from importlib import import_module

NAMES = ("judgement", "history", "unchanged", "delivery")


def main() -> None:
    """Run what is asked for."""
    for name in sys.argv[1:] or NAMES:
        if name not in NAMES:
            sys.exit(f"There is no benchmark {name!r}; there are {', '.join(NAMES)}.")
        import_module(f"bench.{name}").main()
        print()


main()
