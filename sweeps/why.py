"""Why cells would run again: each is held against the nearest finished one, and every cause is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.plan import Task, flatten
from sweeps.records.cell_record import CellRecord
from sweeps.records.plan_record import Plan
from sweeps.records.study_folder import StudyFolder
from vmp.core.fingerprint import canonical_json, code_fingerprints
from vmp.core.text import count

_MANY = 6  # settings that differ: then the arm is a new one, and a list of them explains nothing


@dataclass(frozen=True, kw_only=True)
class Why:
    """What would run, and why.

    Attributes:
        folder: The study's folder. planned: Cells of the study. finished: Those that would not run.
        causes: Sentence -> cells, the most frequent first.
    """

    folder: str
    planned: int
    finished: int
    causes: dict[str, int]

    def lines(self) -> list[str]:
        """As text."""
        running = self.planned - self.finished
        head = f"{running} of {count(self.planned, 'cell')} would run in '{self.folder}'"
        return [head + (":" if running else ""), *(f"  {cells:>5}  {cause}" for cause, cells in self.causes.items())]

    def to_json(self) -> dict[str, Any]:
        """The object that ``vmp sweep why --json`` prints."""
        causes = [{"cause": cause, "cells": cells} for cause, cells in self.causes.items()]
        return {"folder": self.folder, "planned": self.planned, "finished": self.finished, "causes": causes}


def explain(folder: StudyFolder, tasks: Sequence[Task]) -> Why:
    """Explain each of `tasks` that has no final record in `folder`.

    Raises:
        InputError: The folder holds no study.
    """
    plan = folder.read_plan()
    by_hash: dict[str, CellRecord] = {}
    arms: dict[str, list[CellRecord]] = {}
    damaged: set[str] = set()
    for path in sorted(folder.cells_path.glob("*.json")):
        record = folder.find_cell(path.stem, on_damage=lambda _, name=path.stem: damaged.add(name))  # type: ignore[misc]
        if record is not None:
            by_hash[record.hash] = record
            arms.setdefault(canonical_json(record.settings), []).append(record)
    finished_arms = [(flatten(same[0].settings), same) for same in arms.values()]
    known: dict[int, list[_Difference]] = {}  # by arm of the study: its settings are one object for all its seeds
    causes: Counter[str] = Counter()
    finished = 0
    for task in tasks:
        record = by_hash.get(task.hash)
        if record is not None and record.status != "failed":
            finished += 1
        elif record is not None:
            causes["it failed, and is tried again"] += 1
        elif task.hash in damaged:
            causes["its record is damaged"] += 1
        else:
            if id(task.settings) not in known:
                new = flatten(task.settings)
                known[id(task.settings)] = [_Difference.of(old, new, same) for old, same in finished_arms]
            causes[_cause(task, known[id(task.settings)], plan)] += 1
    return Why(folder=str(folder.path), planned=len(tasks), finished=finished, causes=dict(causes.most_common()))


@dataclass(frozen=True, kw_only=True)
class _Difference:
    """An arm of the study beside a finished one: a clause for each key that differs, and the finished one's records."""

    keys: tuple[str, ...]
    records: Sequence[CellRecord]

    @classmethod
    def of(cls, old: dict[str, str], new: dict[str, str], records: Sequence[CellRecord]) -> _Difference:
        keys = sorted(key for key in new.keys() | old.keys() if new.get(key) != old.get(key))
        return cls(keys=tuple(f"{key} was {old.get(key)} and is now {new.get(key)}" for key in keys), records=records)


def _cause(task: Task, differences: Sequence[_Difference], plan: Plan) -> str:
    if not differences:
        return "nothing has finished there"
    least = min(len(one.keys) for one in differences)
    pairs = [(record, one.keys) for one in differences if len(one.keys) == least for record in one.records]
    nearest, keys = min(
        pairs, key=lambda pair: (pair[0].seed != task.seed, pair[0].provenance.code != task.code, pair[0].hash)
    )
    parts = []
    if len(keys) > _MANY:
        parts.append(f"its arm is new ({len(keys)} settings differ from the nearest one)")
    else:
        parts += keys
    if nearest.seed != task.seed:
        parts.append("its seed is new")
    if nearest.provenance.code != task.code and len(keys) <= _MANY:
        parts.append(f"the code that computes a cell changed{_modules(plan, nearest)}")
    return "; ".join(parts) or "the data, the backbone's checkpoint or the source of a part of your own changed"


def _modules(plan: Plan, record: CellRecord) -> str:
    """Which modules changed, where the plan is of the code that made the record."""
    changed = plan.code.changed(code_fingerprints()) if record.hash in {cell.hash for cell in plan.cells} else []
    return f": {', '.join(changed)}" if changed else ""
