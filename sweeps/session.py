"""One run of a study: plans round after round into one folder, runs what is missing, and writes every record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sweeps.clip_maps import write_clip_maps
from sweeps.example_clips import write_example_clips
from sweeps.executors.base import Event, Executor, Predicted, Progress
from sweeps.limits import LimitReached, Limits, in_order
from sweeps.ownership import Ownership
from sweeps.plan import Task, explain_changes, make_plan
from sweeps.predictions import write_predictions
from sweeps.propose.base import Proposer
from sweeps.propose.rounds import Rounds
from sweeps.propose.settings import GRID
from sweeps.records.cell_record import CellRecord
from sweeps.records.factors import arm_key
from sweeps.records.plan_record import Plan, SearchHeader
from sweeps.records.study_folder import StudyFolder
from sweeps.shards import Shard
from sweeps.study import Study
from sweeps.take_over import TakeOver
from sweeps.track.base import Tracker, Trackers
from sweeps.track.console import Reporter
from sweeps.video_statistics import write_video_statistics
from sweeps.weights import MODELS_FOLDER, Keep, KeptWeights
from vmp.core.errors import InputError
from vmp.core.text import count, duration

if TYPE_CHECKING:
    from sweeps.stop.rule import StopRule

Listener = Callable[[Progress], str | None]
"""Called after every epoch of every running cell; returns why that cell is to stop, or None to let it go on."""


def go_on(progress: Progress) -> str | None:
    """The listener that never stops a cell."""
    del progress
    return None


class Session:
    """Plans and runs one round of tasks after the other into one folder.

    Args:
        study: The definition.
        folder: Its folder.
        executor: Where cells run; its context has been entered.
        ownership: That of the folder or of `shard`, which is held.
        reporter: Shown the plan and every event.
        limits: What this run may use.
        shard: The part of the plan that is run; None for all of it.
        listener: Asked after every epoch whether a cell is to go on.
        others: Studies whose finished records of equal cells are taken over.
        keep: Which trained models stay.
        clips: Whether test clips and statistics of the videos are written beside the plan, for the report.
        stop: The rule that ends cells early.
        trackers: Other tools that are shown the sweep, by their names.

    Attributes:
        tasks: All that was asked for so far, by hash.
        own_cells: Of a shard, the hashes of its cells; else None.
        computed: Cells that this run has computed.
        is_over: Whether the plan holds all that was to be run, and nothing of it is missing.
    """

    def __init__(
        self,
        study: Study,
        folder: StudyFolder,
        executor: Executor,
        ownership: Ownership,
        *,
        reporter: Reporter,
        limits: Limits,
        shard: Shard | None,
        listener: Listener = go_on,
        others: Sequence[StudyFolder] = (),
        keep: Keep = "none",
        clips: bool = False,
        stop: StopRule | None = None,
        trackers: Mapping[str, Tracker] | None = None,
    ) -> None:
        self.study, self.folder, self.executor, self.ownership = study, folder, executor, ownership
        self.reporter, self.limits, self.shard, self.listener = reporter, limits, shard, listener
        self.keep, self.clips, self.stop = keep, clips, stop
        self.take_over = TakeOver(folder, others, reporter.note)
        self.weights = KeptWeights(folder.path / MODELS_FOLDER, keep)
        self.trackers = Trackers(trackers or {}, reporter.note)
        self.tasks: dict[str, Task] = {}
        self.own_cells: set[str] | None = None
        self.computed, self.is_over = 0, False
        self._started = time.monotonic()
        self._seconds: dict[str, list[float]] = {}  # of finished cells, by arm
        self._tries: dict[str, int] = {}  # of cells with a record, in earlier runs
        self._given, self._is_cut = 0, False  # cells given to the executor, and whether the limit held some back
        self._on_end: Callable[[str], None] = lambda cell: None

    def run(self, proposer: Proposer) -> None:
        """Plan what `proposer` asks for and run what has no final record, to the end of its rounds."""
        self.tasks = {task.hash: task for task in proposer.known()}
        is_first = True

        def on_results(records: Sequence[CellRecord]) -> None:
            if self.stop is not None:
                self.stop.tell(records)
            for line in proposer.news():
                self.reporter.note(line)

        rounds = Rounds(proposer, lambda task: self.folder.read_cell(task.hash), on_results)
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
                    for write in (write_example_clips, write_video_statistics):
                        for line in write(self.folder, tasks, self.reporter.note):
                            self.reporter.note(line)
                missing += self._start(plan, list({task.hash: task for task in tasks}.values()))
                is_first = False
            return self._within_limits(missing)

        while tasks := more():  # of a shard, those of its own cells that are missing
            self.executor.run(tasks, self._on_event, more)
        self._say_limit()
        if proposer.header.method != GRID:  # no more arms will come, however many were proposed
            self.folder.write_plan(self._plan(proposer.header.model_copy(update={"proposed": proposer.header.arms})))
        self.is_over = True

    def finish(self) -> None:
        """After the last cell: delete the models of arms that were not chosen, and draw the attention on clips won and
        lost. A shard does neither, for it does not see all arms."""
        if self.shard is not None:
            if self.keep == "chosen":
                self.reporter.note(
                    "Weights of all cells stay for now: the first run without --shard chooses among the arms, and "
                    "deletes others"
                )
            return
        for line in self.weights.end():
            self.reporter.note(line)
        if self.clips:
            for line in write_clip_maps(self.folder, self.tasks, self.reporter.note):
                self.reporter.note(line)

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
        records = {task.hash: record for task in tasks if (record := self._final(task)) is not None}
        open_tasks = [task for task in tasks if task.hash not in records]
        missing = self.take_over.missing(open_tasks)
        taken = {task.hash for task in open_tasks} - {task.hash for task in missing}
        records |= {cell: self.folder.read_cell(cell) for cell in taken}
        if self.shard is None:  # a shard sees too few cells to say which arm will be chosen
            self.weights.plan(plan, records)
        self.trackers.planned(plan, tasks, records)
        for cell in records:
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
            if task.hash in planned and self.folder.has_cell(task.hash) and self._final(task) is None
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

    def _final(self, task: Task) -> CellRecord | None:
        """The record that ends a cell: complete, diverged and stopped ones do; a failed cell gets another chance."""
        record = self.folder.find_cell(task.hash, self._on_damage)
        if record is None and self.folder.has_cell(task.hash):
            self.reporter.note(f"the cell is computed anew; its file is now '{self.folder.set_aside(task.hash)}'")
        elif record is not None:
            self._tries[task.hash] = record.provenance.tries or 1
            if record.provenance.seconds is not None and record.status == "complete":
                self._seconds.setdefault(arm_key(record.factors), []).append(record.provenance.seconds)
        return record if record is not None and record.status != "failed" else None

    def _on_damage(self, sentence: str) -> None:
        self.reporter.note(sentence)

    def _keep(self, record: CellRecord) -> CellRecord:
        """Write the record of a cell that has ended, with its tries of all runs; returns what is written."""
        self.ownership.check()
        tries = self._tries.get(record.hash, 0) + (record.provenance.tries or 1)
        record = record.with_provenance(tries=tries)
        self.folder.write_cell(record)
        self.weights.add(record)
        self.trackers.ended(record)
        self.computed += 1
        if record.status != "failed":  # that one goes on from there
            for state in (self.folder.path / "checkpoints").glob(f"{record.hash}.*"):
                state.unlink(missing_ok=True)
            if self.stop is not None:
                self.stop.forget(record.hash)
        self._on_end(record.hash)
        return record

    def _on_event(self, event: Event) -> str | None:
        """Keep what a cell reports; the answer to a `Progress` is why the cell is to stop, or None."""
        reason = None
        if isinstance(event, Predicted):
            write_predictions(self.folder.path, event.hash, event.predictions)
            return None
        if isinstance(event, CellRecord):
            event = self._keep(event)
        else:
            self.trackers.progress(event)
            reason = self.listener(event)
            if self.stop is not None and reason is None:
                reason = self.stop(event)
        self.reporter.event(event)
        if self.limits.budget is not None and time.monotonic() - self._started >= self.limits.budget:
            raise LimitReached(f"the time of --budget ({duration(self.limits.budget)}) is over")
        return reason
