"""A mirror of the plan and its records in an Optuna storage, for Optuna itself and optuna-dashboard.

A trial is an arm: its values, its cells with their states, the mean validation of its cells after each epoch, and at
its end the mean over all its seeds. The records remain the truth: a sweep decides by nothing that is read from here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    json_to_distribution,
)
from optuna.trial import TrialState

from sweeps.executors.base import Progress
from sweeps.plan import Task
from sweeps.propose.settings import GRID
from sweeps.quiet_optuna import create_study
from sweeps.race_state import RACE
from sweeps.records.cell_record import CellRecord
from sweeps.records.factors import Scalar, arm_key, is_number
from sweeps.records.plan_record import Plan
from vmp.core.errors import InputError

JOURNAL = "journal:"
_ARM, _CELLS, _FOLDER = "arm", "cells", "folder"  # names of user attributes


class StorageMirror:
    """Mirrors a sweep into an Optuna study named as the study (with a number, if another folder's is there already).

    Args:
        url: ``sqlite:///file.db``, ``postgresql://user@host/base`` or another URL of SQLAlchemy's, or
            ``journal:file.log``.
        folder: The study's.
        metric: ``top1`` or ``mean_class``.

    Raises:
        InputError: No URL, or its driver is not installed.
    """

    def __init__(self, url: str, folder: Path, metric: str) -> None:
        _check_url(url)
        self._url, self._folder, self._metric = url, str(folder.resolve()), metric
        self._storage: optuna.storages.BaseStorage | None = None
        self._study = -1
        self._trials: dict[str, int] = {}  # arm -> trial that is not over
        self._arm_of: dict[str, str] = {}  # cell -> arm
        self._cells: dict[str, dict[str, dict[str, Any]]] = {}  # arm -> cell -> seed, state and epochs
        self._curves: dict[str, dict[int, float]] = {}  # cell -> epoch -> value
        self._records: dict[str, CellRecord] = {}
        self._plan: Plan | None = None

    def planned(self, plan: Plan, tasks: Sequence[Task], records: Mapping[str, CellRecord]) -> None:
        self._plan = plan
        storage = self._open(plan)
        arms = _params(plan)
        changed: dict[str, None] = {}  # in the plan's order
        for task in tasks:
            arm = arm_key(task.factors)
            self._arm_of[task.hash] = arm
            self._cells.setdefault(arm, {})[task.hash] = {"seed": task.seed, "state": "planned"}
            changed[arm] = None
        for arm in changed:
            if arm in arms and arm not in self._trials:
                self._trials[arm] = storage.create_new_trial(
                    self._study,
                    optuna.trial.create_trial(
                        state=TrialState.RUNNING,
                        params=arms[arm][0],
                        distributions=arms[arm][1],
                        user_attrs={_ARM: arm},
                    ),
                )
        for record in records.values():
            self._take(record)
        for arm in changed:
            self._show_cells(arm)
            self._end_of(arm)

    def progress(self, progress: Progress) -> None:
        arm = self._arm_of[progress.hash]
        self._cells[arm][progress.hash] |= {"state": "running", "epochs": progress.epoch}
        value = progress.figures.get(f"val_{self._metric}")
        if value is not None:
            self._curves.setdefault(progress.hash, {})[progress.epoch] = float(value)
            self._show_mean(arm, [progress.epoch])
        self._show_cells(arm)

    def ended(self, record: CellRecord) -> None:
        self._take(record)
        arm = self._arm_of[record.hash]
        self._show_cells(arm)
        self._end_of(arm)

    def close(self, is_over: bool) -> None:
        for arm in list(self._trials) if is_over else ():
            self._end_of(arm, is_over=True)

    def _open(self, plan: Plan) -> optuna.storages.BaseStorage:
        if self._storage is not None:
            return self._storage
        if self._url.startswith(JOURNAL):
            backend = optuna.storages.journal.JournalFileBackend(self._url.removeprefix(JOURNAL))
            storage: Any = optuna.storages.JournalStorage(backend)
        else:
            storage = optuna.storages.RDBStorage(self._url, skip_compatibility_check=False)
        directions = ["maximize"] if plan.search.against is None else ["maximize", "minimize"]
        number, name = 1, plan.study.name
        while True:
            study = create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
            if study.user_attrs.get(_FOLDER, self._folder) == self._folder:
                break
            number += 1
            name = f"{plan.study.name} {number}"
        study.set_user_attr(_FOLDER, self._folder)
        study.set_user_attr("metric", f"val_{plan.metric}")
        self._study = study._study_id
        for trial in study.get_trials(deepcopy=False):
            if trial.state != TrialState.FAIL and _ARM in trial.user_attrs:  # a failed cell may be run again
                self._trials[trial.user_attrs[_ARM]] = trial._trial_id
        self._storage = storage
        return storage

    def _take(self, record: CellRecord) -> None:
        arm = self._arm_of[record.hash]
        self._records[record.hash] = record
        self._cells[arm][record.hash] |= {"state": record.status, "epochs": len(record.curves.get("epoch", []))}
        curve = zip(record.curves.get("epoch", []), record.curves.get(f"val_{self._metric}", []), strict=False)
        values = {int(epoch or 0): float(value) for epoch, value in curve if value is not None}
        before = self._curves.get(record.hash)
        self._curves[record.hash] = values
        if before != values:
            self._show_mean(arm, values)

    def _is_open(self, arm: str) -> bool:
        return (
            arm in self._trials
            and self._storage is not None
            and not self._storage.get_trial(self._trials[arm]).state.is_finished()
        )

    def _show_mean(self, arm: str, epochs: Any) -> None:
        if not self._is_open(arm):
            return
        assert self._storage is not None
        for epoch in epochs:
            values = [self._curves[cell][epoch] for cell in self._cells[arm] if epoch in self._curves.get(cell, {})]
            self._storage.set_trial_intermediate_value(self._trials[arm], epoch, fmean(values))

    def _show_cells(self, arm: str) -> None:
        if self._is_open(arm):
            assert self._storage is not None
            self._storage.set_trial_user_attr(self._trials[arm], _CELLS, self._cells[arm])
        elif arm not in self._trials and self._storage is not None:  # a reference, which no search proposed
            self._storage.set_study_user_attr(self._study, f"reference {arm}", self._cells[arm])

    def _end_of(self, arm: str, *, is_over: bool = False) -> None:
        """End the trial of an arm that has all its seeds, or will get no more."""
        assert self._plan is not None
        if not self._is_open(arm):
            return
        assert self._storage is not None
        states = [cell["state"] for cell in self._cells[arm].values()]
        plan = self._plan
        full = plan.search.rungs[-1] if plan.search.rungs else len(plan.seeds)
        if not is_over and (len(states) < full or plan.search.method == RACE):
            return
        if not is_over and not set(states) <= {"complete", "diverged", "stopped"}:  # a failed cell may be run again
            return
        records = [self._records[cell] for cell in self._cells[arm] if cell in self._records]
        scores = [record.metrics.get(f"val_{self._metric}") for record in records if record.status == "complete"]
        means = [float(score) for score in scores if score is not None]
        state, values = TrialState.FAIL, None
        if "stopped" in states or (means and len(means) == len(states) < full):
            state = TrialState.PRUNED
        elif means and len(means) == len(states):
            state, values = TrialState.COMPLETE, [fmean(means)]
            if plan.search.against is not None:
                values.append(fmean(record.provenance.seconds or 0.0 for record in records))
        self._storage.set_trial_state_values(self._trials[arm], state, values)


def _check_url(url: str) -> None:
    if url.startswith(JOURNAL):
        if not Path(url.removeprefix(JOURNAL)).resolve().parent.is_dir():
            raise InputError(f"--storage {url}: its folder does not exist; make it, or name a file in another one")
        return
    import sqlalchemy

    try:
        sqlalchemy.make_url(url).get_dialect().import_dbapi()
    except ImportError as error:
        extra = "; pip install 'video-motion-prompts[postgres]'" if url.startswith("postgres") else ""
        raise InputError(
            f"--storage {_without_password(url)} needs the package '{error.name}', which is not installed{extra}"
        ) from error
    except sqlalchemy.exc.ArgumentError as error:
        raise InputError(
            f"--storage {url!r} is no URL of a storage; give sqlite:///file.db, postgresql://user@host/base or "
            "journal:file.log"
        ) from error


def _without_password(url: str) -> str:
    import sqlalchemy

    return sqlalchemy.make_url(url).render_as_string(hide_password=True)


def _params(plan: Plan) -> dict[str, tuple[dict[str, Any], dict[str, BaseDistribution]]]:
    """Parameters and distributions of each arm's trial: as proposed, or the arm's own values in a grid or race."""
    arms = plan.arms()
    if plan.search.method in (GRID, RACE):
        space = {name: _distribution(values) for name, values in plan.factors.items() if values}
        own = {arm: {n: v for n, v in factors.items() if n in space and v is not None} for arm, factors in arms.items()}
        return {arm: (params, {name: space[name] for name in params}) for arm, params in own.items()}
    proposed = {one.arm: one.params for one in reversed(plan.search.proposals)}  # the first of repeats
    space = {name: json_to_distribution(json.dumps(one)) for name, one in plan.search.space.items()}
    names = list(arms)[len(arms) - len(proposed) :]  # the references come first
    return {arm: (dict(proposed[i]), space) for i, arm in enumerate(names)}


def _distribution(values: Sequence[Scalar]) -> BaseDistribution:
    if len(values) > 1 and all(map(is_number, values)):
        return FloatDistribution(min(values), max(values))  # type: ignore[type-var]
    return CategoricalDistribution(list(values))


def file_url(path: Path) -> str:
    """The URL of a SQLite file, whatever its name holds."""
    import sqlalchemy

    return sqlalchemy.URL.create("sqlite", database=str(path)).render_as_string()
