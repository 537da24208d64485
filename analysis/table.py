"""From a study folder to one tidy table: a row for every planned cell, whether it ran or not."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.arms import Arm, arm_key, arms_of
from sweeps.record import CellRecord, Plan, RecordError, StudyFolder

HASH, ARM, KIND, ARM_ORDER, SEED = "hash", "arm", "kind", "arm_order", "seed"
STATUS, REASON, SECONDS = "status", "reason", "seconds"
COMPLETE, DIVERGED, FAILED, MISSING = "complete", "diverged", "failed", "missing"
STATUSES = (COMPLETE, DIVERGED, FAILED, MISSING)
COLLAPSED = "collapsed"
ACCURACIES = ("val_top1", "val_mean_class", "test_top1", "test_mean_class")
ATTENTION = (
    "variation", "mean_attention", "log_mean_attention", "attention_std", "attention_at_zero",
    "slope", "shift", "m", "n",
)  # fmt: skip
STRATUM = re.compile(r"^test_top1\[(?P<tag>.+)\]$")  # top-1 over the test videos that carry a tag
METRICS = ("train_loss", *ACCURACIES, "test_count", *ATTENTION, "frame_gap_seconds", "duplicate_frame_ratio")
DEFAULT_MARGIN = 0.02
"""Accuracies closer than this count as practically equal where the study names no margin of its own: 2 points is what
changing the seed alone commonly moves a video benchmark by, so nobody would choose an arm for less."""


def factor_column(name: str) -> str:
    """The column of a planned factor; the prefix keeps the factor ``slope`` apart from the learnt metric ``slope``."""
    return f"factor.{name}"


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study folder, read.

    Attributes:
        path: The folder.
        plan: Its plan.
        arms: Distinct configurations, in the plan's order.
        cells: A row for each planned cell, in the plan's order; ``status`` is ``missing`` where no record exists.
            Columns: the constants of this module, ``factor.<name>`` for each factor, then `METRICS` as floats
            (NaN where a number does not exist) and ``collapsed`` (True, False or None).
        records: The records there are, by hash.
    """

    path: Path
    plan: Plan
    arms: tuple[Arm, ...]
    cells: pd.DataFrame
    records: Mapping[str, CellRecord]

    @property
    def name(self) -> str:
        return str(self.plan.study.get("name") or "unnamed study")

    @property
    def question(self) -> str:
        return str(self.plan.study.get("question") or "")

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
        return {"top1": "top-1 accuracy", "mean_class": "mean-class accuracy"}[self.plan.metric]

    @property
    def margin(self) -> float:
        """Accuracy difference in (0, 1) below which arms count as practically equal; set before the study ran."""
        value = self.plan.study.get("margin")
        return DEFAULT_MARGIN if value is None else float(value)

    def arm(self, label: str) -> Arm:
        return next(arm for arm in self.arms if arm.label == label)


def load_study(path: str | os.PathLike[str]) -> Study:
    """Read a study folder; record files that the plan does not name are left alone.

    Args:
        path: The folder given to ``vmp sweep run STUDY --out DIR``.

    Raises:
        RecordError: When the folder holds no study, a file is damaged, or plan and records contradict each other.
    """
    folder = StudyFolder(path)
    plan = folder.read_plan()
    _check_plan(plan, folder.plan_path)
    records = {record.hash: record for record in folder.records(plan)}
    prompts = {record.settings.get("layer", {}).get("prompt") for record in records.values()} - {None}
    arms = arms_of(plan, str(prompts.pop()) if len(prompts) == 1 else None)
    by_key = {arm_key(arm.factors): arm for arm in arms}
    rows = []
    for cell in plan.cells:
        arm = by_key[arm_key(cell.factors)]
        row: dict[str, object] = {HASH: cell.hash, ARM: arm.label, KIND: arm.kind.value, ARM_ORDER: arm.order}
        row |= {SEED: cell.seed, STATUS: MISSING, REASON: None, SECONDS: math.nan}
        row |= {factor_column(name): cell.factors.get(name) for name in plan.factors}
        record = records.get(cell.hash)
        if record is not None:
            where = folder.cell_path(cell.hash)
            if record.seed != cell.seed or arm_key(record.factors) != arm_key(cell.factors):
                raise RecordError(
                    f"'{where}' says seed {record.seed} and factors {dict(record.factors)}, the plan says seed "
                    f"{cell.seed} and factors {dict(cell.factors)}; move the file away and run the study again"
                )
            row |= {STATUS: record.status, REASON: record.reason, SECONDS: _number(record.provenance.get("seconds"))}
        row |= _metrics(record, folder)
        rows.append(row)
    return Study(path=Path(path), plan=plan, arms=arms, cells=pd.DataFrame(rows), records=records)


def curve_table(study: Study) -> pd.DataFrame:
    """The training curves as one long table: a row for each cell and epoch, a column for each measured quantity."""
    frames = []
    for row in study.cells[[HASH, ARM, SEED]].itertuples(index=False):
        record = study.records.get(row[0])
        if record is None or not record.curves.get("epoch"):
            continue
        length = len(record.curves["epoch"])
        curves = {
            name: [math.nan if value is None else value for value in values]
            for name, values in record.curves.items()
            if len(values) == length
        }
        frames.append(pd.DataFrame({HASH: row[0], ARM: row[1], SEED: row[2], **curves}))
    if not frames:
        return pd.DataFrame(columns=[HASH, ARM, SEED, "epoch"])
    return pd.concat(frames, ignore_index=True)


def _check_plan(plan: Plan, path: Path) -> None:
    if not plan.cells:
        raise RecordError(f"'{path}' plans no cell; plan the study again with `vmp sweep plan`")
    if plan.metric not in ("top1", "mean_class"):
        raise RecordError(f"'{path}' names the metric '{plan.metric}'; it must be 'top1' or 'mean_class'")
    seen: set[tuple[str, int]] = set()
    for cell in plan.cells:
        key = (arm_key(cell.factors), cell.seed)
        if key in seen:
            raise RecordError(
                f"'{path}' plans seed {cell.seed} of {dict(cell.factors)} twice, so seeds cannot be paired; "
                "plan the study again in an empty folder"
            )
        seen.add(key)
    margin = plan.study.get("margin")
    if margin is not None and not (isinstance(margin, (int, float)) and 0 < margin < 1):
        raise RecordError(f"'{path}': study.margin is {margin!r}; it must be an accuracy difference between 0 and 1")


def _metrics(record: CellRecord | None, folder: StudyFolder) -> dict[str, object]:
    """The record's numbers, checked: a metric is a finite number or absent, an accuracy lies in [0, 1]."""
    values: dict[str, object] = dict.fromkeys(METRICS, math.nan) | {COLLAPSED: None}
    if record is None:
        return values
    for name in METRICS:
        value = record.metrics.get(name)
        if value is None:
            continue
        number = _number(value)
        if math.isnan(number) or (name in ACCURACIES and not 0 <= number <= 1):
            rule = "a number in [0, 1]" if name in ACCURACIES else "a finite number"
            raise RecordError(
                f"'{folder.cell_path(record.hash)}': metrics.{name} is {value!r}, it must be {rule} or null; "
                "move the file away and run the study again"
            )
        values[name] = number
    values |= {name: _number(value) for name, value in record.metrics.items() if STRATUM.match(name)}
    collapsed = record.metrics.get(COLLAPSED)
    values[COLLAPSED] = bool(collapsed) if collapsed is not None else None
    return values


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return math.nan
    return float(value)
