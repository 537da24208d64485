"""From a study to its plan: every cell with its hash, written down before anything runs."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.record import CellRecord, Plan, PlannedCell, Scalar, StudyFolder, canonical_json, fingerprint
from sweeps.study import Study
from vmp.backbones.registry import backbone_files
from vmp.core.config import to_plain
from vmp.core.fingerprint import code_fingerprints
from vmp.data.registry import load_data
from vmp.experiment import Experiment, describe_data


@dataclass(frozen=True, kw_only=True)
class Task:
    """One cell in a form that any executor can carry to any process: plain JSON.

    Attributes:
        hash: The cell's name: settings, seed, data, code and the backbone's own files decide it, and nothing else does
            (not the device, not the number of workers, not the name of the study).
        factors: What the study varies.
        seed: The paired seed.
        settings: The complete configuration, see `vmp.experiment.Experiment`.
    """

    hash: str
    factors: dict[str, Scalar]
    seed: int
    settings: dict[str, Any]

    def planned(self) -> PlannedCell:
        return PlannedCell(hash=self.hash, factors=self.factors, seed=self.seed)

    def to_plain(self) -> dict[str, Any]:
        return {"hash": self.hash, "factors": self.factors, "seed": self.seed, "settings": self.settings}


def code_hash() -> str:
    """One hash over all code that computes a cell."""
    return fingerprint(code_fingerprints())


def arm_tasks(study: Study, factors: Mapping[str, Scalar], experiment: Experiment) -> list[Task]:
    """The cells of one arm, one for each of the study's seeds."""
    settings = to_plain(experiment)
    science = {"settings": settings, "data": load_data(experiment.data).fingerprint, "code": code_hash()}
    if files := backbone_files(experiment.backbone):
        science["backbone"] = files
    return [
        Task(hash=fingerprint({**science, "seed": seed}), factors=dict(factors), seed=seed, settings=settings)
        for seed in study.seeds
    ]


def grid_tasks(study: Study) -> list[Task]:
    """Every cell of the full factorial, arms in the study's order and seeds within an arm."""
    return [task for factors, experiment in study.arms() for task in arm_tasks(study, factors, experiment)]


def make_plan(study: Study, tasks: Iterable[Task], *, search: Mapping[str, Any]) -> Plan:
    """The record of what is to run."""
    tasks = list(tasks)
    base = Experiment(**{name: getattr(study, name) for name in study.settings()})
    return Plan(
        study=study.to_plain(),
        factors=factor_values(study, tasks),
        metric=study.metric,
        seeds=list(study.seeds),
        search=dict(search),
        code={"hash": code_hash(), "files": code_fingerprints()},
        data=describe_data(base, load_data(study.data)),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        cells=[task.planned() for task in tasks],
    )


def factor_values(study: Study, tasks: Iterable[Task]) -> dict[str, list[Scalar]]:
    """The values that each factor really takes, in the order of their first use, None left out."""
    values: dict[str, list[Scalar]] = {name: [] for name in study.factors}
    for task in tasks:
        for name, value in task.factors.items():
            if value is not None and value not in values[name]:
                values[name].append(value)
    return values


def explain_changes(folder: StudyFolder, plan: Plan, tasks: Iterable[Task]) -> list[str]:
    """Why finished cells of an earlier plan in `folder` will not be used: a sentence for each cause, none if all are.

    "Why is it running again?" is answered before the first hour is spent: code (by module), data, settings (by key).
    """
    old = folder.read_plan()
    new = {task.hash: task for task in tasks}
    dropped = [cell for cell in old.cells if cell.hash not in new and folder.has_cell(cell.hash)]
    if not dropped:
        return []
    reasons = [
        f"{len(dropped)} finished cells in '{folder.path}' do not belong to this plan and stay out of its report:"
    ]
    modules = sorted(
        name
        for name in old.code.get("files", {}).keys() | plan.code["files"].keys()
        if old.code.get("files", {}).get(name) != plan.code["files"].get(name)
    )
    if modules:
        reasons.append(f"the code that computes a cell changed: {', '.join(modules)}")
    if old.data.get("hash") != plan.data["hash"]:
        reasons.append(f"the data changed: {old.data.get('hash')} is now {plan.data['hash']}")
    reasons += _changed_settings(folder.read_cell(dropped[0].hash), dropped[0], new.values())
    if len(reasons) == 1:
        reasons.append("the backbone's checkpoint or the source of its module changed")
    return reasons


def _changed_settings(record: CellRecord, cell: PlannedCell, tasks: Iterable[Task]) -> list[str]:
    twin = next((task for task in tasks if task.factors == cell.factors), None)
    if twin is None:
        return ["their factor values are no longer in the study"]
    if twin.seed != cell.seed and all(t.seed != cell.seed for t in tasks if t.factors == cell.factors):
        return [f"seed {cell.seed} is no longer in the study"]
    before, after = _flatten(record.settings), _flatten(twin.settings)
    changed = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    return [f"{key} was {before.get(key)} and is now {after.get(key)}" for key in sorted(changed)]


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = canonical_json(value)
    return flat
