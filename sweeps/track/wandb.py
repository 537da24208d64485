"""Cells as runs of Weights & Biases, offline unless ``WANDB_MODE`` says otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps.describe import describe_cell
from sweeps.executors.base import Progress
from sweeps.plan import Task
from sweeps.records.cell_record import CellRecord
from sweeps.records.plan_record import Plan
from sweeps.track.base import make_up, numbers
from vmp.core.extras import require


class WandB:
    """Writes ``DIR/wandb``; ``wandb sync`` uploads what was written offline. See `sweeps.track.base.Tracker`.

    Args:
        folder: The study's.

    Raises:
        InputError: wandb is not installed.
    """

    def __init__(self, folder: Path) -> None:
        require("wandb")
        import wandb

        self._wandb: Any = wandb
        self._folder = folder.resolve()
        self._project = ""
        self._tasks: dict[str, Task] = {}
        self._runs: dict[str, Any] = {}

    def planned(self, plan: Plan, tasks: Sequence[Task], records: Mapping[str, CellRecord]) -> None:
        self._project = plan.study.name
        self._tasks |= {task.hash: task for task in tasks}
        there = {path.name.rpartition("-")[2] for path in (self._folder / "wandb").glob("*run-*")}
        make_up(self, (record for record in records.values() if record.hash not in there))

    def progress(self, progress: Progress) -> None:
        self._run(progress.hash).log(numbers(progress.figures), step=progress.epoch)

    def ended(self, record: CellRecord) -> None:
        run = self._run(record.hash)
        run.summary.update({"status": record.status, **{f"end/{k}": v for k, v in numbers(record.metrics).items()}})
        self._runs.pop(record.hash).finish(exit_code=int(record.status == "failed"))

    def close(self, is_over: bool) -> None:
        for run in self._runs.values():
            run.finish(exit_code=1)
        self._runs.clear()

    def _run(self, cell: str) -> Any:
        if cell not in self._runs:
            task, mode = self._tasks[cell], os.environ.get("WANDB_MODE") or "offline"
            self._runs[cell] = self._wandb.init(
                project=self._project,
                id=cell,
                name=describe_cell(task.factors, task.seed),
                config={**task.factors, "seed": task.seed},
                dir=self._folder,
                mode=mode,
                resume="allow" if mode == "online" else None,
                reinit="create_new",
                settings=self._wandb.Settings(console="off", silent=True, x_disable_stats=True),
            )
        return self._runs[cell]
