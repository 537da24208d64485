"""A study as the report reads it: one tidy table, a row for every planned cell, whether it ran or not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.study.arms import Arm
from analysis.study.recorded import Recorded
from sweeps.records.cell_record import CellRecord
from sweeps.records.data_statistics import DataStatistics
from sweeps.records.factors import Scalar, arm_key
from sweeps.records.plan_record import Plan
from vmp.core.metrics import COMPARED, METRICS

HASH, ARM, KIND, ARM_ORDER, SEED = "hash", "arm", "kind", "arm_order", "seed"
STATUS, REASON, SECONDS = "status", "reason", "seconds"
STEADY = "steady_seconds"  # without the first cell of each worker, whose seconds hold the warm-up
COMPLETE, DIVERGED, STOPPED, FAILED, MISSING = "complete", "diverged", "stopped", "failed", "missing"
STATUSES = (COMPLETE, DIVERGED, STOPPED, FAILED, MISSING)
COLLAPSED = "collapsed"
ATTENTION = (
    "variation", "mean_attention", "log_mean_attention", "attention_std", "attention_at_zero",
    "slope", "shift", "m", "n",
)  # fmt: skip
MEASURED = (
    "train_loss", "val_top1", "val_mean_class", "val_loss", "test_top1", "test_mean_class", "test_loss", "test_count",
    *ATTENTION, "frame_gap_seconds", "duplicate_frame_ratio",
)  # fmt: skip
assert set(MEASURED) <= set(METRICS), "analysis shows a metric that no record may hold"


def factor_column(name: str) -> str:
    """The column of a planned factor; the prefix keeps the factor ``slope`` apart from the learnt metric ``slope``."""
    return f"factor.{name}"


def stratum_column(tag: str) -> str:
    """The column of test top-1 over the videos that carry `tag`."""
    return f"test_top1[{tag}]"


def class_column(name: str) -> str:
    """The name of the test accuracy within one class, for `Study.column`."""
    return f"test_top1[class {name}]"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a study comes from that another tool recorded.

    Attributes:
        tool: Its name: ``"Optuna"``, ``"CSV"``.
        metric: What it measured, in words.
        split: On which split the reported values were measured: ``"test"``, ``"validation"``, or "" where nothing says.
        sources: Names of the files or folders that were read.
        notes: Sentences on what was assumed, left out, or cannot be known.
    """

    tool: str
    metric: str
    split: str
    sources: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study folder, read.

    Attributes:
        path: The folder, or the file of another tool.
        plan: Its plan.
        arms: Distinct configurations, in the plan's order.
        cells: A row for each planned cell, in the plan's order; ``status`` is ``missing`` where no record exists.
            Columns: the constants of this module, ``factor.<name>`` for each factor, then `MEASURED` as floats (NaN
            where a number does not exist), ``collapsed`` (True, False or None), and a column for each of `strata`.
        class_cells: Test accuracy within each class, a row for each of `cells`; only classes that some record counts.
        records: What the records that there are say of how their cells were run, by hash.
        read: Reads a record again, by its hash: curves and scores take too much memory to be held for all cells.
        strata: Tags that some test videos carry and others do not.
        origin: None for a study of this toolkit.
        videos: What the videos of each data set are like, by its hash; empty where that is not known.
    """

    path: Path
    plan: Plan
    arms: tuple[Arm, ...]
    cells: pd.DataFrame
    class_cells: pd.DataFrame
    records: Mapping[str, Recorded]
    read: Callable[[str], CellRecord]
    strata: tuple[str, ...]
    origin: Origin | None = None
    videos: Mapping[str, DataStatistics] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.plan.study.name or "unnamed study"

    def label_of(self, factors: Mapping[str, Scalar]) -> str:
        """The label of the arm with these factors of the plan."""
        return self.arm_of(factors).label

    def arm_of(self, factors: Mapping[str, Scalar]) -> Arm:
        """The arm with these factors of the plan."""
        return self._by_key[arm_key(factors)]

    @cached_property
    def _by_key(self) -> dict[str, Arm]:
        return {arm_key(arm.factors): arm for arm in self.arms}

    @property
    def question(self) -> str:
        return self.plan.study.question

    @property
    def val(self) -> str:
        """Column to select on."""
        return f"val_{self.plan.metric}"

    @property
    def test(self) -> str:
        """Column to report."""
        return f"test_{self.plan.metric}"

    @property
    def metric_name(self) -> str:
        return self.origin.metric if self.origin else COMPARED[self.plan.metric]

    @property
    def split(self) -> str:
        """What the reported values were measured on: ``"test"``, ``"validation"``, or "" where nothing says."""
        return self.origin.split if self.origin else "test"

    @property
    def measured(self) -> str:
        """The values of `test` in words: ``"test top-1 accuracy"``."""
        return f"{self.split} {self.metric_name}".strip()

    @property
    def titles(self) -> dict[str, str]:
        """What `val` and `test` are called in another tool's results, which say neither split nor metric as we do."""
        return {} if self.origin is None else {self.val: f"validation {self.metric_name}", self.test: self.measured}

    @property
    def accuracy(self) -> str:
        """The values of `test` in short: ``"test accuracy"``."""
        return f"{self.split} accuracy".strip()

    @cached_property
    def has_validation(self) -> bool:
        """Whether any cell has a value to choose by, beside the reported one."""
        return bool(self.cells[self.val].notna().any())

    @property
    def margin(self) -> float:
        """Accuracy difference in (0, 1) below which arms count as practically equal; set before the study ran."""
        return self.plan.study.margin

    @property
    def margin_origin(self) -> str:
        """Who set it, after its value."""
        if self.origin is None:
            return "set beforehand"
        return "that this report takes by default" if self.plan.study.margin_is_default else "named for this report"

    @property
    def is_measured(self) -> bool:
        """Whether every planned cell is complete and has its test accuracy."""
        return bool(((self.cells[STATUS] == COMPLETE) & self.cells[self.test].notna()).all())

    def column(self, name: str) -> pd.Series:
        """A column of `cells` or `class_cells`, by name."""
        return self.cells[name] if name in self.cells else self.class_cells[name]

    def complete(self, arm: Arm, *columns: str) -> pd.DataFrame:
        """The complete cells of an arm that have a number in each of `columns`, in the plan's order."""
        return self.cells.iloc[self.rows(arm, *columns)]

    def rows(self, arm: Arm, *columns: str) -> NDArray[np.int64]:
        """The places in `cells` of what `complete` finds: arrays are read faster than a thousand frames."""
        rows = self._complete_rows[arm.order]
        for column in columns:
            rows = rows[~np.isnan(self.numbers(column)[rows])]
        return rows

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A column of `cells` as an array."""
        if column not in self._numbers:
            self._numbers[column] = self.cells[column].to_numpy(float)
        return self._numbers[column]

    @cached_property
    def is_collapsed(self) -> NDArray[np.bool_]:
        """Whether each of `cells` is known to have collapsed."""
        return self.cells[COLLAPSED].eq(True).to_numpy()

    def hashes(self, rows: NDArray[np.int64]) -> tuple[str, ...]:
        """The cells at some places."""
        return tuple(self._hashes[rows])

    @cached_property
    def _hashes(self) -> NDArray[np.object_]:
        return self.cells[HASH].to_numpy(object)

    @cached_property
    def _complete_rows(self) -> list[NDArray[np.int64]]:
        """By the order of the arm."""
        orders = np.where(self.cells[STATUS] == COMPLETE, self.cells[ARM_ORDER], -1)
        places = np.argsort(orders, kind="stable")
        ends = np.searchsorted(orders[places], range(len(self.arms) + 1))
        return [places[start:end] for start, end in itertools.pairwise(ends)]

    def mean(self, column: str, rows: NDArray[np.int64]) -> float:
        """The mean of the numbers of a column at some places of `cells`; NaN where there is none."""
        values = self.numbers(column)[rows]
        known = values[~np.isnan(values)]
        return float(known.mean()) if known.size else math.nan

    @cached_property
    def _numbers(self) -> dict[str, NDArray[np.float64]]:
        return {}

    def split_counts(self, arm: Arm) -> Mapping[str, int]:
        """Videos of each split that an arm was trained and tested on, as a record has them; empty where none has."""
        known = (self.records.get(cell) for cell in self.hashes(self.rows(arm)))
        return next((record.data.splits for record in known if record is not None and record.data is not None), {})

    def seed_values(self, arm: Arm) -> list[tuple[int, float, bool]]:
        """(seed, test accuracy, collapsed) of an arm's complete cells, in the plan's order."""
        rows = self.rows(arm, self.test)
        columns = (self.numbers(SEED).astype(int), self.numbers(self.test), self.is_collapsed)
        return list(zip(*(column[rows].tolist() for column in columns), strict=True))

    @property
    def chance(self) -> float | None:
        """Accuracy of guessing among the classes, in (0, 1); ``None`` where they are unknown."""
        return self.plan.chance
