"""From a study's folder, or from a plan and records of any origin, to a `Study`."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.study.arms import Kind, arms_of
from analysis.study.cells import (
    ARM,
    ARM_ORDER,
    COLLAPSED,
    HASH,
    KIND,
    MEASURED,
    MISSING,
    REASON,
    SECONDS,
    SEED,
    STATUS,
    STEADY,
    Origin,
    Study,
    class_column,
    factor_column,
    stratum_column,
)
from analysis.study.recorded import Recorded, Recorder
from sweeps.records.cell_record import CellRecord
from sweeps.records.factors import arm_key, contradict
from sweeps.records.plan_record import Plan, confirmation_plan
from sweeps.records.study_folder import StudyFolder
from vmp.core.errors import InputError


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
