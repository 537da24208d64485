"""How long a whole report takes, how much memory, and how large its page is, for 42, 1,000 and 10,000 cells.

    python benchmarks/report.py [--cells 42 1000 10000 100000] [--rounds 3]

Each report is a process of its own, imports included. The studies are made of the records of the reference study: its
arms of lambda become as many as are asked for, and accuracies are drawn anew. The baseline of the ratio is a process
that reads the same records with the same imports and writes nothing. Seconds of the clock are what a user waits,
seconds of the processor what a busy machine does not change. Memory is that of the larger of the two processes that a
report consists of; they share most of it. 100,000 cells are made where they are asked for.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from sweeps.records.cell_record import CellRecord
from sweeps.records.plan_record import Plan, PlannedCell
from sweeps.records.study_folder import StudyFolder
from vmp.core.fingerprint import fingerprint

REFERENCE = Path(__file__).parent.parent / "results" / "reference" / "lambda"
SEEDS = {42: 7, 1000: 10, 10_000: 10}
BASELINE = """
import analysis.report.write, sys
from sweeps.records.study_folder import StudyFolder
folder = StudyFolder(sys.argv[1])
print(sum(1 for _ in folder.records(folder.read_plan())))
"""


def make_study(path: Path, cells: int) -> None:
    """A study of the control and as many lambdas as make `cells` cells."""
    source = StudyFolder(REFERENCE)
    plan = source.read_plan()
    records = list(source.records(plan))
    prompted = [record for record in records if record.factors["prompt"] == "vmp"]
    control = next(record for record in records if record.factors["prompt"] == "control")
    seeds = SEEDS.get(cells, 10)
    lambdas = [0.0, *(float(f"{value:.6g}") for value in np.logspace(-3, 2, cells // seeds - 2))]
    rng = np.random.default_rng(0)
    folder = StudyFolder(path)
    folder.create()
    planned: list[PlannedCell] = []
    for value in (None, *lambdas):
        for seed in range(seeds):
            record = control if value is None else prompted[int(rng.integers(len(prompted)))]
            factors = {"prompt": "control" if value is None else "vmp", "lambda": value}
            name = fingerprint({"factors": factors, "seed": seed})
            accuracy = 0.7 + 0.02 * float(rng.normal())
            metrics = record.metrics | {"val_top1": accuracy, "test_top1": accuracy + 0.01 * float(rng.normal())}
            copied = record.model_copy(update={"hash": name, "factors": factors, "seed": seed, "metrics": metrics})
            _write(folder, copied)
            planned.append(PlannedCell(hash=name, factors=factors, seed=seed))
    factors = {"prompt": ["control", "vmp"], "lambda": lambdas}
    made: Plan = plan.model_copy(
        update={"cells": planned, "factors": factors, "seeds": list(range(seeds)), "confirmation": None}
    )
    folder.write_plan(made)


def _write(folder: StudyFolder, record: CellRecord) -> None:
    folder.cell_path(record.hash).write_text(record.model_dump_json(), encoding="utf-8")  # no wait for the disk


def measured(command: list[str]) -> tuple[float, float, float]:
    """Seconds of the clock, seconds of the processor and MB of memory of one process with its children."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{command} failed")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for cells in options.cells:
        with tempfile.TemporaryDirectory() as name:
            make_study(Path(name) / "study", cells)
            report = [sys.executable, "-m", "vmp", "report", f"{name}/study", "--out", f"{name}/report"]
            read = [sys.executable, "-c", BASELINE, f"{name}/study"]
            pairs = [(measured(report), measured(read)) for _ in range(options.rounds)]
            clock, processor, memory = (statistics.median(one[i] for one, _ in pairs) for i in range(3))
            ratio = statistics.median(one[1] / other[1] for one, other in pairs)
            page = (Path(name) / "report" / "index.html").stat().st_size
        print(
            f"{cells:>6} cells: {clock:.2f} s, processor {processor:.2f} s, {ratio:.1f} x reading them, "
            f"{memory:.0f} MB, page {page / 1000:.0f} kB",
            flush=True,
        )


if __name__ == "__main__":
    main()
