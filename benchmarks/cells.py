"""What an engine adds to a cell: seconds a cell beyond calling `run_cell` in a process that is warm.

    python benchmarks/cells.py

Cells are tiny (well under a second), so that the engine shows. Starting the engine, its workers, torch and the data is
told apart from what each further cell costs: a first call of `run` pays the start, a second one runs on warm workers.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

from sweeps.executors.base import EXECUTORS, Resources, make_executor
from sweeps.executors.cell import run_cell
from sweeps.plan import grid_tasks
from sweeps.study import Study
from vmp.data.registry import MotionData
from vmp.data.sampling import SamplingConfig
from vmp.experiment import Runtime
from vmp.training.loop import TrainConfig

CELLS = 30
STUDY = Study(
    name="overhead",
    factors={"prompt": ("vmp",)},
    seeds=tuple(range(CELLS)),
    data=MotionData(train=24, val=12, test=12, size=16, num_frames=5),
    sampling=SamplingConfig(num_frames=4),
    backbone={"name": "cnn3d_tiny"},  # type: ignore[arg-type]
    train=TrainConfig(epochs=2, batch_size=8),
)


def main() -> None:
    """Print seconds for each engine with one worker, and the overhead a cell over the direct call."""
    tasks = grid_tasks(STUDY)
    warm = grid_tasks(dataclasses.replace(STUDY, seeds=(1000,)))
    run_cell(warm[0], runtime=Runtime(), engine="benchmark")
    start = time.perf_counter()
    for task in tasks:
        run_cell(task, runtime=Runtime(), engine="benchmark")
    direct = (time.perf_counter() - start) / CELLS
    print(f"{'direct call (baseline)':<24} {direct:.3f} s a cell")
    for engine in EXECUTORS:
        with tempfile.TemporaryDirectory() as folder:
            resources = Resources(workers=1, device="cpu", checkpoints=Path(folder) / "c", logs=Path(folder) / "l")
            start = time.perf_counter()
            with make_executor(engine, resources) as executor:
                executor.run(warm, lambda event: None)
                ready = time.perf_counter()
                executor.run(tasks, lambda event: None)
                done = time.perf_counter()
        cell = (done - ready) / CELLS
        print(
            f"{engine:<24} {cell:.3f} s a cell, {cell / direct:.2f} x baseline, {cell - direct:+.3f} s overhead; "
            f"start {ready - start:.1f} s"
        )


if __name__ == "__main__":
    main()
