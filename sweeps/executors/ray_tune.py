"""Runs cells as Ray Tune trials, on this machine or on the cluster that ``RAY_ADDRESS`` names.

A trial is a cell and its steps are the cell's epochs. Actors are reused: torch is imported and the data are held once
an actor, so a cell costs a fraction of a second of overhead where a fresh trial costs seconds. Tune schedules and
nothing more: records are written by the sweep, from the same `run_cell` as everywhere else. Tasks travel as JSON text.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import math
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# Read by Ray at import; a user's own values win.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # else a result file, CSV and events for each trial
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # else Ctrl-C ends the trials and not the sweep
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray reports to its makers, with a page about it
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else a warning for each start of a worker
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # else a page about each experiment on standard output

import ray
from ray import tune

from sweeps.executors.base import Event, More, OnEvent, Predicted, Progress, Resources, failed_record, no_more
from sweeps.executors.cell import run_cell
from sweeps.plan import Task
from sweeps.record import CellRecord
from vmp.core.errors import InputError
from vmp.core.outcome import Figures, Predictions
from vmp.core.text import count
from vmp.experiment import Runtime

_DIED = "the actor died"
_LONGEST_PLACE = 25  # Ray puts sockets about 80 characters below it, and the path of a socket has at most 107

# Tune prints a page for every failed trial; ours end as failed records with their reason.
logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


class CellTrainable(tune.Trainable):
    """An actor that runs one cell, an epoch a step, and the next trial's cell after that.

    The cell runs in a thread that waits for the answer to each epoch. The next step brings the answer: Tune calls it
    once the sweep has seen the result of this one.
    """

    def setup(self, config: dict[str, Any]) -> None:
        self._config = config
        with contextlib.suppress(OSError):  # on another node the sweep's folder need not exist
            os.chdir(config["folder"])
        self._answers: queue.SimpleQueue[str | None] | None = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Go on to the end of the next epoch, or of the cell; results are JSON text."""
        if self._answers is None:
            self._answers, self._results = queue.SimpleQueue(), queue.SimpleQueue[dict[str, Any]]()
            threading.Thread(target=self._run, args=(self._answers, self._results), daemon=True).start()
        else:
            self._answers.put(_take_reason(self._config["mailbox"], self._config["task"]))
        result = self._results.get()
        if "error" in result:
            raise result["error"]
        return result

    def _run(self, answers: queue.SimpleQueue[str | None], results: queue.SimpleQueue[dict[str, Any]]) -> None:
        def on_epoch(epoch: int, figures: Figures) -> str | None:
            results.put({"epoch": epoch, "figures": json.dumps(figures), "done": False})
            return answers.get()

        def on_predicted(predictions: Predictions) -> None:
            # A result of its own: Tune holds the last result of each trial in memory to the end.
            results.put({"predictions": predictions.model_dump_json(), "done": False})
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
            results.put({"record": record.model_dump_json(), "done": True})
        except BaseException as error:
            results.put({"error": error})


def _open_mailbox(name: str) -> Any:
    """The actor through which a reason to stop reaches a running cell, made when the first one is sent.

    Tune itself can end a trial, but then nobody writes the record of what the cell had reached.
    """

    @ray.remote(num_cpus=0)
    class Mailbox:
        def __init__(self) -> None:
            self._reasons: dict[str, str] = {}

        def put(self, task: str, reason: str) -> None:
            self._reasons[task] = reason

        def take(self, task: str) -> str | None:
            return self._reasons.pop(task, None)

    return Mailbox.options(name=name, get_if_exists=True).remote()  # type: ignore[attr-defined]


def _take_reason(mailbox: str, task: str) -> str | None:
    """Why the cell is to stop after the epoch that it has reported; None to go on."""
    try:
        actor = ray.get_actor(mailbox)
    except ValueError:  # no cell was stopped so far
        return None
    reason: str | None = ray.get(actor.take.remote(task))
    return reason


class _Forward(tune.Callback):
    """Hands what cells report to the sweep, in the thread that called `RayTuneExecutor.run`, and notes what failed."""

    def __init__(self, on_event: OnEvent, mailbox: str, attempts: Mapping[str, int]) -> None:
        self._on_event, self._mailbox, self._attempts = on_event, mailbox, attempts
        self._actor: Any = None  # held here, because an actor ends with the last handle of those who made it
        self.errors: dict[str, str] = {}
        self.raised: Exception | None = None  # by the sweep; Tune would make a page of it

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves its callbacks to restore experiments; ours resume from their own records

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "record" in result:
            record = CellRecord.model_validate_json(result["record"])
            provenance = record.provenance.model_copy(update={"tries": self._attempts[record.hash] + 1})
            self._answer(record.model_copy(update={"provenance": provenance}))
            return
        if "predictions" in result:
            predictions = Predictions.model_validate_json(result["predictions"])
            self._answer(Predicted(hash=_task_hash(trial), predictions=predictions))
            return
        progress = Progress(hash=_task_hash(trial), epoch=result["epoch"], figures=json.loads(result["figures"]))
        if (reason := self._answer(progress)) is not None:
            self._actor = self._actor or _open_mailbox(self._mailbox)
            ray.get(self._actor.put.remote(trial.config["task"], reason))

    def _answer(self, event: Event) -> str | None:
        try:
            return self._on_event(event)
        except Exception as error:
            self.raised = error
            raise

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        lines = str(trial.get_error() or "").strip().splitlines()
        self.errors[_task_hash(trial)] = lines[-1] if lines else _DIED


@contextlib.contextmanager
def _swept_folder() -> Iterator[Path]:
    """A temporary folder for Ray, whose processes and files go with this process however it ends."""
    place = tempfile.gettempdir()
    if len(place) > _LONGEST_PLACE:
        place = "/tmp"
    folder = tempfile.mkdtemp(prefix="vmp-ray-", dir=place)
    command = [sys.executable, "-P", "-m", "sweeps.executors.ray_janitor", folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):  # closes its input, and waits
        yield Path(folder)


class RayTuneExecutor:
    """At most `resources.workers` trials at a time, each with a CPU for every thread; see
    `sweeps.executors.base.Executor` for the contract.

    Joins a Ray that is already initialised or the cluster in ``RAY_ADDRESS``, else starts one of its own.
    """

    def __init__(self, resources: Resources) -> None:
        if resources.cell_timeout is not None:
            raise InputError("--cell-timeout works with --engine local only; leave it out, or run on this machine")
        self._resources = resources
        self._own = contextlib.ExitStack()
        self._lost_nodes: set[str] = set()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as own:
            joins = ray.is_initialized() or _reachable_address()
            self._folder = own.enter_context(_swept_folder())
            if not ray.is_initialized():
                cpus = math.ceil(self._resources.workers * self._needs()["cpu"])
                local: dict[str, Any] = {"address": "local", "num_cpus": cpus, "_temp_dir": str(self._folder / "ray")}
                # Ray puts the folder in which it starts first on the path of its workers. Yours may hold a `sweeps/` or
                # a `vmp.py`, so it starts in an empty one, and `CellTrainable` goes where the sweep is.
                empty = self._folder / "empty"
                empty.mkdir()
                own.callback(ray.shutdown)
                with contextlib.chdir(empty):
                    there = {} if joins else local
                    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", **there)
            self._own = own.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._own.close()

    def run(self, tasks: Sequence[Task], on_event: OnEvent, more: More = no_more) -> None:
        """Run every task as a trial; see the contract. Tune takes no trial while it runs."""
        del more
        remaining = list(tasks)
        self._lost_nodes = {node["NodeID"] for node in ray.nodes() if not node["Alive"]}
        attempts: Counter[str] = Counter()
        # Whole new trials: Tune's own recovery restores checkpoints that a cell does not have.
        while remaining:
            errors = self._fit(remaining, on_event, attempts)
            lost_node = _DIED in errors.values() and self._lost_a_node()
            remaining = [task for task in remaining if task.hash in errors]
            for task in list(remaining):
                if lost_node and errors[task.hash] == _DIED:
                    continue  # with its node: no fault of the cell
                attempts[task.hash] += 1
                if (tries := attempts[task.hash]) == self._resources.tries:
                    remaining.remove(task)
                    reason = f"Ray gave up on the cell after {count(tries, 'try', 'tries')}: {errors[task.hash]}"
                    on_event(failed_record(task, reason, engine="ray", tries=tries))

    def _lost_a_node(self) -> bool:
        """Whether a node has died since the last call. Ray itself notices that later than the end of its actors."""
        lost = {node["NodeID"] for node in ray.nodes() if not (node["Alive"] and _answers(node))}
        is_new = not lost <= self._lost_nodes
        self._lost_nodes |= lost
        return is_new

    def _needs(self) -> dict[str, float]:
        """What Ray reserves for a cell."""
        runtime, needs = self._resources.runtime, self._resources.needs
        reserved: dict[str, float] = {"cpu": needs.cpus or runtime.threads}
        # The sweep itself may run on a head node without a GPU: what the cluster has decides, not what is here.
        has_gpu = runtime.device == "auto" and ray.is_initialized() and ray.cluster_resources().get("GPU")
        if needs.gpus != 0 and (runtime.device.startswith("cuda") or has_gpu):
            reserved["gpu"] = 1 if needs.gpus is None else needs.gpus
        if needs.memory is not None:
            reserved["memory"] = needs.memory
        return reserved

    def _fit(self, tasks: Sequence[Task], on_event: OnEvent, attempts: Mapping[str, int]) -> dict[str, str]:
        """Run each task once, after so many attempts; returns hash and error of those that failed."""
        runtime, needs = self._resources.runtime, self._needs()
        _refuse_too_large(needs)
        mailbox = f"vmp-{uuid.uuid4().hex}"
        forward = _Forward(on_event, mailbox, attempts)
        try:
            with tempfile.TemporaryDirectory(prefix="tune-", dir=self._folder) as storage:
                tune.Tuner(
                    tune.with_resources(CellTrainable, needs),
                    param_space={
                        "task": tune.grid_search([json.dumps(task.to_plain()) for task in tasks]),
                        "runtime": dataclasses.asdict(runtime),
                        "checkpoints": str(self._resources.checkpoints.resolve()),
                        "models": str(self._resources.models.resolve()) if self._resources.models else "",
                        "folder": str(Path.cwd()),
                        "mailbox": mailbox,
                    },
                    tune_config=tune.TuneConfig(
                        reuse_actors=True,
                        max_concurrent_trials=self._resources.workers,
                        trial_name_creator=_trial_name,
                        trial_dirname_creator=_trial_name,
                    ),
                    run_config=tune.RunConfig(
                        name="cells",
                        storage_path=storage,
                        verbose=0,
                        callbacks=[forward],
                        checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                    ),
                ).fit()
        except Exception:
            if forward.raised is not None:
                raise forward.raised from None
            raise
        return forward.errors


def _reachable_address() -> str | None:
    """What ``RAY_ADDRESS`` names. Refuses one where nobody answers, for which Ray itself waits minutes."""
    address = os.environ.get("RAY_ADDRESS")
    host, colon, port = (address or "").rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        except OSError as error:
            raise InputError(
                f"no Ray answers at RAY_ADDRESS={address} ({error.strerror or error}); start it there with "
                "`ray start --head`, or unset RAY_ADDRESS for a Ray of its own"
            ) from error
    return address


def _answers(node: dict[str, Any]) -> bool:
    try:
        socket.create_connection((node["NodeManagerAddress"], node["NodeManagerPort"]), timeout=3).close()
    except OSError:
        return False
    return True


def _refuse_too_large(needs: dict[str, float]) -> None:
    """Refuse a cell that no node can hold: Ray would wait for one without end."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    names = {"cpu": "CPU", "gpu": "GPU", "memory": "memory"}
    if not any(all(node.get(names[key], 0) >= value for key, value in needs.items()) for node in nodes):
        asked = ", ".join(f"{names[key]} {value:g}" for key, value in needs.items())
        raise InputError(
            f"no node of the Ray cluster can hold a cell, which takes {asked} (resources in the study, --threads, "
            "--device); start such a node, or lower what a cell takes"
        )


def _trial_name(trial: Any) -> str:
    return f"cell_{_task_hash(trial)}"


def _task_hash(trial: Any) -> str:
    name: str = Task(**json.loads(trial.config["task"])).hash
    return name
