"""How long the command line takes to answer, against the interpreter alone and against importing torch.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ONE_CELL = """
import tempfile
from vmp.cli import cli
small = "data.train=24 data.val=12 data.test=12 train.epochs=1 factors.lambda=null factors.prompt=[control] seeds=[0]"
settings = [f"--set={setting}" for setting in small.split()]
with tempfile.TemporaryDirectory() as folder:
    cli.main(["sweep", "run", "lambda", *settings, "--out", folder], standalone_mode=False)
"""
COMMANDS = {
    "python -c pass (baseline)": [sys.executable, "-c", "pass"],
    "vmp --help": [sys.executable, "-m", "vmp", "--help"],
    "vmp sweep status --help": [sys.executable, "-m", "vmp", "sweep", "status", "--help"],
    "vmp sweep run --help": [sys.executable, "-m", "vmp", "sweep", "run", "--help"],
    "import torch": [sys.executable, "-c", "import torch"],
    "a worker's imports": [sys.executable, "-c", "import sweeps.executors.cell"],
    "one cell by vmp sweep run": [sys.executable, "-c", ONE_CELL],
}
ROUNDS = 7


def main() -> None:
    """Print the median of `ROUNDS` runs each, in turn, and the ratio to the baseline."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - start)
    baseline = statistics.median(seconds["python -c pass (baseline)"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:<28} {median:6.3f} s  {median / baseline:6.1f} x baseline")


if __name__ == "__main__":
    main()
