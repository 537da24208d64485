"""From a study to its plan: every cell with its hash, written down before anything runs."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.questions import BASELINE, CONTROL, RESAMPLINGS, compared_factors, compared_sides
from sweeps.records.cell_record import CellRecord, cell_hash
from sweeps.records.factors import Scalar
from sweeps.records.plan_record import (
    CodeHeader,
    DesignHeader,
    Plan,
    PlannedCell,
    SearchHeader,
    StopHeader,
    StudyHeader,
)
from sweeps.records.study_folder import StudyFolder
from sweeps.study import Study
from vmp.core.collector import collector_paused
from vmp.core.config import from_plain, to_plain
from vmp.core.fingerprint import canonical_json, combined, fingerprint
from vmp.core.outcome import DataSummary
from vmp.core.text import count
from vmp.data.registry import AnyData, load_data
from vmp.experiment import Experiment, describe_data
from vmp.identity import canonical, code_hash, code_of, identity


@dataclass(frozen=True, kw_only=True)
class Task:
    """One cell in a form that any executor can carry to any process: plain JSON.

    Attributes:
        factors: What the study varies.
        seed: The paired seed.
        settings: The complete configuration in its canonical form, see `vmp.experiment.Experiment`.
        science: Hash of the seed and of what `vmp.identity.identity` lists.
        code: Hash of the code that computes the cell, see `vmp.identity.code_hash`.
    """

    factors: dict[str, Scalar]
    seed: int
    settings: dict[str, Any]
    science: str
    code: str

    @functools.cached_property
    def hash(self) -> str:
        """The cell's name: science and code decide it, and nothing else does.

        Not the device, not the number of workers, not the name of the study.
        """
        return cell_hash(self.science, self.code)

    def experiment(self) -> Experiment:
        """The configuration as the typed object that it was made from."""
        return from_plain(Experiment, self.settings, source=f"cell {self.hash}")

    def planned(self) -> PlannedCell:
        """The cell as the plan lists it."""
        return PlannedCell(hash=self.hash, factors=self.factors, seed=self.seed)

    def to_plain(self) -> dict[str, Any]:
        """The arguments of a `Task` that is equal to this one, as JSON can hold them."""
        return dataclasses.asdict(self)


def arm_tasks(
    study: Study, factors: Mapping[str, Scalar], experiment: Experiment, settings: dict[str, Any] | None = None
) -> list[Task]:
    """The cells of one arm, one for each of the study's seeds.

    Args:
        study: The study.
        factors, experiment: The arm.
        settings: Of the canonical form of `experiment`, where they are at hand.
    """
    settings = settings or to_plain(canonical(experiment))
    arm, code, factors = fingerprint(identity(experiment, settings)), code_hash(experiment), dict(factors)
    return [
        Task(factors=factors, seed=seed, settings=settings, science=combined(arm, seed), code=code)
        for seed in study.seeds
    ]


@collector_paused()
def grid_tasks(study: Study) -> list[Task]:
    """Every cell of the study's design, arms in its order and seeds within an arm."""
    return [task for arm in study.made_arms() for task in arm_tasks(study, arm.factors, arm.experiment, arm.settings)]


def is_reference(settings: Mapping[str, Any]) -> bool:
    """Whether an arm with these settings trains without the motion prompt: the baseline or the control."""
    return settings["layer"]["kind"] in (BASELINE, CONTROL)


def experiments_of(tasks: Iterable[Task]) -> list[Experiment]:
    """One experiment for each way in which `tasks` draw clips, and for each code that computes them."""
    settings: dict[tuple[str, ...], dict[str, Any]] = {}
    texts: dict[tuple[str, int], str] = {}  # by the identity of a section: arms share what no factor changes
    for plain in {id(task.settings): task.settings for task in tasks}.values():  # the seeds of an arm share theirs
        for name, section in plain.items():
            if (name, id(section)) not in texts:
                texts[name, id(section)] = canonical_json(_kinds({name: section}))
        settings.setdefault(tuple(texts[name, id(section)] for name, section in plain.items()), plain)
    return [from_plain(Experiment, plain, source="plan") for plain in settings.values()]


def data_settings(study: Study, experiments: Iterable[Experiment]) -> AnyData:
    """The data that stand for a study: its own, or where its factors divide them anew, the first cells'."""
    divides = any(name in RESAMPLINGS for name in study.factors)
    return next((experiment.data for experiment in experiments if divides), study.data)


def summary_of_data(study: Study, experiments: Sequence[Experiment]) -> DataSummary:
    """What stands for a study's data, with a note where its data sets divide the same videos."""
    summary = describe_data(load_data(data_settings(study, experiments)), list(experiments))
    sets = {data.fingerprint: data for data in (load_data(one.data) for one in experiments)}
    if len(sets) < 2 or any(name in RESAMPLINGS for name in study.factors):
        return summary
    tested = {video.id for data in sets.values() for video in data.videos if video.split == "test"}
    others = {video.id for data in sets.values() for video in data.videos if video.split != "test"}
    if not (moved := tested & others):  # a data set has each of its videos once
        return summary
    note = (
        f"{count(len(moved), 'test video')} of one of the {len(sets)} data sets of this study bear the names of "
        "training or validation videos of another, as divisions of the same videos would; they count as data "
        "sets of their own. For a verdict over divisions, which allows for the videos that they share, vary "
        f"{RESAMPLINGS[0]}, {RESAMPLINGS[1]} or {RESAMPLINGS[2]} instead"
    )
    return summary.model_copy(update={"notes": [*summary.notes, note]})


_WHOLE = ("data", "sampling", "backbone")


def _kinds(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Of settings what decides clips and code: some sections, and the kinds of everything else."""
    parts: dict[str, Any] = {}
    for name, value in plain.items():
        if name in _WHOLE or name == "kind":
            parts[name] = value
        elif isinstance(value, dict):
            parts[name] = _kinds(value)
    return parts


@collector_paused()
def make_plan(study: Study, tasks: Iterable[Task], *, search: SearchHeader | None = None) -> Plan:
    """The record of what is to run: arms in the order in which they came up, and the seeds of each together."""
    tasks = list(tasks)
    seeds = {seed: i for i, seed in enumerate(dict.fromkeys(task.seed for task in tasks))}
    arms: dict[tuple[Scalar, ...], list[Task]] = {}
    for task in tasks:  # a race asks for a few seeds of each arm at a time
        arms.setdefault(tuple(task.factors.values()), []).append(task)
    tasks = [task for same in arms.values() for task in sorted(same, key=lambda task: seeds[task.seed])]
    experiments = experiments_of(tasks)
    modules = {name: digits for one in experiments for name, digits in code_of(one).items()}
    return Plan(
        study=StudyHeader(
            name=study.name,
            question=study.question,
            margin=study.margin,
            margin_is_default=study.margin == type(study).margin,
            reference=study.reference,
            compare=list(compared_factors(study)) or [(dict(a), dict(b)) for a, b in compared_sides(study)] or None,
            blocks=None if study.blocks is None else list(study.blocks),
            settings=study.settings(),
            design=_design_header(study),
        ),
        factors=factor_values(study, tasks),
        metric=study.metric,
        seeds=list(seeds) or list(study.seeds),
        search=search or SearchHeader(),
        code=CodeHeader(hash=fingerprint(modules), modules=dict(sorted(modules.items()))),
        data=summary_of_data(study, experiments),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        cells=[task.planned() for task in tasks],
        stop=None if study.stop is None else StopHeader(kind=study.stop.kind, options=study.stop.options),
    )


def _design_header(study: Study) -> DesignHeader | None:
    """The record of a design; None for a plain grid."""
    if study.is_plain_grid:
        return None
    return DesignHeader(
        settings=to_plain(study.design),
        only_where=[to_plain(rule) for rule in study.only_where],
        pairs=[(dict(arm), dict(reference)) for arm, reference in study.design_pairs],
        components=study.design.components(study.space()),
    )


def factor_values(study: Study, tasks: Iterable[Task]) -> dict[str, list[Scalar]]:
    """The values that each factor really takes, in the order of their first use, without None."""
    values: dict[str, dict[Scalar, None]] = {name: {} for name in study.factors}
    for task in tasks:
        for name, value in task.factors.items():
            if value is not None:
                values[name].setdefault(value)
    return {name: list(those) for name, those in values.items()}


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
    if modules := old.code.changed(plan.code.modules):
        reasons.append(f"the code that computes a cell changed: {', '.join(modules)}; {ACCEPT}")
    if old.data.hash != plan.data.hash:
        reasons.append(f"the data changed: {old.data.hash} is now {plan.data.hash}")
    reasons += _changed_settings(folder.read_cell(dropped[0].hash), dropped[0], new.values())
    if len(reasons) == 1:
        reasons.append("the backbone's checkpoint or the source of a part of your own changed")
    return reasons


ACCEPT = "--accept-code takes them over all the same, where you know that no number depends on it"
"""What can be done about changed code."""


def _changed_settings(record: CellRecord, cell: PlannedCell, tasks: Iterable[Task]) -> list[str]:
    same_arm = [task for task in tasks if task.factors == cell.factors]
    if not same_arm:
        return ["their factor values are no longer in the study"]
    if all(task.seed != cell.seed for task in same_arm):
        return [f"seed {cell.seed} is no longer in the study"]
    before, after = flatten(record.settings), flatten(same_arm[0].settings)
    changed = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    return [f"{key} was {before.get(key)} and is now {after.get(key)}" for key in sorted(changed)]


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as ``{dotted path: JSON}``."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = canonical_json(value)
    return flat
