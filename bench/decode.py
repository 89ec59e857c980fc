"""`python -m bench.decode ARCHIVE`: print the seconds in which msgspec decodes all bodies of an archive."""

import sys
import time
from pathlib import Path

import msgspec

from testkit.lasting import captures

if __name__ == "__main__":
    bodies = [body for _, body in captures(Path(sys.argv[1]))]
    start = time.perf_counter()
    for body in bodies:
        msgspec.json.decode(body)
    print(time.perf_counter() - start)
