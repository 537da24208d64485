"""From a study folder to one tidy table: a row for every planned cell, whether it ran or not."""

from __future__ import annotations

import itertools
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.study.arms import Arm, Kind, arms_of
from analysis.study.recorded import Recorded, Recorder
from sweeps.records.cell_record import CellRecord
from sweeps.records.data_statistics import DataStatistics
from sweeps.records.factors import Scalar, arm_key, contradict
from sweeps.records.plan_record import Plan, confirmation_plan
from sweeps.records.study_folder import StudyFolder
from vmp.core.errors import InputError
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


def mean_of(values: NDArray[np.float64]) -> float:
    """The mean of the numbers among `values`; NaN where there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


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


def load_study(path: str | os.PathLike[str]) -> Study:
    """Read a study folder; record files that the plan does not name are not looked at.

    Args:
        path: The folder given to ``vmp sweep run STUDY --out DIR``.

    Raises:
        InputError: When the folder holds no study, a file is damaged, or plan and records contradict each other.
    """
    folder = StudyFolder(path)
    return _read(folder, folder.read_plan())


def load_confirmation(study: Study) -> Study | None:
    """The cells of the chosen arm and its reference on fresh seeds as a study; None where none are planned."""
    fresh = confirmation_plan(study.plan)
    return None if fresh is None else _read(StudyFolder(study.path), fresh)


def _read(folder: StudyFolder, plan: Plan) -> Study:
    _check_plan(plan, folder.plan_path)
    study = assemble(folder.path, plan, _checked_records(folder, plan), folder.read_cell)
    return replace(study, videos={one.data: one for one in folder.read_data_statistics()})


def _checked_records(folder: StudyFolder, plan: Plan) -> Iterator[CellRecord]:
    """The records there are, each of the seed and the factors that the plan says."""
    planned = {cell.hash: cell for cell in plan.cells}
    for record in folder.records(plan):
        cell = planned[record.hash]
        if record.seed != cell.seed or contradict(record.factors, cell.factors):
            raise InputError(
                f"'{folder.cell_path(cell.hash)}' says seed {record.seed} and factors {record.factors}, the plan "
                f"says seed {cell.seed} and factors {cell.factors}; move the file away and run the study again"
            )
        yield record


def assemble(
    path: Path,
    plan: Plan,
    records: Iterable[CellRecord],
    read: Callable[[str], CellRecord],
    origin: Origin | None = None,
) -> Study:
    """A study from its plan and its records, wherever they come from.

    Args:
        path: For messages.
        plan: Every cell, each arm and seed once.
        records: Those there are, each of the plan's factors and seed. They are gone through once and not held: a
            record takes 40 kB of memory.
        read: A record by its hash, for what is not held of it.
        origin: The other tool that made them.
    """
    places = {cell.hash: place for place, cell in enumerate(plan.cells)}
    columns = _Columns(plan)
    recorder = Recorder()
    recorded: dict[str, Recorded] = {}
    for record in records:
        recorded[record.hash] = recorder.recorded(record)
        columns.fill(places[record.hash], record)
    layers = [one.settings.get("layer") for one in recorded.values()]
    kinds = {layer.get("kind") for layer in layers if isinstance(layer, dict)}
    arms = arms_of(plan, Kind.OTHER if origin else str(kinds.pop()) if len(kinds) == 1 else None)
    by_key = {arm_key(arm.factors): arm for arm in arms}
    of_cells = [by_key[arm_key(cell.factors)] for cell in plan.cells]
    texts, numbers, strata = columns.texts, columns.numbers, columns.strata
    texts |= {HASH: [cell.hash for cell in plan.cells], ARM: [arm.label for arm in of_cells]}
    texts[KIND] = [arm.kind.value for arm in of_cells]
    held = {name: pd.Series(values, dtype=object) for name, values in texts.items()}  # texts as they are, not copies
    cells = pd.DataFrame(
        {HASH: held[HASH], ARM: held[ARM], KIND: held[KIND], ARM_ORDER: [arm.order for arm in of_cells]}
        | {SEED: [cell.seed for cell in plan.cells], STATUS: held[STATUS], REASON: held[REASON]}
        | {SECONDS: numbers[SECONDS], STEADY: numbers[STEADY]}
        | {factor_column(name): [cell.factors.get(name) for cell in plan.cells] for name in plan.factors}
        | {name: numbers[name] for name in MEASURED}
        | {COLLAPSED: held[COLLAPSED]}
        | {stratum_column(tag): values for tag, values in strata.items()}
    )
    by_class = pd.DataFrame(columns.classes, index=cells.index)
    return Study(path=path, plan=plan, arms=arms, cells=cells, class_cells=by_class,
                 records=recorded, read=read, strata=tuple(strata), origin=origin)  # fmt: skip


class _Columns:
    """What records say of the cells of a plan, a place for each cell: a number is NaN where no record says it.

    Attributes:
        texts: Status, reason and collapse, by their columns.
        numbers: Seconds and measured quantities, by their columns.
        strata: Test accuracy by the tag of the videos.
        classes: Test accuracy by the column of the class.
    """

    def __init__(self, plan: Plan) -> None:
        count = len(plan.cells)

        def unknown() -> NDArray[np.float64]:
            return np.full(count, math.nan)

        self._class_names = plan.data.classes
        self.texts: dict[str, list[Any]] = {STATUS: [MISSING] * count}
        self.texts |= {name: [None] * count for name in (REASON, COLLAPSED)}
        self.numbers = {name: unknown() for name in (SECONDS, STEADY, *MEASURED)}
        self.strata: dict[str, NDArray[np.float64]] = defaultdict(unknown)
        self.classes: dict[str, NDArray[np.float64]] = defaultdict(unknown)

    def fill(self, place: int, record: CellRecord) -> None:
        """Enter the record of the cell at `place`."""
        self.texts[STATUS][place], self.texts[REASON][place] = record.status, record.reason
        self.texts[COLLAPSED][place] = record.metrics.get(COLLAPSED)
        if (seconds := record.provenance.seconds) is not None:
            self.numbers[SECONDS][place] = seconds
            self.numbers[STEADY][place] = math.nan if record.provenance.first_of_worker else seconds
        for name in MEASURED:
            if (value := record.metrics.get(name)) is not None:
                self.numbers[name][place] = value
        if "test" in record.scores:
            scores = record.scores["test"]
            for tag, hits in scores.strata.items():
                self.strata[tag][place] = hits.correct / hits.total if hits.total else math.nan
            for name, hits in zip(self._class_names, scores.classes, strict=False):
                if hits.total:
                    self.classes[class_column(name)][place] = hits.correct / hits.total


def curve_table(study: Study, arms: Sequence[Arm] | None = None) -> pd.DataFrame:
    """The training curves as one long table: a row for each cell and epoch, a column for each measured quantity.

    Args:
        study: The study.
        arms: Whose cells; None for all.
    """
    frames = []
    shown = study.arms if arms is None else arms
    of_arms = study.cells[study.cells[ARM].isin([arm.label for arm in shown])]
    for row in of_arms[[HASH, ARM, SEED, COLLAPSED]].itertuples(index=False):
        if row[0] not in study.records or not study.records[row[0]].epochs.get("epoch"):
            continue
        curves = {
            name: [math.nan if value is None else value for value in values]
            for name, values in study.read(row[0]).curves.items()
            if name != COLLAPSED  # how the run ended divides the lines, not how each epoch did
        }
        frames.append(pd.DataFrame({HASH: row[0], ARM: row[1], SEED: row[2], COLLAPSED: row[3] is True, **curves}))
    if not frames:
        return pd.DataFrame(columns=[HASH, ARM, SEED, COLLAPSED, "epoch"])
    return pd.concat(frames, ignore_index=True)


def _check_plan(plan: Plan, path: Path) -> None:
    if not plan.cells:
        raise InputError(f"'{path}' plans no cell; plan the study again with `vmp sweep plan`")
    seen: set[tuple[str, int]] = set()
    for cell in plan.cells:
        key = (arm_key(cell.factors), cell.seed)
        if key in seen:
            raise InputError(
                f"'{path}' plans seed {cell.seed} of {cell.factors} twice, so seeds cannot be paired; "
                "plan the study again in an empty folder"
            )
        seen.add(key)


assert set(MEASURED) <= set(METRICS), "analysis shows a metric that no record may hold"
