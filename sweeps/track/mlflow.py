"""Cells as runs of MLflow, in an experiment named as the study."""

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

_CELL = "vmp.cell"  # the tag that names a run's cell
_STATUS = {"complete": "FINISHED", "stopped": "FINISHED", "diverged": "FINISHED", "failed": "FAILED"}


class MLflow:
    """Writes where ``MLFLOW_TRACKING_URI`` says, else into ``DIR/mlflow.db``; see `sweeps.track.base.Tracker`.

    Args:
        folder: The study's.

    Raises:
        InputError: MLflow is not installed.
    """

    def __init__(self, folder: Path) -> None:
        require("mlflow")
        import mlflow

        self._folder = folder.resolve()
        self._mlflow: Any = mlflow
        self._client: Any = None
        self._tasks: dict[str, Task] = {}
        self._runs: dict[str, str] = {}  # cell -> run
        self._ended: set[str] = set()

    def planned(self, plan: Plan, tasks: Sequence[Task], records: Mapping[str, CellRecord]) -> None:
        self._open(plan)
        self._tasks |= {task.hash: task for task in tasks}
        make_up(self, (record for record in records.values() if record.hash not in self._ended))

    def progress(self, progress: Progress) -> None:
        run = self._run(progress.hash)
        for name, value in numbers(progress.figures).items():
            self._client.log_metric(run, name, value, step=progress.epoch)

    def ended(self, record: CellRecord) -> None:
        run = self._run(record.hash)
        self._client.set_tag(run, "status", record.status)
        for name, value in numbers(record.metrics).items():
            self._client.log_metric(run, f"end_{name}", value)
        self._client.set_terminated(run, _STATUS[record.status])
        self._ended.add(record.hash)

    def close(self, is_over: bool) -> None:
        for cell in self._runs.keys() - self._ended:
            self._client.set_terminated(self._runs[cell], "KILLED")

    def _open(self, plan: Plan) -> None:
        if self._client is not None:
            return
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self._folder / 'mlflow.db'}"
        self._client = self._mlflow.MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(plan.study.name)
        self._experiment = found.experiment_id if found else self._client.create_experiment(plan.study.name)
        token = None
        while True:
            page = self._client.search_runs([self._experiment], max_results=1000, page_token=token)
            for run in page:
                if (cell := run.data.tags.get(_CELL)) is not None:
                    self._runs[cell] = run.info.run_id
                    if run.info.status == "FINISHED":
                        self._ended.add(cell)
            if not (token := page.token):
                return

    def _run(self, cell: str) -> str:
        if cell not in self._runs:
            task = self._tasks[cell]
            tags = {_CELL: cell, "mlflow.runName": describe_cell(task.factors, task.seed)}
            run = self._client.create_run(self._experiment, tags=tags).info.run_id
            for name, value in {**task.factors, "seed": task.seed}.items():
                if value is not None:
                    self._client.log_param(run, name, value)
            self._runs[cell] = run
        return self._runs[cell]
