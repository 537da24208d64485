"""What a sweep and an engine add to a cell: seconds beyond calling `run_cell` in a process that is warm.

    python benchmarks/cells.py

Cells are tiny (well under a second), so that the engine shows. Starting the engine, its workers, torch and the data is
measured apart from what each further cell costs: a first call of `run` pays the start, a second one runs on warm
workers. Every epoch is reported and answered, as in a sweep.
"""

from __future__ import annotations

import dataclasses
import io
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sweeps.executors.base import Event, More, OnEvent, Progress, Resources, no_more
from sweeps.executors.cell import run_cell
from sweeps.executors.registry import EXECUTORS, make_executor
from sweeps.plan import Task, grid_tasks
from sweeps.record import CellRecord
from sweeps.run import run_study
from sweeps.study_files import load_study
from sweeps.track.console import ConsoleReporter
from vmp.experiment import Runtime

CELLS = 30
TRIALS = 8  # of the function trainable, which takes seconds for each
BOOKED = 300
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


class _Instant:
    """An executor whose cells take no time: every record is a copy of one that was really computed."""

    record: CellRecord
    seconds: list[float]

    def __init__(self, resources: Resources) -> None:
        del resources

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(self, tasks: Sequence[Task], on_event: OnEvent, more: More = no_more) -> None:
        del more
        for task in tasks:
            record = type(self).record.model_copy(update={"hash": task.hash, "seed": task.seed})
            started = time.perf_counter()
            on_event(Progress(hash=task.hash, epoch=2, figures={}))
            on_event(record)
            type(self).seconds.append(time.perf_counter() - started)


def bookkeeping(record: CellRecord) -> None:
    """Print what a sweep does for a cell, against writing and renaming a file with the same text."""
    _Instant.record, _Instant.seconds = record, []
    EXECUTORS["instant"] = _Instant
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            redirect_stderr(io.StringIO()),
            ConsoleReporter("top1") as reporter,
        ):
            study = dataclasses.replace(STUDY, seeds=tuple(range(BOOKED)))
            run_study(study, Path(folder) / "study", engine="instant", reporter=reporter)
    finally:
        del EXECUTORS["instant"]
    plain, text = [], json.dumps(record.model_dump(mode="json"), indent=1)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(BOOKED):
            started = time.perf_counter()
            (Path(folder) / "new").write_text(text)
            (Path(folder) / "new").rename(Path(folder) / f"{number}.json")
            plain.append(time.perf_counter() - started)
    booked, base = statistics.median(_Instant.seconds), statistics.median(plain)
    print(
        f"{'bookkeeping of a cell':<24} {1000 * booked:.2f} ms, {booked / base:.1f} x writing such a file "
        f"({1000 * base:.2f} ms), medians of {BOOKED}"
    )


def function_trainables(tasks: Sequence[Task]) -> float:
    """Seconds a cell as Ray Tune's function trainables, one after the other, on the Ray that is there."""
    from ray import tune

    def cell(config: dict[str, Any]) -> None:
        record = run_cell(Task(**json.loads(config["task"])), runtime=Runtime(), engine="tune")
        tune.report({"val_top1": record.metrics["val_top1"]})

    with tempfile.TemporaryDirectory() as storage:
        started = time.perf_counter()
        tune.Tuner(
            tune.with_resources(cell, {"cpu": 1}),
            param_space={"task": tune.grid_search([json.dumps(task.to_plain()) for task in tasks])},
            tune_config=tune.TuneConfig(max_concurrent_trials=1),
            run_config=tune.RunConfig(storage_path=storage, verbose=0),
        ).fit()
        return (time.perf_counter() - started) / len(tasks)


def main() -> None:
    """Print seconds for each engine with one worker, and the overhead per cell over the direct call."""
    tasks = grid_tasks(STUDY)
    warm = grid_tasks(dataclasses.replace(STUDY, seeds=(1000,)))
    record = run_cell(warm[0], runtime=Runtime(), engine="benchmark")
    bookkeeping(record)
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
                trial = function_trainables(tasks[:TRIALS]) if engine == "ray" else None
        cell = (done - ready) / CELLS
        print(
            f"{engine:<24} {cell:.3f} s per cell, {cell / direct:.2f} x baseline, {cell - direct:+.3f} s overhead; "
            f"start {ready - start:.1f} s"
        )
        if trial is not None:
            print(
                f"{'ray tune, function':<24} {trial:.3f} s per cell, {trial / direct:.1f} x baseline, "
                f"{trial - direct:+.3f} s overhead, {(trial - direct) / (cell - direct):.0f} x that of {engine}"
            )


if __name__ == "__main__":
    main()
