"""Planning and status of large studies: 10,000 arms with 10 seeds each planned, so many of their cells finished.

python benchmarks/planning.py [--finished 10000 100000]

Records are those of the reference study `lambda` under the names of the planned cells. Baselines of the same run: for
planning, `json` writing and reading the same plan; for the status, reading the bytes of the same records unparsed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import tempfile
import time
from pathlib import Path

from sweeps.plan import grid_tasks, make_plan
from sweeps.records.plan_record import Plan
from sweeps.records.study_folder import StudyFolder
from sweeps.status import read_status
from sweeps.study import Study

REFERENCE = Path(__file__).parent.parent / "results" / "reference" / "lambda"
TENTHS = tuple(i / 10 for i in range(1, 11))


def main() -> None:
    """Print seconds, and their ratio to the baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--finished", type=int, nargs="+", default=[10_000, 100_000], help="finished cells for the status, rising"
    )
    numbers = parser.parse_args().finished
    factors = {"prompt": ("vmp",), **dict.fromkeys(("m", "n", "lambda", "train.optimizer.lr"), TENTHS)}
    Study(name="warm", factors={"prompt": ("vmp",), "lambda": (0,)})  # imports and data
    with tempfile.TemporaryDirectory() as folder:
        study = StudyFolder(folder)
        start, processor = time.perf_counter(), time.process_time()
        made = Study(name="large", factors=factors, seeds=tuple(range(10)))
        plan = make_plan(made, grid_tasks(made))
        study.create()
        study.write_plan(plan)
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        text = study.plan_path.read_text()
        start = time.perf_counter()
        json.dumps(json.loads(text), indent=1)
        baseline = time.perf_counter() - start
        print(
            f"plan of {len(plan.cells):,} cells   {seconds:6.2f} s   {seconds / baseline:5.1f} x json on the same plan "
            f"({baseline:.2f} s); {processor:.2f} s of the processor; {memory:.0f} MiB at most"
        )
        for finished in numbers:
            _status(study, plan, finished)


def _status(study: StudyFolder, plan: Plan, finished: int) -> None:
    templates = [json.loads(path.read_text()) for path in sorted((REFERENCE / "cells").iterdir())[:20]]
    for cell, template in zip(plan.cells[:finished], itertools.cycle(templates), strict=False):
        record = template | {"hash": cell.hash, "factors": cell.factors, "seed": cell.seed}
        study.cell_path(cell.hash).write_text(json.dumps(record, indent=1))
    study.write_plan(plan.model_copy(update={"cells": plan.cells[:finished]}))
    start = time.perf_counter()
    size = sum(len(path.read_bytes()) for path in study.cells_path.iterdir())
    baseline = time.perf_counter() - start
    start, processor = time.perf_counter(), time.process_time()
    status = read_status(study)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    assert status.counts["complete"] == finished
    print(
        f"status of {finished:,} cells   {seconds:6.2f} s   {seconds / baseline:5.1f} x reading their bytes "
        f"({baseline:.2f} s, {size / 2**20:.0f} MiB); {processor:.2f} s of the processor"
    )


if __name__ == "__main__":
    main()
