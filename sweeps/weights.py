"""Which trained models a sweep leaves behind: those of the chosen arm, all, or none."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, median
from typing import Any, Literal

from sweeps.chosen import Accuracies
from sweeps.describe import describe_factors
from sweeps.plan import Task
from sweeps.questions import block_names, candidates_by_block
from sweeps.records.cell_record import CellRecord
from sweeps.records.factors import Scalar, arm_key
from sweeps.records.plan_record import Plan
from vmp.core.text import count
from vmp.data.base import VideoSet
from vmp.experiment import Experiment
from vmp.layer.prompted import MotionPrompted
from vmp.saved_model import WEIGHTS_FILE, SavedModel

Keep = Literal["chosen", "all", "none"]
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

    Chosen is, in each block, the arm that the report chooses (`sweeps.chosen`); with fewer than 3 seeds, which do not
    do for a choice, the one with the highest mean on validation, the earliest planned of equals. While the study runs,
    an arm gives its space back as soon as another candidate of its block has the higher mean over all seeds. Where a
    missing run then turns the choice, the weights are not there, and `end` says so.

    Args:
        folder: Where the models lie.
        keep: Which.
    """

    def __init__(self, folder: Path, keep: Keep) -> None:
        self._folder, self._keep = folder, keep
        self._plan: Plan | None = None
        self._cells: dict[str, list[str]] = {}  # arm -> hashes, as planned
        self._order: dict[str, int] = {}  # arm -> its place in the plan
        self._arms: dict[str, str] = {}  # hash -> arm
        self._blocks: dict[str, int] = {}  # of the arms that can be chosen
        self._records: dict[str, CellRecord] = {}
        self._leaders: dict[int, str] = {}  # block -> arm

    def plan(self, plan: Plan, records: Mapping[str, CellRecord]) -> None:
        """Take note of the plan so far, and of cells that an earlier run has finished."""
        self._plan, self._cells = plan, {}
        for cell in plan.cells:
            self._cells.setdefault(arm_key(cell.factors), []).append(cell.hash)
        self._order = {arm: number for number, arm in enumerate(self._cells)}
        self._arms = {cell: arm for arm, cells in self._cells.items() for cell in cells}
        arms = list(plan.arms().values())
        names = block_names(arms, list(plan.factors), plan.study.blocks)
        blocks = candidates_by_block(arms, names).values()
        self._blocks = {arm_key(arms[i]): number for number, members in enumerate(blocks) for i in members}
        self._records |= records
        for arm in self._cells:
            self._compare(arm)

    def add(self, record: CellRecord) -> None:
        """Take note of a finished cell, and delete what will hardly be chosen any more."""
        self._records[record.hash] = record
        if (arm := self._arms.get(record.hash)) is not None:
            self._compare(arm)

    def _compare(self, arm: str) -> None:
        """Once an arm has ended, delete its models or those of the arm that was ahead in its block."""
        if self._keep != "chosen" or not self._is_over(arm) or self._may_go_on(arm):
            return
        block = self._blocks.get(arm)
        if block is None or math.isnan(self._mean(arm)):
            self._delete(arm)
            return
        leader = self._leaders.get(block)
        if leader is None or not self._is_over(leader):  # a race gave it more seeds: it is compared once they are in
            self._leaders[block] = arm
        elif leader != arm:
            self._leaders[block] = ahead = max(leader, arm, key=self._rank)
            self._delete(arm if ahead == leader else leader)

    def _may_go_on(self, arm: str) -> bool:
        """Whether a search may give the arm more seeds; those that it does not end with `end`."""
        assert self._plan is not None
        search = self._plan.search
        return search.factor is not None and len(self._cells[arm]) < (search.rungs or [0])[-1]

    def _rank(self, arm: str) -> tuple[float, int]:
        return self._mean(arm), -self._order[arm]

    def end(self) -> list[str]:
        """Delete what is not to be kept; sentences on what is there."""
        if self._keep == "none" or self._plan is None:
            return []
        if self._keep == "all":
            return [f"Weights of {count(sum(map(self._has, self._arms)), 'cell')}: {self._folder}"]
        chosen = self._chosen()
        for arm in self._cells:
            if arm not in chosen and self._is_over(arm):
                self._delete(arm)
        return [line for arm, factors in chosen.items() for line in self._lines(arm, factors)]

    def _lines(self, arm: str, factors: Mapping[str, Scalar]) -> list[str]:
        """What is there of a chosen arm, and what is not."""
        name, cells = describe_factors(factors), self._cells[arm]
        there = sum(map(self._has, cells))
        lines = [f"Weights of the chosen arm ({name}), {count(there, 'seed')}: {self._folder}"] if there else []
        if there < len(cells):
            lines.append(
                f"Weights of {count(len(cells) - there, 'cell')} of the chosen arm ({name}) are not there: they were "
                "not kept, or could not be written (see logs/); delete the record of a cell to compute it again"
            )
        return lines

    def _chosen(self) -> dict[str, dict[str, Scalar]]:
        """The arms that are chosen, one in each block, by their names."""
        assert self._plan is not None
        records = [self._records[cell] for cell in self._arms if cell in self._records]
        accuracies = Accuracies.of(self._plan, records)
        chosen = [accuracies.arms[rows[made.best]] for rows, made in accuracies.choices()]
        if not chosen:  # too few seeds
            over = [arm for arm in self._blocks if self._is_over(arm) and not math.isnan(self._mean(arm))]
            over = [arm for arm in over if not self._may_go_on(arm)] or over
            by_block = {self._blocks[arm]: arm for arm in sorted(over, key=self._rank)}
            chosen = [self._plan.arms()[arm] for arm in by_block.values()]
        return {arm_key(factors): factors for factors in chosen}

    def _mean(self, arm: str) -> float:
        """Mean of the metric on validation, a diverged run with that of guessing; NaN where a run was stopped."""
        assert self._plan is not None
        values = []
        for cell in self._cells[arm]:
            record = self._records[cell]
            value = record.metrics.get(f"val_{self._plan.metric}") if record.status == "complete" else None
            if record.status == "diverged":
                value = self._plan.chance or 0.0
            values.append(math.nan if value is None else float(value))
        return round(fmean(values), 12)

    def _is_over(self, arm: str) -> bool:
        """Whether every cell of the arm has a final record; a failed cell will be tried again."""
        records = [self._records.get(cell) for cell in self._cells[arm]]
        return all(record is not None and record.status != "failed" for record in records)

    def _has(self, cell: str) -> bool:
        return (self._folder / cell / WEIGHTS_FILE).is_file()

    def _delete(self, arm: str) -> None:
        for cell in self._cells[arm]:
            shutil.rmtree(self._folder / cell, ignore_errors=True)
