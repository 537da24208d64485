"""Ends cells early by one of Optuna's pruners, deciding alike whatever the workers, the engine and the kills.

A cell is compared with finished cells of the same seed, data and backbone, never with another seed. Which ones is fixed
when the cell is asked for: those of the rounds whose results the proposer knew by then, in the plan's order
(`sweeps.propose.rounds`). So a decision follows from plan and records, not from which worker was faster.
"""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweeps.executors.base import Progress
from sweeps.plan import Task
from sweeps.propose.arm_search import required, short_name
from sweeps.quiet_optuna import create_study
from sweeps.records.cell_record import CellRecord
from sweeps.stop.config import StopSettings, is_comparing
from vmp.core.choices import find_object, lookup, unknown_key
from vmp.core.errors import InputError
from vmp.core.fingerprint import canonical_json
from vmp.core.text import count


class Patience(optuna.pruners.BasePruner):
    """Stops a cell whose value has not improved for some epochs.

    Optuna's PatientPruner stops one that has become worse: a curve that stays as it is goes on there to its end.

    Args:
        epochs: In a row, at least 1.
        min_delta: What counts as better, 0 or more.
    """

    def __init__(self, epochs: int, min_delta: float = 0.0) -> None:
        if epochs < 1 or min_delta < 0:
            raise ValueError(f"epochs must be at least 1 and min_delta 0, got {epochs} and {min_delta}")
        self._epochs, self._min_delta = epochs, min_delta

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        values = [value for _, value in sorted(trial.intermediate_values.items())]
        before, last = values[: -self._epochs], values[-self._epochs :]
        return bool(before) and max(last) <= max(before) + self._min_delta


def _pruners() -> dict[str, Any]:
    names = [name for name in dir(optuna.pruners) if name.endswith("Pruner") and not name.startswith("Base")]
    return {short_name(name, "pruner"): getattr(optuna.pruners, name) for name in names}


RULES: dict[str, Any] = {"patience": Patience, **_pruners()}
"""Short name -> class of every rule: our own, and every pruner of the installed Optuna."""


def make_pruner(settings: StopSettings) -> optuna.pruners.BasePruner:
    """The pruner that a study asks for.

    Raises:
        InputError: No such rule or option, or a value that it refuses.
    """
    if ":" in settings.kind:
        made = find_object(settings.kind, "stop rule")
    else:
        made = lookup(RULES, short_name(settings.kind, "pruner"), "stop rule")
    names = {"wrapped_pruner": "wrapped"}  # its name in a study file
    valid = [names.get(name, name) for name in inspect.signature(made).parameters]
    for option in settings.options:
        if option not in valid:
            raise InputError(f"stop.options.{option} {unknown_key(option, valid)}")
    given = {"wrapped_pruner" if name == "wrapped" else name: value for name, value in settings.options.items()}
    if (inner := given.get("wrapped_pruner")) is not None:
        given["wrapped_pruner"] = make_pruner(_inner(inner))
    elif "wrapped" in valid:
        given["wrapped_pruner"] = None
    if missing := [name for name in required(made) if name not in given]:
        raise InputError(f"stop.options.{missing[0]} is missing: the rule {settings.kind} cannot be made without it")
    try:
        with warnings.catch_warnings(action="ignore"):  # Optuna calls some of them experimental
            pruner: optuna.pruners.BasePruner = made(**given)
    except Exception as error:  # whatever a pruner objects to
        raise InputError(f"the stop rule {settings.kind} refuses its options {settings.options}: {error}") from error
    return pruner


def _inner(value: Any) -> StopSettings:
    if isinstance(value, str):
        return StopSettings(kind=value)
    if not isinstance(value, dict) or not set(value) <= {"kind", "options"} or "kind" not in value:
        raise InputError(f"stop.options.wrapped must name a rule, such as {{kind: median, options: {{}}}}, got {value}")
    return StopSettings(**value)


class _Running:
    """A cell that runs: its trial, the last epoch that it reported, and the file of its values."""

    def __init__(self, trial: optuna.Trial, file: TextIO | None) -> None:
        self.trial, self.epoch = trial, 0
        self._file = file

    def note(self, epoch: int, value: float) -> None:
        """Write the value for a process that goes on after a kill."""
        self.epoch = epoch
        if self._file is not None:
            with contextlib.suppress(OSError):  # see `StopRule._start`
                self._file.write(f"{epoch} {value!r}\n")
                self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()


class StopRule:
    """Answers after each epoch of a cell why it is to stop, or None.

    Args:
        settings: The rule.
        metric: ``top1`` or ``mean_class``; its validation value decides.
        folder: Where the values of unfinished cells lie, for one that goes on after a kill.

    Raises:
        InputError: See `make_pruner`.
    """

    def __init__(self, settings: StopSettings, metric: str, folder: Path) -> None:
        make_pruner(settings)
        self._settings, self._metric, self._folder = settings, metric, folder
        self._compares = is_comparing(settings)
        self._ended: dict[str, list[FrozenTrial]] = {}  # by what may be compared, in the plan's order
        self._known: dict[str, int] = {}  # cell -> how many of them it is compared with
        self._tasks: dict[str, Task] = {}
        self._running: dict[str, _Running] = {}

    def plan(self, tasks: Iterable[Task]) -> None:
        """Fix what the cells of a round are compared with: those whose records `tell` has taken by now."""
        for task in tasks:
            self._tasks[task.hash] = task
            self._known.setdefault(task.hash, len(self._ended.get(_comparable(task), ())))

    def tell(self, records: Sequence[CellRecord]) -> None:
        """Take the records of a round into what later cells are compared with."""
        for record in records:
            values = [(epoch, value) for epoch, value in _curve(record, self._metric) if value is not None]
            if self._compares and record.hash in self._tasks and values and record.status in ("complete", "stopped"):
                trial = self._trial(self._tasks[record.hash])
                for epoch, value in values:
                    _prune(trial, epoch, value)
                state = TrialState.COMPLETE if record.status == "complete" else TrialState.PRUNED
                # Some pruners note in a trial how far it came; so the trial itself is what others are compared with.
                ended = trial.study.tell(trial.number, values[-1][1] if state == TrialState.COMPLETE else None, state)
                self._ended.setdefault(_comparable(self._tasks[record.hash]), []).append(ended)

    def __call__(self, progress: Progress) -> str | None:
        value = progress.figures.get(f"val_{self._metric}")
        if value is None or progress.hash not in self._tasks:
            return None
        task = self._tasks[progress.hash]
        running = self._running.get(progress.hash)
        if running is None or progress.epoch <= running.epoch:  # it goes on from a checkpoint
            running = self._running[progress.hash] = self._start(task, progress, running)
        running.note(progress.epoch, float(value))
        if not _prune(running.trial, progress.epoch, float(value)):
            return None
        beside = f", beside {count(self._known[task.hash], 'cell')} of earlier arms" if self._compares else ""
        return f"{self._settings.kind}: val {self._metric} {value:.3f} after epoch {progress.epoch}{beside}"

    def forget(self, cell: str) -> None:
        """Drop the values of a cell that has ended."""
        if (running := self._running.pop(cell, None)) is not None:
            running.close()
        self._path(cell).unlink(missing_ok=True)

    def _start(self, task: Task, progress: Progress, before: _Running | None) -> _Running:
        """A cell whose first report in this process this is, or that has gone back to its checkpoint."""
        if before is not None:
            before.close()
        trial = self._trial(task)
        for epoch, earlier in self._earlier(progress):
            _prune(trial, epoch, earlier)
        file = None
        with contextlib.suppress(OSError):  # a checkpoint that cannot be written is no end of a cell either
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self._path(progress.hash).open("w" if progress.epoch == 1 else "a", encoding="utf-8")
        return _Running(trial, file)

    def _trial(self, task: Task) -> optuna.Trial:
        """A trial beside the cells that this one is compared with."""
        with warnings.catch_warnings(action="ignore"):
            study = create_study(
                study_name="cells",
                direction="maximize",
                sampler=optuna.samplers.RandomSampler(seed=0),
                pruner=make_pruner(self._settings),
            )
            study.add_trials(self._ended.get(_comparable(task), [])[: self._known[task.hash]])
            return study.ask()

    def _path(self, cell: str) -> Path:
        return self._folder / f"{cell}.epochs"

    def _earlier(self, progress: Progress) -> Iterator[tuple[int, float]]:
        """Epochs before this one that an earlier process reported; the cell goes on from its checkpoint."""
        if progress.epoch == 1 or not self._path(progress.hash).is_file():
            return
        values: dict[int, float] = {}
        for line in self._path(progress.hash).read_text(encoding="utf-8").splitlines():
            epoch, _, value = line.partition(" ")
            with contextlib.suppress(ValueError):  # a torn last line is an epoch that will be reported again
                values[int(epoch)] = float(value)
        yield from sorted((epoch, value) for epoch, value in values.items() if epoch < progress.epoch)


def _prune(trial: optuna.Trial, epoch: int, value: float) -> bool:
    with warnings.catch_warnings(action="ignore"):
        trial.report(value, epoch)
        return bool(trial.should_prune())


def _curve(record: CellRecord, metric: str) -> Iterator[tuple[int, float | None]]:
    for epoch, value in zip(record.curves.get("epoch", []), record.curves.get(f"val_{metric}", []), strict=False):
        yield int(epoch or 0), None if value is None else float(value)


def _comparable(task: Task) -> str:
    """What cells must share to be compared: seed, data and backbone."""
    return canonical_json([task.seed, task.settings.get("data"), task.settings.get("backbone")])
