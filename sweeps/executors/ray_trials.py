"""What Ray Tune runs: a trial for each cell, in actors that outlive it.

One experiment of Tune lasts as long as its executor, in a thread of its own. It takes cells from the caller of
`RayTuneExecutor.run`, tells what they report, and waits for each answer. A trial whose cell has ended keeps its actor
until a new trial takes the actor over: Tune itself would end all actors but one as soon as they have nothing to do,
and a new one takes seconds to import torch and to read the data.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import threading
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from sweeps.executors.base import Event, Predicted, Progress
from sweeps.executors.cell import run_cell
from sweeps.plan import Task
from sweeps.records.cell_record import CellRecord
from vmp.core.outcome import Figures, Predictions
from vmp.experiment import Runtime


class CellTrainable(tune.Trainable):
    """An actor that runs one cell, an epoch a step, and the next trial's cell after that.

    The cell runs in a thread that waits for the answer to each epoch. The next step brings the answer: Tune calls it
    once the sweep has seen the result of this one. A cell that takes too long says so, and its actor ends itself in the
    step after that, since nothing else can end a thread that hangs.
    """

    def setup(self, config: dict[str, Any]) -> None:
        self._config = config
        with contextlib.suppress(OSError):  # on another node the sweep's folder need not exist
            os.chdir(config["folder"])
        self._answers: queue.SimpleQueue[str | None] | None = None
        self._is_overdue = False

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Go on to the end of the next epoch, or of the cell; results are JSON text."""
        if self._is_overdue:
            os._exit(1)
        limit = self._config["cell_timeout"]
        if self._answers is None:
            self._answers, self._results = queue.SimpleQueue(), queue.SimpleQueue[dict[str, str]]()
            self._ends = None if limit is None else time.monotonic() + limit
            threading.Thread(target=self._run, args=(self._answers, self._results), daemon=True).start()
        else:
            self._answers.put(_take_reason(self._config["mailbox"], self.trial_id))
        result = {"overdue": ""}
        with contextlib.suppress(queue.Empty):
            result = self._results.get(timeout=None if self._ends is None else max(0.0, self._ends - time.monotonic()))
        self._is_overdue = "overdue" in result
        return {**result, "done": False}  # when a trial is done is for the sweep to say

    def _run(self, answers: queue.SimpleQueue[str | None], results: queue.SimpleQueue[dict[str, str]]) -> None:
        def on_epoch(epoch: int, figures: Figures) -> str | None:
            results.put({"epoch": json.dumps({"epoch": epoch, "figures": figures})})
            return answers.get()

        def on_predicted(predictions: Predictions) -> None:
            # A result of its own: Tune holds the last result of each trial in memory to the end.
            results.put({"predictions": predictions.model_dump_json()})
            answers.get()

        try:
            record = run_cell(
                Task(**json.loads(self._config["task"])),
                runtime=Runtime(**self._config["runtime"]),
                engine="ray",
                checkpoints=Path(self._config["checkpoints"]),
                models=Path(self._config["models"]) if self._config["models"] else None,
                on_epoch=on_epoch,
                on_predicted=on_predicted,
            )
            if record.status == "failed":  # a file that is not there, on this node
                reason = f"{record.reason} [on node {ray.util.get_node_ip_address()}]"
                record = record.model_copy(update={"reason": reason})
            results.put({"record": record.model_dump_json()})
        except BaseException as error:
            results.put({"error": f"{type(error).__name__}: {error}"})


def _open_mailbox(name: str) -> Any:
    """The actor through which a reason to stop reaches a running cell, made when the first one is sent.

    Tune itself can end a trial, but then nobody writes the record of what the cell had reached.
    """

    @ray.remote(num_cpus=0)
    class Mailbox:
        def __init__(self) -> None:
            self._reasons: dict[str, str] = {}

        def put(self, trial: str, reason: str) -> None:
            self._reasons[trial] = reason

        def take(self, trial: str) -> str | None:
            return self._reasons.pop(trial, None)

    return Mailbox.options(name=name, get_if_exists=True).remote()  # type: ignore[attr-defined]


def _take_reason(mailbox: str, trial: str) -> str | None:
    """Why the cell is to stop after the epoch that it has reported; None to go on."""
    try:
        actor = ray.get_actor(mailbox)
    except ValueError:  # no cell was stopped so far
        return None
    reason: str | None = ray.get(actor.take.remote(trial))
    return reason


@dataclasses.dataclass(frozen=True)
class Died:
    """A trial has ended without a record.

    Attributes:
        hash: Of its cell.
        reason: Of the cell's end; None where its actor died.
        has_begun: Whether the actor was ready to begin with the cell.
        is_overdue: Whether the cell took longer than it may.
        lost_nodes: Those that were known to be lost when the trial was made.
    """

    hash: str
    reason: str | None
    has_begun: bool
    lost_nodes: frozenset[str]
    is_overdue: bool = False


@dataclasses.dataclass
class _Trial:
    """What is known of a trial of Tune's."""

    hash: str
    lost_nodes: frozenset[str]
    has_begun: bool = False
    is_overdue: bool = False


class _Over(BaseException):
    """Leaves Tune at once."""


class Conversation:
    """Between the caller of `RayTuneExecutor.run`, who gives tasks and receives events, and the thread of Tune.

    Tune's thread waits for the answer to each event, so either side may change what both see while it is its turn.

    Args:
        workers: Cells at a time.
        settings: The configuration that all trials share.
        outlived: Whether Ray goes on after the sweep, so that Tune has to end its actors.
    """

    def __init__(self, workers: int, settings: dict[str, Any], *, outlived: bool) -> None:
        self.workers, self.settings, self._outlived = workers, settings, outlived
        self.tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self.lost_nodes: frozenset[str] = frozenset()
        self.trials: dict[str, _Trial] = {}  # by Tune's name
        self.idle: list[Any] = []  # trials whose cell has ended, of Tune's class
        self.busy = 0  # cells that Tune was given and that have not ended
        self._is_over = False
        self._events: queue.SimpleQueue[Event | Died | BaseException | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves what it was given to restore experiments; ours resume from their own records

    def hear(self) -> Event | Died | None:
        """The caller's side: the next event; None when Tune has started. Raises what has ended Tune."""
        event = self._events.get()
        if isinstance(event, BaseException):
            raise event
        return event

    def answer(self, reason: str | None) -> None:
        """The caller's side: why the cell of the event that was heard is to stop, or None."""
        self._answers.put(reason)

    def end(self) -> None:
        """The caller's side: let Tune's thread end at its next turn."""
        self._is_over = True
        self._answers.put(None)
        self.tasks.put(None)

    def tell(self, event: Event | Died) -> str | None:
        """Tune's side: the answer to an event."""
        self._events.put(event)
        reason = self._answers.get()
        self.leave_if_over()
        return reason

    def tell_start(self) -> None:
        """Tune's side: it asks for the first cell."""
        self._events.put(None)

    def tell_end(self, error: BaseException) -> None:
        """Tune's side: it has ended, by `error`."""
        self._events.put(error)

    def leave_if_over(self) -> None:
        """Tune's side: raise what ends Tune, once the caller has ended the conversation."""
        if self._is_over:  # Tune answers an Exception by waiting for its actors, until it kills them
            raise RuntimeError if self._outlived else _Over


class Cells(Searcher):
    """Gives Tune a trial for each task, no more at a time than there are workers; with nothing to do it waits."""

    def __init__(self, conversation: Conversation) -> None:
        super().__init__()
        self._conversation = conversation
        self._has_started = False
        self.has_given = False  # since the scheduler last had its turn

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        talk = self._conversation
        if not self._has_started:
            self._has_started = True
            talk.tell_start()
        if talk.busy == talk.workers or (self.has_given and talk.idle):  # one actor at a time changes hands
            return None
        try:
            task = talk.tasks.get(block=not talk.busy)
        except queue.Empty:
            return None
        talk.leave_if_over()
        assert task is not None
        talk.busy += 1
        talk.trials[trial_id] = _Trial(task.hash, talk.lost_nodes)
        self.has_given = True
        return {**talk.settings, "cell": task.hash, "task": json.dumps(task.to_plain())}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        del self._conversation.trials[trial_id]

    def save(self, checkpoint_path: str) -> None:
        """Nothing: see `Conversation.__getstate__`."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""


class Beginnings(tune.Callback):
    """Notes which trials have an actor that is ready for them."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._conversation.trials[trial.trial_id].has_begun = True


class Keeper(FIFOScheduler):
    """Tells what trials report, and keeps the actor of a trial whose cell has ended for the next one."""

    def __init__(self, conversation: Conversation, cells: Cells, mailbox: str) -> None:
        super().__init__()
        self._conversation, self._cells, self._mailbox = conversation, cells, mailbox
        self._actor: Any = None  # held here, because an actor ends with the last handle of those who made it

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        talk, known = self._conversation, self._conversation.trials[trial.trial_id]
        if "record" in result or "error" in result:
            talk.busy -= 1
            talk.idle.append(trial)
            if "error" in result:
                talk.tell(Died(known.hash, result["error"], known.has_begun, known.lost_nodes))
            else:
                talk.tell(CellRecord.model_validate_json(result["record"]))
            return str(self.NOOP)
        if "overdue" in result:
            known.is_overdue = True
        elif "predictions" in result:
            talk.tell(Predicted(hash=known.hash, predictions=Predictions.model_validate_json(result["predictions"])))
        elif (reason := talk.tell(Progress(hash=known.hash, **json.loads(result["epoch"])))) is not None:
            self._actor = self._actor or _open_mailbox(self._mailbox)
            ray.get(self._actor.put.remote(trial.trial_id, reason))
        return str(self.CONTINUE)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        talk, known = self._conversation, self._conversation.trials[trial.trial_id]
        talk.busy -= 1
        talk.tell(Died(known.hash, None, known.has_begun, known.lost_nodes, known.is_overdue))

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """Called in each turn of Tune's loop: give the trial that is new in it an actor that has nothing to do.

        Tune starts new trials in their order anyway, and one that has no actor yet takes the actor of a trial that has
        just ended.
        """
        self._conversation.leave_if_over()
        if self._cells.has_given and self._conversation.idle:
            tune_controller.stop_trial(self._conversation.idle.pop())
        self._cells.has_given = False
