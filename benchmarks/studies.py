"""How long the ten questions take in quick size, each by its command, against the 25 minutes they are given.

python benchmarks/studies.py [STUDY...] [--workers 2]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEN = (
    "baseline",
    "regulariser",
    "lambda",
    "init",
    "sampling",
    "transfer",
    "long",
    "robustness",
    "motion",
    "placement",
)
MINUTES_OF_ALL = 25
MINUTES_OF_ONE = 5


def main() -> None:
    """Print for each study the minutes of its sweep and the seconds of its report, and the minutes of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", default=TEN, metavar="STUDY")
    parser.add_argument("--workers", default="2")
    arguments = parser.parse_args()
    total = 0.0
    for name in arguments.studies:
        with tempfile.TemporaryDirectory() as folder:
            sweep = ["sweep", "run", name, "--size", "quick", "--out", folder, "--workers", arguments.workers]
            swept = seconds_of(sweep)
            reported = seconds_of(["report", folder])
            cells = len(list(Path(folder, "cells").glob("*.json")))
        total += swept + reported
        late = "" if swept + reported <= 60 * MINUTES_OF_ONE else f"  over {MINUTES_OF_ONE} min"
        load = os.getloadavg()[0]
        print(
            f"{name:<12} {cells:>4} cells  sweep {swept / 60:5.2f} min  report {reported:5.1f} s"
            f"  load at the end {load:4.1f}{late}",
            flush=True,
        )
    print(f"all {len(arguments.studies)}: {total / 60:.1f} min (the ten are given {MINUTES_OF_ALL})")


def seconds_of(command: list[str]) -> float:
    """Seconds of the command line with these words; its output is not shown."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "vmp", *command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
