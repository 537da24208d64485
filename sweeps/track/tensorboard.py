"""Cells as runs of TensorBoard: curves while they train, and at their end a row of the HPARAMS tab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from sweeps.describe import describe_cell
from sweeps.executors.base import Progress
from sweeps.plan import Task
from sweeps.records.cell_record import CellRecord
from sweeps.records.plan_record import Plan
from sweeps.track.base import make_up, numbers


class TensorBoard:
    """Writes ``DIR/tensorboard/<cell>``; see `sweeps.track.base.Tracker`.

    Args:
        folder: The study's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tensorboard"
        self._tasks: dict[str, Task] = {}
        self._writers: dict[str, Any] = {}

    def planned(self, plan: Plan, tasks: Sequence[Task], records: Mapping[str, CellRecord]) -> None:
        self._tasks |= {task.hash: task for task in tasks}
        make_up(self, (record for record in records.values() if not self._run(record.hash).is_dir()))

    def progress(self, progress: Progress) -> None:
        writer = self._writer(progress.hash)
        for name, value in numbers(progress.figures).items():
            writer.add_scalar(name, value, progress.epoch)
        writer.flush()

    def ended(self, record: CellRecord) -> None:
        writer = self._writer(record.hash)
        task = self._tasks[record.hash]
        factors = {name: value for name, value in task.factors.items() if value is not None}
        hparams = {**factors, "seed": task.seed, "status": record.status}
        metrics = {f"end/{name}": value for name, value in numbers(record.metrics).items()}
        writer.add_hparams(hparams, metrics, name=".", global_step=len(record.curves.get("epoch", [])))
        self._writers.pop(record.hash).close()

    def close(self, is_over: bool) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, cell: str) -> Any:
        if cell not in self._writers:
            # The file of the HPARAMS tab is named after the second in which it is made: ours must have another name.
            self._writers[cell] = SummaryWriter(str(self._run(cell)), filename_suffix=".curves")
        return self._writers[cell]

    def _run(self, cell: str) -> Path:
        task = self._tasks[cell]
        name = "".join(c if c.isalnum() or c in "=.-+_" else "_" for c in describe_cell(task.factors, task.seed))
        return self._folder / f"{name[:120]}_{cell[:8]}"
