"""What an engine adds to a cell: seconds per cell beyond calling `run_cell` in a process that is warm.

    python benchmarks/cells.py

Cells are tiny (well under a second), so that the engine shows. Starting the engine, its workers, torch and the data is
measured apart from what each further cell costs: a first call of `run` pays the start, a second one runs on warm
workers. Every epoch is reported and answered, as in a sweep.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

from sweeps.executors.base import Event, Resources
from sweeps.executors.cell import run_cell
from sweeps.executors.registry import EXECUTORS, make_executor
from sweeps.plan import grid_tasks
from sweeps.study import load_study
from vmp.experiment import Runtime

CELLS = 30
STUDY = load_study(
    "lambda",
    [
        "factors={prompt: [vmp]}",
        *("data.train=24", "data.val=12", "data.test=12", "data.size=16", "data.num_frames=5"),
        *("sampling.num_frames=4", "train.epochs=2", "train.batch_size=8", f"seeds={list(range(CELLS))}"),
    ],
)


def _go_on(event: Event) -> str | None:
    return None


def main() -> None:
    """Print seconds for each engine with one worker, and the overhead per cell over the direct call."""
    tasks = grid_tasks(STUDY)
    warm = grid_tasks(dataclasses.replace(STUDY, seeds=(1000,)))
    run_cell(warm[0], runtime=Runtime(), engine="benchmark")
    start = time.perf_counter()
    for task in tasks:
        run_cell(task, runtime=Runtime(), engine="benchmark")
    direct = (time.perf_counter() - start) / CELLS
    print(f"{'direct call (baseline)':<24} {direct:.3f} s per cell")
    for engine in EXECUTORS:
        with tempfile.TemporaryDirectory() as folder:
            resources = Resources(workers=1, runtime=Runtime(), checkpoints=Path(folder) / "c", logs=Path(folder) / "l")
            start = time.perf_counter()
            with make_executor(engine, resources) as executor:
                executor.run(warm, _go_on)
                ready = time.perf_counter()
                executor.run(tasks, _go_on)
                done = time.perf_counter()
        cell = (done - ready) / CELLS
        print(
            f"{engine:<24} {cell:.3f} s per cell, {cell / direct:.2f} x baseline, {cell - direct:+.3f} s overhead; "
            f"start {ready - start:.1f} s"
        )


if __name__ == "__main__":
    main()
