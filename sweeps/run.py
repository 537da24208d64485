"""Drives a study to its end: plan, lock, execute what is missing, record. The same call again repeats nothing."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from sweeps.cell_needs import Machine, cells_that_fit, split_devices
from sweeps.confirm import plan_confirmation
from sweeps.example_clips import write_example_clips
from sweeps.executors.base import Event, Executor, Predicted, Progress, Resources
from sweeps.executors.registry import make_executor
from sweeps.full_disk import said_when_full
from sweeps.limits import LimitReached, Limits, in_order
from sweeps.ownership import Ownership
from sweeps.plan import Task, explain_changes, make_plan
from sweeps.predictions import copy_predictions, write_predictions
from sweeps.propose.base import Proposer
from sweeps.propose.registry import make_proposer
from sweeps.propose.rounds import Rounds
from sweeps.propose.settings import GRID, SearchSettings
from sweeps.record import CellRecord, Plan, SearchHeader, StudyFolder, arm_key, confirmation_plan
from sweeps.shards import Shard
from sweeps.status import StudyStatus, read_status
from sweeps.stop.config import is_comparing
from sweeps.study import Study
from sweeps.track.base import Tracker, Trackers
from sweeps.track.console import Reporter, silent
from sweeps.track.registry import make_trackers
from sweeps.weights import MODELS_FOLDER, Keep, KeptWeights
from vmp.backbones.registry import DesignedBackbone
from vmp.core.errors import InputError
from vmp.core.extras import require
from vmp.core.fingerprint import canonical_json
from vmp.core.text import count, duration
from vmp.experiment import Runtime, check_precision

if TYPE_CHECKING:
    from sweeps.stop.rule import StopRule

Listener = Callable[[Progress], str | None]
"""Hears of every epoch of every running cell; returns why that cell is to stop, or None to let it go on."""


def go_on(progress: Progress) -> str | None:
    """The listener that never stops a cell."""
    del progress
    return None


NO_LIMITS = Limits()


def run_study(
    study: Study,
    out: str | Path,
    *,
    workers: int = 1,
    engine: str = "local",
    runtime: Runtime | None = None,
    search: SearchSettings | None = None,
    reporter: Reporter = silent,
    listener: Listener = go_on,
    only: Literal["failed"] | None = None,
    limits: Limits = NO_LIMITS,
    reuse: Sequence[str | Path] = (),
    accept_code: bool = False,
    keep_weights: Keep = "chosen",
    track: Sequence[str] = (),
    storage: str | None = None,
    clips: bool = True,
    shard: Shard | None = None,
) -> StudyStatus:
    """Run the missing cells of `study`.

    Args:
        study: The definition.
        out: The study's folder; made if need be.
        workers: Cells at a time.
        engine: A key of `sweeps.executors.base.EXECUTORS`.
        runtime: Device, threads and reading processes of each worker; no part of a cell's identity.
        search: How arms are proposed; None for what the study says.
        reporter: Shown the plan and every event.
        keep_weights: Which trained models stay in ``out/models``: those of the ``chosen`` arm, ``all`` or ``none``.
        listener: Asked after every epoch of a cell whether it is to go on. A stopped cell is final.
        only: ``failed`` runs the planned cells that failed, and no others.
        limits: What this run may use, and the order of its cells.
        reuse: Folders of other studies, whose finished records of equal cells are taken over.
        accept_code: Also take over finished records, of `out` or `reuse`, that only other code keeps from being the
            cells of this study. The caller vouches that no number depends on the change; the records say so.
        track: Other tools to show the sweep to, keys of `sweeps.track.registry.TRACKERS`. None of them can fail a cell.
        storage: URL of an Optuna storage that mirrors the sweep; a search has ``out/search.db`` without one.
        clips: Whether a few test clips are written beside the plan, for the report's explorer.
        shard: Run this part of the plan's cells alone; other runs may have the other parts, at the same time.

    Returns:
        How far the study is, or its shard.

    Raises:
        InputError: The study cannot be planned, another run is at work in `out`, or `out` cannot be written.
    """
    runtime = _checked(study, runtime or Runtime(), workers, engine)
    folder = StudyFolder(out)
    method = (search or study.search or SearchSettings(method=GRID)).method
    if shard is not None and method != GRID:
        raise InputError(
            f"--shard {shard} needs a plan that is known beforehand, and '{method}' decides by results which cells "
            "come next; leave --shard out, give --search grid, or use more machines by --engine ray"
        )
    if shard is not None and study.stop is not None and is_comparing(study.stop):
        raise InputError(
            f"--shard {shard} sees a part of the cells, and the rule stop: {study.stop.kind} compares a cell with all "
            "of them; leave one of them out, or give a rule of a cell's own epochs such as patience"
        )
    if only and not folder.has_plan():
        raise InputError(f"--only {only} needs a study that has run, and '{out}' holds none; leave it out")
    others = [StudyFolder(path) for path in reuse]
    for other in others:
        other.read_plan()  # says that it is a study
    # Before the folder is made: a study that cannot be planned leaves nothing behind.
    proposer = make_proposer(study, search or study.search, folder)
    stop = _stop_rule(study, folder)
    is_search = proposer.header.rungs is not None
    trackers = make_trackers(track, folder.path, metric=study.metric, storage=storage, is_search=is_search)
    if engine == "local":
        workers = _fitting(study, runtime, workers, reporter)
    executor = make_executor(engine, _resources(study, folder, workers, runtime, limits, keep_weights, shard))
    with said_when_full(folder.path):
        folder.create()
    if (idle := idle_workers(proposer, workers)) is not None:
        reporter.note(idle)
    with said_when_full(folder.path), Ownership(folder.path, shard, reporter.note) as ownership, executor:
        session = _Session(
            study, folder, executor, reporter, listener, limits, others, keep_weights, ownership, shard, clips,
            stop=stop, trackers=trackers,
        )  # fmt: skip
        is_over = False
        if accept_code:
            session.accept_code()
        try:
            if only == "failed":
                session.run_failed(proposer)
                return read_status(folder, computed=session.computed, cells=session.own_cells)
            session.run(proposer)
            is_over = True
            for line in session.weights.end() if shard is None else _weights_of_shard(keep_weights):
                reporter.note(line)
        except LimitReached as limit:
            reporter.note(f"{limit}; the same command goes on from there")
        finally:
            session.trackers.close(is_over=is_over)
    return read_status(folder, computed=session.computed, cells=session.own_cells)


def confirm_study(
    study: Study,
    out: str | Path,
    *,
    seeds: int | None = None,
    workers: int = 1,
    engine: str = "local",
    runtime: Runtime | None = None,
    reporter: Reporter = silent,
    limits: Limits = NO_LIMITS,
    shard: Shard | None = None,
) -> StudyStatus:
    """Run the arm that a finished study chooses and its reference on fresh seeds, or what is missing of them.

    Args:
        study: The definition.
        out: The study's folder, in which it has been run.
        seeds: How many; None for the planner's number, see `sweeps.confirm`.
        workers, engine, runtime, reporter, limits, shard: See `run_study`.

    Returns:
        How far the fresh cells are, or the shard of them.

    Raises:
        InputError: The study is not finished, or nothing can be chosen in it; see `run_study` too.
    """
    runtime = _checked(study, runtime or Runtime(), workers, engine)
    folder = StudyFolder(out)
    header, tasks = plan_confirmation(folder, study, seeds, reporter.note)
    if engine == "local":
        workers = _fitting(study, runtime, workers, reporter)
    executor = make_executor(engine, _resources(study, folder, workers, runtime, limits, "none", shard))
    with said_when_full(folder.path), Ownership(folder.path, shard, reporter.note) as ownership, executor:
        folder.write_plan(folder.read_plan().model_copy(update={"confirmation": header}))
        session = _Session(study, folder, executor, reporter, go_on, limits, [], "none", ownership, shard, clips=False)
        try:
            session.execute(confirmation_plan(folder.read_plan()) or folder.read_plan(), tasks)
        except LimitReached as limit:
            reporter.note(f"{limit}; the same command goes on from there")
    return read_status(folder, computed=session.computed, of_confirmation=True, cells=session.own_cells)


def _checked(study: Study, runtime: Runtime, workers: int, engine: str) -> Runtime:
    """Refuse numbers and devices that cannot be run with."""
    for name, value, minimum in (
        ("workers", workers, 1),
        ("threads", runtime.threads, 1),
        ("loader-workers", runtime.loader_workers, 0),
    ):
        if value < minimum:
            raise InputError(f"--{name} must be at least {minimum}, got {value}")
    if runtime.compile and runtime.gradient_checkpointing:
        raise InputError("--compile and --gradient-checkpointing do not go together; leave one of them out")
    if engine == "ray":
        require("ray")
    for _, experiment in study.arms():
        if isinstance(experiment.backbone, DesignedBackbone):
            require(experiment.backbone.design.builder.__module__.rpartition(".")[2])
    devices = split_devices(runtime.device)
    if engine == "local":  # on a cluster they are elsewhere
        checked = _torch_devices(runtime)
        if "float16" in canonical_json(study.to_plain()):  # to expand the arms of a large study takes seconds
            for _, experiment in study.arms():
                for device in checked:
                    check_precision(experiment, device)
    elif len(devices) > 1:
        raise InputError(
            f"--device {runtime.device} is for --engine local; Ray gives out the GPUs of the cluster itself: give "
            "--device cuda, and say in the study how much of one a cell takes (resources.gpus)"
        )
    return runtime


def _torch_devices(runtime: Runtime) -> list[torch.device]:
    """The devices that ``--device`` lists."""
    every = split_devices(runtime.device)
    return [dataclasses.replace(runtime, device=device).torch_device() for device in every]


def _fitting(study: Study, runtime: Runtime, workers: int, reporter: Reporter) -> int:
    """Cells at a time, no more than fit into this machine."""
    devices = [str(device) for device in _torch_devices(runtime)]
    number, sentence = cells_that_fit(study.resources, Machine.here(devices), workers)
    if sentence is not None:
        reporter.note(sentence)
    return number


def _weights_of_shard(keep: Keep) -> list[str]:
    if keep != "chosen":
        return []
    return [
        "Weights of all cells stay for now: the first run without --shard chooses among the arms, and deletes others"
    ]


def idle_workers(proposer: Proposer, workers: int) -> str | None:
    """The sentence on workers that a search has no cells for."""
    header = proposer.header
    if not header.rungs or header.in_flight is None or workers <= header.in_flight * header.rungs[0]:
        return None
    return (
        f"Note: {header.in_flight} arms in flight on {count(header.rungs[0], 'seed')} are "
        f"{count(header.in_flight * header.rungs[0], 'cell')} at a time, fewer than {workers} workers; a new search "
        f"may have --set search.in_flight={math.ceil(workers / header.rungs[0])}, which the proposals depend on"
    )


def _stop_rule(study: Study, folder: StudyFolder) -> StopRule | None:
    if study.stop is None:
        return None
    from sweeps.stop.rule import StopRule  # a study without one does not wait for Optuna

    return StopRule(study.stop, study.metric, folder.path / "checkpoints")


def _resources(
    study: Study,
    folder: StudyFolder,
    workers: int,
    runtime: Runtime,
    limits: Limits,
    keep: Keep,
    shard: Shard | None,
) -> Resources:
    logs, devices = folder.path / "logs", split_devices(runtime.device)
    return Resources(
        workers=workers,
        runtime=dataclasses.replace(runtime, device=devices[0]),
        devices=devices,
        checkpoints=folder.path / "checkpoints",
        logs=logs if shard is None else logs / f"shard-{shard.index}-of-{shard.count}",
        tries=study.tries,
        cell_timeout=limits.cell_timeout,
        models=folder.path / MODELS_FOLDER if keep != "none" else None,
        needs=study.resources,
    )


class _Session:
    """Plans and runs one round of tasks after the other into one folder."""

    def __init__(
        self,
        study: Study,
        folder: StudyFolder,
        executor: Executor,
        reporter: Reporter,
        listener: Listener,
        limits: Limits,
        others: Sequence[StudyFolder],
        keep: Keep,
        ownership: Ownership,
        shard: Shard | None,
        clips: bool,
        stop: StopRule | None = None,
        trackers: Mapping[str, Tracker] | None = None,
    ) -> None:
        self.study, self.folder, self.executor = study, folder, executor
        self.reporter, self.listener, self.limits = reporter, listener, limits
        self.others, self.ownership, self.shard, self.clips = others, ownership, shard, clips
        self.weights = KeptWeights(folder.path / MODELS_FOLDER, keep)
        self._started = time.monotonic()
        self._seconds: dict[str, list[float]] = {}  # of finished cells, by arm
        self.tasks: dict[str, Task] = {}
        self.own_cells: set[str] | None = None  # those of the shard
        self.computed = 0
        self.reused: Counter[str] = Counter()
        self._tries: dict[str, int] = {}  # of cells with a record, in earlier runs
        self._given, self._is_cut = 0, False  # cells given to the executor, and whether the limit held some back
        self._on_end: Callable[[str], None] = lambda cell: None
        self.stop = stop
        self.trackers = Trackers(trackers or {}, reporter.note)
        self._accepted: dict[str, tuple[StudyFolder, str]] = {}  # by science, cells that other code computed

    def run(self, proposer: Proposer) -> None:
        """Plan what `proposer` asks for and run what has no final record, to the end of its rounds."""
        self.tasks = {task.hash: task for task in proposer.known()}
        is_first = True

        def on_told(records: Sequence[CellRecord]) -> None:
            if self.stop is not None:
                self.stop.tell(records)
            for line in proposer.news():
                self.reporter.note(line)

        rounds = Rounds(proposer, lambda task: self.folder.read_cell(task.hash), on_told)
        self._on_end = rounds.end

        def more() -> list[Task]:
            nonlocal is_first
            missing: list[Task] = []
            for tasks in rounds.more():
                if self.stop is not None:
                    self.stop.plan(tasks)
                self.tasks |= {task.hash: task for task in tasks}
                plan = self._plan(proposer.header)
                if is_first:
                    self._compare_with_earlier(plan)
                self._refuse_other_plan(plan)
                self.folder.write_plan(plan)
                if is_first and self.clips:
                    for line in write_example_clips(self.folder, tasks):
                        self.reporter.note(line)
                missing += self._start(plan, list({task.hash: task for task in tasks}.values()))
                is_first = False
            return self._within_limits(missing)

        while tasks := more():  # of a shard, those of its own cells that are missing
            self.executor.run(tasks, self._on_event, more)
        self._say_limit()
        if proposer.header.method != GRID:  # no more arms will come, however many were proposed
            self.folder.write_plan(self._plan(proposer.header.model_copy(update={"proposed": proposer.header.arms})))

    def _compare_with_earlier(self, plan: Plan) -> None:
        """Say what becomes of an earlier plan in the folder. Raises InputError where another rule has stopped cells."""
        if not self.folder.has_plan():
            return
        old = self.folder.read_plan()
        if old.stop != plan.stop and old.cells:
            kinds = [rule.kind if rule else "no rule" for rule in (old.stop, plan.stop)]
            options = f" ({old.stop.options}, now {plan.stop.options})" if old.stop and plan.stop else ""
            raise InputError(
                f"'{self.folder.path}' holds a study whose cells are stopped by {kinds[0]}, not {kinds[1]}{options}; "
                f"give another --out (--reuse '{self.folder.path}' takes its complete cells over)"
            )
        if old.search.method != plan.search.method:
            self.reporter.note(
                f"the plan in '{self.folder.path}' was of the method {old.search.method}; {plan.search.method} "
                "replaces it"
            )
        if plan.search.method == GRID:
            for line in explain_changes(self.folder, plan, self.tasks.values()):
                self.reporter.note(line)

    def _refuse_other_plan(self, plan: Plan) -> None:
        """Shards that are at work together have one plan."""
        if self.shard is None or not self.folder.has_plan():
            return
        old, new = ({cell.hash for cell in one.cells} for one in (self.folder.read_plan(), plan))
        if old != new and (others := self.ownership.others()):
            raise InputError(
                f"--shard {self.shard} would run another plan than a shard that is at work in '{self.folder.path}' "
                f"({others[0]}): {count(len(old ^ new), 'cell')} differ in settings, data or code; give every shard "
                "the same study, and install the same version everywhere"
            )

    def execute(self, plan: Plan, tasks: Sequence[Task]) -> None:
        """Run the cells without a final record, or take them over from another study."""
        self.executor.run(self._within_limits(self._start(plan, tasks)), self._on_event)
        self._say_limit()

    def _start(self, plan: Plan, tasks: Sequence[Task]) -> list[Task]:
        """The cells without a final record here or, to be taken over, in another study."""
        tasks, plan = self._share(tasks, plan)
        missing = [task for task in tasks if not self._is_final(task)]
        if self.others or self._accepted:
            missing = [task for task in missing if not self._take_over(task)]
        finished = {task.hash for task in tasks} - {task.hash for task in missing}
        records = {cell: self.folder.read_cell(cell) for cell in finished}
        if self.shard is None:  # a shard sees too few cells to say which arm will be chosen
            self.weights.plan(plan, records)
        self.trackers.planned(plan, tasks, records)
        for source, cells in self.reused.items():
            self.reporter.note(f"{cells} finished cells are taken over from {source}")
        self.reused.clear()
        for cell in {task.hash for task in tasks} - {task.hash for task in missing}:
            self._on_end(cell)
        self.reporter.planned(plan, missing, records)
        return missing

    def _share(self, tasks: Sequence[Task], plan: Plan) -> tuple[Sequence[Task], Plan]:
        """The tasks of this run's shard, and the plan of their cells."""
        if self.shard is None:
            return tasks, plan
        tasks = self.shard.of(tasks)
        self.own_cells = {task.hash for task in tasks}
        return tasks, plan.model_copy(update={"cells": [cell for cell in plan.cells if cell.hash in self.own_cells]})

    def _plan(self, search: SearchHeader) -> Plan:
        """The plan so far, with the confirmation that an earlier one in the folder has."""
        plan = make_plan(self.study, self.tasks.values(), search=search)
        earlier = self.folder.read_plan().confirmation if self.folder.has_plan() else None
        return plan.model_copy(update={"confirmation": earlier})

    def run_failed(self, proposer: Proposer) -> None:
        """Run those of the planned cells whose record says that they failed; the plan stays as it is."""
        plan = self.folder.read_plan()
        asked = {task.hash: task for task in proposer.known()}
        rounds = Rounds(proposer, lambda task: self.folder.read_cell(task.hash))
        for tasks in rounds.more():  # as far as the records go
            asked |= {task.hash: task for task in tasks}
            for task in tasks:
                if self.folder.find_cell(task.hash, self._on_damage) is not None:
                    rounds.end(task.hash)
        changed = {cell.hash for cell in plan.cells} - asked.keys()
        own, plan = self._share(list(asked.values()), plan)
        planned = {cell.hash for cell in plan.cells}
        failed = [
            task
            for task in own
            if task.hash in planned and self.folder.has_cell(task.hash) and not self._is_final(task)
        ]
        if any(self.folder.has_cell(one) for one in changed):
            self.reporter.note(
                f"{len(changed)} planned cells are no longer what the study asks for, and stay as they are"
            )
        again = {task.hash for task in failed}
        found = [self.folder.find_cell(cell, self._on_damage) for cell in asked if cell in planned - again]
        records = {record.hash: record for record in found if record is not None}
        self.reporter.planned(plan, failed, records)
        self.trackers.planned(plan, [task for cell, task in asked.items() if cell in planned], records)
        self.executor.run(self._within_limits(failed), self._on_event)
        self._say_limit()

    def _within_limits(self, tasks: Sequence[Task]) -> list[Task]:
        """`tasks` in the order of this run, as many as its limit leaves."""
        if not tasks:
            return []
        means = {arm: sum(seconds) / len(seconds) for arm, seconds in self._seconds.items()}
        ordered = in_order(tasks, means, seeds_first=self.limits.seeds_first)
        most = self.limits.max_cells
        given = ordered if most is None else ordered[: most - self._given]
        self._given += len(given)
        self._is_cut |= len(given) < len(ordered)
        return given

    def _say_limit(self) -> None:
        if self._is_cut:
            raise LimitReached(f"{self.computed} cells are computed, as many as --max-cells allows")

    def _is_final(self, task: Task) -> bool:
        """Complete, diverged and stopped cells are results and never repeated; a failed one gets another chance."""
        record = self.folder.find_cell(task.hash, self._on_damage)
        if record is None and self.folder.has_cell(task.hash):
            self.reporter.note(f"the cell is computed anew; its file is now '{self.folder.set_aside(task.hash)}'")
        elif record is not None:
            self._tries[task.hash] = record.provenance.tries or 1
            if record.provenance.seconds is not None and record.status == "complete":
                self._seconds.setdefault(arm_key(record.factors), []).append(record.provenance.seconds)
        return record is not None and record.status != "failed"

    def accept_code(self) -> None:
        """Let finished cells of other code stand for the cells of this study that they only differ from by code."""
        started: dict[str, str] = {}
        for folder in (self.folder, *self.others):
            for path in sorted(folder.cells_path.glob("*.json")):
                record = folder.find_cell(path.stem, self._on_damage)
                if record is None or record.science is None or record.status == "failed":
                    continue
                if (when := record.provenance.started or "") >= started.get(record.science, ""):  # the latest counts
                    started[record.science], self._accepted[record.science] = when, (folder, record.hash)

    def _take_over(self, task: Task) -> bool:
        """Whether another study has this very cell, or one that is accepted for it; the record then says so."""
        sources = [(other, task.hash) for other in self.others]
        if task.science in self._accepted:
            sources.append(self._accepted[task.science])
        for folder, cell in sources:
            record = folder.find_cell(cell, self._on_damage)
            if record is not None and record.status in ("complete", "diverged"):  # what a rule stopped is not computed
                changes: dict[str, str | None] = {}
                source = f"'{record.provenance.reused_from or folder.path}'"
                if folder is not self.folder:
                    changes["reused_from"] = record.provenance.reused_from or str(folder.path)
                if cell != task.hash:
                    source += ", computed by other code (--accept-code)"
                    changes["accepted_from"] = record.provenance.accepted_from or cell
                provenance = record.provenance.model_copy(update=changes)
                # The other study may vary other settings: the cell is the same, its name in the study is not.
                copy_predictions(folder.path, cell, self.folder.path, task.hash)
                update = {"hash": task.hash, "factors": task.factors, "provenance": provenance}
                self.folder.write_cell(record.model_copy(update=update))
                self.reused[source] += 1
                return True
        return False

    def _on_damage(self, sentence: str) -> None:
        self.reporter.note(sentence)

    def _on_event(self, event: Event) -> str | None:
        reason = None
        if isinstance(event, Predicted):
            write_predictions(self.folder.path, event.hash, event.predictions)
            return None
        if isinstance(event, CellRecord):
            self.ownership.check()
            tries = self._tries.get(event.hash, 0) + (event.provenance.tries or 1)
            event = event.model_copy(update={"provenance": event.provenance.model_copy(update={"tries": tries})})
            self.folder.write_cell(event)
            self.weights.add(event)
            self.trackers.ended(event)
            self.computed += 1
            if event.status != "failed":  # that one goes on from there
                (self.folder.path / "checkpoints" / f"{event.hash}.pt").unlink(missing_ok=True)
                if self.stop is not None:
                    self.stop.forget(event.hash)
            self._on_end(event.hash)
        else:
            self.trackers.progress(event)
            reason = self.listener(event)
            if self.stop is not None and reason is None:
                reason = self.stop(event)
        self.reporter.event(event)
        if self.limits.budget is not None and time.monotonic() - self._started >= self.limits.budget:
            raise LimitReached(f"the time of --budget ({duration(self.limits.budget)}) is over")
        return reason
