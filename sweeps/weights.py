"""Which trained models a sweep leaves behind: those of the chosen arm, all, or none."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean, median
from typing import Any, Literal

from sweeps.plan import Task, is_reference
from sweeps.record import CellRecord, Scalar, arm_key
from sweeps.status import describe_factors
from vmp.core.text import count
from vmp.data.base import VideoSet
from vmp.experiment import Experiment
from vmp.layer.prompted import MotionPrompted
from vmp.saved_model import WEIGHTS_FILE, SavedModel

Keep = Literal["chosen", "all", "none"]
KEEP: tuple[Keep, ...] = ("chosen", "all", "none")
MODELS_FOLDER = "models"


def write_model(folder: Path, task: Task, experiment: Experiment, model: MotionPrompted, data: VideoSet) -> None:
    """Leave a cell's model in ``folder/<hash>``, whole or not at all; an older one is replaced."""
    lengths = [video.num_frames / video.fps for video in data.videos if video.split == "train" and video.fps > 0]
    about: dict[str, Any] = {"cell": task.hash, "seed": task.seed, "factors": task.factors, "data": data.name}
    if lengths:
        about["seconds"] = round(median(lengths), 3)
    target, temporary = folder / task.hash, folder / f".{task.hash}.writing"
    shutil.rmtree(temporary, ignore_errors=True)
    SavedModel.from_trained(experiment, model, data.classes, about).save_pretrained(temporary)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)


class KeptWeights:
    """The models in a study's folder, thinned out while the study runs.

    Chosen is the arm with the highest mean of the validation metric over all seeds, the earliest planned of equals,
    among those with the most seeds (a search or a race gives the best arms more). Arms without the prompt are chosen
    only where there is no other, and an arm with a seed that diverged, failed or was stopped never is. An arm that can
    no longer be chosen gives its space back at once.

    Args:
        folder: Where the models lie.
        keep: Which.
        metric: ``top1`` or ``mean_class``.
    """

    def __init__(self, folder: Path, keep: Keep, metric: str) -> None:
        self._folder, self._keep, self._metric = folder, keep, metric
        self._tasks: dict[str, dict[str, Task]] = {}  # arm -> hash -> cell, as planned
        self._records: dict[str, CellRecord] = {}

    def plan(self, tasks: Iterable[Task], records: Mapping[str, CellRecord]) -> None:
        """Take note of planned cells, and of those that an earlier run has finished."""
        for task in tasks:
            self._tasks.setdefault(arm_key(task.factors), {})[task.hash] = task
        self._records |= records

    def add(self, record: CellRecord) -> None:
        """Take note of a finished cell, and delete what can no longer be chosen."""
        self._records[record.hash] = record
        if self._keep == "chosen" and (best := self._chosen()) is not None:
            for arm, tasks in self._tasks.items():
                # An arm with fewer seeds than the best may still get more.
                if arm != best and self._is_over(arm) and len(tasks) >= len(self._tasks[best]):
                    self._delete(tasks)

    def end(self) -> list[str]:
        """Delete what is not to be kept; sentences on what is there."""
        if self._keep == "none":
            return []
        if self._keep == "all":
            number = sum(self._has(cell) for tasks in self._tasks.values() for cell in tasks)
            return [f"Weights of {count(number, 'cell')}: {self._folder}"]
        best = self._chosen()
        if best is None:
            return []
        for arm, tasks in self._tasks.items():
            if arm != best and self._is_over(arm):
                self._delete(tasks)
        tasks = self._tasks[best]
        there = [cell for cell in tasks if self._has(cell)]
        factors: Mapping[str, Scalar] = next(iter(tasks.values())).factors
        arm = describe_factors(factors)
        absent = len(tasks) - len(there)
        lines = [f"Weights of the chosen arm ({arm}), {count(len(there), 'seed')}: {self._folder}"] if there else []
        if absent:
            lines.append(
                f"Weights of {count(absent, 'cell')} of the chosen arm ({arm}) are not there: an earlier run did not "
                "keep them, or they could not be written (see logs/); delete the record of a cell to compute it again"
            )
        return lines

    def _chosen(self) -> str | None:
        """The arm that is chosen among those that are complete now."""
        means = {}
        compared = [arm for arm in self._tasks if not self._is_reference(arm)] or list(self._tasks)
        most = max((len(self._tasks[arm]) for arm in compared), default=0)
        for arm, tasks in self._tasks.items():
            if len(tasks) < most:
                continue
            values = [self._value(cell) for cell in tasks]
            known = [value for value in values if value is not None]
            if len(known) == len(values):
                means[arm] = round(fmean(known), 12)
        prompts = {arm: mean for arm, mean in means.items() if not self._is_reference(arm)}
        candidates = prompts if any(not self._is_reference(arm) for arm in self._tasks) else means
        return max(candidates, key=candidates.__getitem__) if candidates else None

    def _is_reference(self, arm: str) -> bool:
        return is_reference(next(iter(self._tasks[arm].values())).settings)

    def _is_over(self, arm: str) -> bool:
        """Whether every cell of the arm has a final record; a failed cell will be tried again."""
        records = [self._records.get(cell) for cell in self._tasks[arm]]
        return all(record is not None and record.status != "failed" for record in records)

    def _value(self, cell: str) -> float | None:
        record = self._records.get(cell)
        value = record.metrics.get(f"val_{self._metric}") if record and record.status == "complete" else None
        return None if value is None else float(value)

    def _has(self, cell: str) -> bool:
        return (self._folder / cell / WEIGHTS_FILE).is_file()

    def _delete(self, cells: Iterable[str]) -> None:
        for cell in cells:
            shutil.rmtree(self._folder / cell, ignore_errors=True)
