"""What a sweep and an engine add to a cell: seconds beyond calling `run_cell` in a process that is warm.

    python benchmarks/cells.py
    python benchmarks/cells.py --demo [CELLS]

Cells are tiny (well under a second), so that the engine shows. Starting the engine, its workers, torch and the data is
measured apart from what each further cell costs: a first call of `run` pays the start, a second one runs on warm
workers. Every epoch is reported and answered, as in a sweep.

With ``--demo`` it runs the cells of the demo study instead, and prints how many an hour come to their end with one
worker, with two, and as Ray Tune's function trainables, two at a time. The start of the workers counts.
"""

from __future__ import annotations

import argparse
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
from sweeps.records.cell_record import CellRecord
from sweeps.run import run_study
from sweeps.stop.config import StopSettings
from sweeps.study_files import load_study
from sweeps.track.console import ConsoleReporter
from vmp.experiment import Runtime

CELLS = 30
TRIALS = 8  # of the function trainable, which takes seconds for each
BOOKED = 300
EPOCHS = 50  # that a stop rule listens to
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
    """An executor whose cells take no time: every record is a copy of `record`, after a report for each epoch of it."""

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
            epochs = [{key: values[i] for key, values in record.curves.items()} for i in range(_epochs(record))]
            started = time.perf_counter()
            for epoch, figures in enumerate(epochs, start=1):
                on_event(Progress(hash=task.hash, epoch=epoch, figures=figures))
            on_event(record)
            type(self).seconds.append(time.perf_counter() - started)


def _epochs(record: CellRecord) -> int:
    return len(record.curves["epoch"])


def _longer(record: CellRecord) -> CellRecord:
    """A record of `EPOCHS` epochs, each better than the one before, so that no rule ends the cell."""
    curves: dict[str, list[float | None]] = {key: [values[-1]] * EPOCHS for key, values in record.curves.items()}
    curves |= {"epoch": [float(i + 1) for i in range(EPOCHS)], "val_top1": [(i + 1) / EPOCHS for i in range(EPOCHS)]}
    return record.model_copy(update={"curves": curves})


def bookkeeping(record: CellRecord, stop: StopSettings | None = None) -> None:
    """Print what a sweep does for a cell, against writing and renaming a file with the same text."""
    _Instant.record, _Instant.seconds = record, []
    EXECUTORS["instant"] = _Instant
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            redirect_stderr(io.StringIO()),
            ConsoleReporter("top1") as reporter,
        ):
            study = dataclasses.replace(STUDY, seeds=tuple(range(BOOKED)), stop=stop)
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
        f"bookkeeping of a cell, {_epochs(record)} epochs{f', {stop.kind} listens' if stop else ''}: "
        f"{1000 * booked:.2f} ms, {booked / base:.1f} x writing such a file ({1000 * base:.2f} ms), medians of {BOOKED}"
    )


def _resources(folder: str, workers: int) -> Resources:
    return Resources(workers=workers, runtime=Runtime(), checkpoints=Path(folder) / "c", logs=Path(folder) / "l")


def function_trainables(tasks: Sequence[Task], workers: int = 1) -> float:
    """Seconds a cell as Ray Tune's function trainables, on a Ray that has started before."""
    from ray import tune

    def cell(config: dict[str, Any]) -> None:
        record = run_cell(Task(**json.loads(config["task"])), runtime=Runtime(), engine="tune")
        tune.report({"val_top1": record.metrics["val_top1"]})

    # Our engine starts the Ray, and runs nothing on it.
    with tempfile.TemporaryDirectory() as storage, make_executor("ray", _resources(storage, workers)):
        started = time.perf_counter()
        tune.Tuner(
            tune.with_resources(cell, {"cpu": 1}),
            param_space={"task": tune.grid_search([json.dumps(task.to_plain()) for task in tasks])},
            tune_config=tune.TuneConfig(max_concurrent_trials=workers),
            run_config=tune.RunConfig(storage_path=storage, verbose=0),
        ).fit()
        return (time.perf_counter() - started) / len(tasks)


def engine_seconds(tasks: Sequence[Task], engine: str, workers: int) -> float:
    """Seconds a cell, with the start of the workers."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with make_executor(engine, _resources(folder, workers)) as executor:
            executor.run(tasks, _go_on)
            return (time.perf_counter() - started) / len(tasks)


def demo(cells: int) -> None:
    """Print cells an hour of the demo study, with one worker, two, and as plain trials of Ray Tune."""
    tasks = grid_tasks(load_study("lambda"))[:cells]
    one, two = (engine_seconds(tasks, "local", workers) for workers in (1, 2))
    ray, trials = engine_seconds(tasks, "ray", 2), function_trainables(tasks, workers=2)
    print(f"{len(tasks)} cells of the demo study")
    for name, seconds in (
        ("1 local worker (baseline)", one),
        ("2 local workers", two),
        ("2 workers, Ray", ray),
        ("2 function trainables (baseline)", trials),
    ):
        print(
            f"{name:<34} {3600 / seconds:5.0f} cells an hour, {one / seconds:.2f} x one worker, "
            f"{trials / seconds:.2f} x function trainables"
        )


def main() -> None:
    """Print seconds for each engine with one worker, and the overhead per cell over the direct call."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", nargs="?", type=int, const=42, metavar="CELLS", help="cells of the demo study")
    if (cells := parser.parse_args().demo) is not None:
        demo(cells)
        return
    tasks = grid_tasks(STUDY)
    warm = grid_tasks(dataclasses.replace(STUDY, seeds=(1000,)))
    record = run_cell(warm[0], runtime=Runtime(), engine="benchmark")
    bookkeeping(record)
    bookkeeping(_longer(record), StopSettings(kind="patience", options={"epochs": 5}))
    start = time.perf_counter()
    for task in tasks:
        run_cell(task, runtime=Runtime(), engine="benchmark")
    direct = (time.perf_counter() - start) / CELLS
    print(f"{'direct call (baseline)':<24} {direct:.3f} s per cell")
    for engine in EXECUTORS:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            with make_executor(engine, _resources(folder, 1)) as executor:
                executor.run(warm, _go_on)
                ready = time.perf_counter()
                executor.run(tasks, _go_on)
                done = time.perf_counter()
        cell = (done - ready) / CELLS
        print(
            f"{engine:<24} {cell:.3f} s per cell, {cell / direct:.2f} x baseline, {cell - direct:+.3f} s overhead; "
            f"start {ready - start:.1f} s"
        )
    trial = function_trainables(tasks[:TRIALS])  # beside the last engine, which is ours on Ray
    print(
        f"{'ray tune, function':<24} {trial:.3f} s per cell, {trial / direct:.1f} x baseline, "
        f"{trial - direct:+.3f} s overhead, {trial / cell:.0f} x a cell of {engine}"
    )


if __name__ == "__main__":
    main()
