"""Runs cells as Ray Tune trials, on this machine or on the cluster that ``RAY_ADDRESS`` names.

A trial is a cell and its steps are the cell's epochs. Actors are reused, also between two calls of `run`: torch is
imported and the data are held once an actor, so a cell costs a fraction of a second of overhead where a fresh trial
costs seconds. Tune schedules and nothing more: records are written by the sweep, from the same `run_cell` as everywhere
else. Tasks travel as JSON text.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray
from ray import tune
from ray._private import worker as ray_driver

from sweeps.executors.base import (
    MAX_FALSE_STARTS,
    Event,
    More,
    OnEvent,
    Resources,
    failed_record,
    no_more,
    overdue_record,
)
from sweeps.executors.ray_trials import Beginnings, Cells, CellTrainable, Conversation, Died, Keeper
from sweeps.plan import Task
from sweeps.records.cell_record import CellRecord
from vmp.core.errors import InputError
from vmp.core.text import count

_VARIABLES = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # else a result file, CSV and events for each trial
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # else Ctrl-C ends the trials and not the sweep
    "RAY_USAGE_STATS_ENABLED": "0",  # else Ray reports to its makers, with a page about it
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a warning for each start of a worker
    "RAY_AIR_NEW_OUTPUT": "0",  # else a page about each experiment on standard output
    "TUNE_MAX_PENDING_TRIALS_PG": "1000",  # else actors start one after the other
}
_LONGEST_PLACE = 25  # Ray puts sockets about 80 characters below it, and the path of a socket has at most 107


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


@contextlib.contextmanager
def _our_tune() -> Iterator[None]:
    """What our trials need of Ray and Tune, which read it when they start; the user's own values win. It goes again,
    as the process may run a Tune of the user's too, which would then record nothing."""
    log = logging.getLogger("ray.tune")
    level = log.level
    added = {name: value for name, value in _VARIABLES.items() if name not in os.environ}
    os.environ.update(added)
    log.setLevel(logging.CRITICAL)  # it has a page for each failed trial; ours end as failed records with their reason
    try:
        yield
    finally:
        log.setLevel(level)
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _silent_driver() -> Iterator[None]:
    """Ray prints what its nodes report, such as a worker that was killed, on our standard output, asked for or not."""
    name = "print_to_stdstream"
    printing = getattr(ray_driver, name, None)
    setattr(ray_driver, name, lambda *_, **__: None)
    try:
        yield
    finally:
        setattr(ray_driver, name, printing)


class RayTuneExecutor:
    """At most `resources.workers` trials at a time, each with a CPU for every thread; see
    `sweeps.executors.base.Executor` for the contract.

    Joins a Ray that is already initialised or the cluster in ``RAY_ADDRESS``, else starts one of its own.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._own = contextlib.ExitStack()
        self._tune: threading.Thread | None = None
        self._false_starts = 0  # in turn

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as own:
            own.enter_context(_our_tune())
            self._is_guest = ray.is_initialized()
            joins = self._is_guest or _reachable_address()
            self._folder = own.enter_context(_swept_folder())
            if not self._is_guest:
                cpus = math.ceil(self._resources.workers * self._needs()["cpu"])
                local: dict[str, Any] = {"address": "local", "num_cpus": cpus, "_temp_dir": str(self._folder / "ray")}
                # Ray puts the folder in which it starts first on the path of its workers. Yours may hold a `sweeps/` or
                # a `vmp.py`, so it starts in an empty one, and `CellTrainable` goes where the sweep is.
                empty = self._folder / "empty"
                empty.mkdir()
                own.enter_context(_silent_driver())
                own.callback(ray.shutdown)
                with contextlib.chdir(empty):
                    there = {} if joins else local
                    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", **there)
            self._own = own.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tune is not None:
            self._talk.end()
            self._tune.join(timeout=30)  # a Ray that is gone may keep it waiting
        self._own.close()

    def run(self, tasks: Sequence[Task], on_event: OnEvent, more: More = no_more) -> None:
        """Run every task as a trial; see the contract."""
        if not tasks:
            return
        _refuse_too_large(self._needs())
        if self._tune is None:
            self._start_tune()
        talk, open_tasks, attempts = self._talk, dict[str, Task](), Counter[str]()
        talk.lost_nodes |= {node["NodeID"] for node in ray.nodes() if not node["Alive"]}

        def give(new: Sequence[Task]) -> None:
            for task in new:
                open_tasks[task.hash] = task
                talk.tasks.put(task)

        give(tasks)
        while open_tasks:
            event: Event | None
            if isinstance(heard := talk.hear(), Died):
                event = self._given_up(heard, open_tasks[heard.hash], attempts)
                if event is None:
                    _refuse_too_large(self._needs())
                    give([open_tasks[heard.hash]])
            else:
                event, self._false_starts = heard, 0
            if isinstance(event, CellRecord):
                event = event.with_provenance(tries=attempts[event.hash] + (event is heard))
            reason = on_event(event) if event is not None else None
            if isinstance(event, CellRecord):
                del open_tasks[event.hash]
                give(more())
            talk.answer(reason)

    def _given_up(self, died: Died, task: Task, attempts: Counter[str]) -> CellRecord | None:
        """The record of a cell that took too long or whose tries are used up; None where it is to be tried again."""
        limit = self._resources.cell_timeout
        if died.is_overdue and limit is not None:
            return overdue_record(task, limit, engine="ray", tries=attempts[task.hash] + 1)
        if died.reason is None and self._lost_nodes() - died.lost_nodes:
            return None  # with its node: no fault of the cell
        if not died.has_begun:  # a kill can hit any process at any time
            self._false_starts += 1
            if self._false_starts == MAX_FALSE_STARTS:
                raise InputError(f"{MAX_FALSE_STARTS} Ray actors in turn died before they could begin with a cell")
            return None
        attempts[task.hash] += 1
        if (tries := attempts[task.hash]) < self._resources.tries:
            return None
        reason = f"Ray gave up on the cell after {count(tries, 'try', 'tries')}: {died.reason or 'the actor died'}"
        return failed_record(task, reason, engine="ray", tries=tries)

    def _lost_nodes(self) -> frozenset[str]:
        """The nodes that have died so far. Ray itself notices that later than the end of its actors."""
        self._talk.lost_nodes |= {node["NodeID"] for node in ray.nodes() if not (node["Alive"] and _answers(node))}
        return self._talk.lost_nodes

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

    def _start_tune(self) -> None:
        """Start the one experiment of this executor, in a thread, and wait until it asks for cells."""
        mailbox = f"vmp-{uuid.uuid4().hex}"
        self._talk = Conversation(
            self._resources.workers,
            {
                "runtime": dataclasses.asdict(self._resources.runtime),
                "checkpoints": str(self._resources.checkpoints.resolve()),
                "models": str(self._resources.models.resolve()) if self._resources.models else "",
                "folder": str(Path.cwd()),
                "cell_timeout": self._resources.cell_timeout,
                "mailbox": mailbox,
            },
            outlived=self._is_guest,
        )
        tuner = tune.Tuner(
            tune.with_resources(CellTrainable, self._needs()),
            tune_config=tune.TuneConfig(
                search_alg=(cells := Cells(self._talk)),
                scheduler=Keeper(self._talk, cells, mailbox),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=_trial_name,
                trial_dirname_creator=_trial_name,
            ),
            run_config=tune.RunConfig(
                name="cells",
                storage_path=str(self._folder / "tune"),
                verbose=0,
                callbacks=[Beginnings(self._talk)],
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            ),
        )
        self._tune = threading.Thread(target=_fit, args=(tuner, self._talk), daemon=True)
        with warnings.catch_warnings(action="ignore"):  # Tune imports whatever tracker is installed, and old ones warn
            self._tune.start()
            self._talk.hear()


def _fit(tuner: tune.Tuner, talk: Conversation) -> None:
    """Run cells until the conversation is over."""
    try:
        tuner.fit()
    except BaseException as error:  # also where the conversation is over, and nobody reads it
        talk.tell_end(error)
    else:
        talk.tell_end(RuntimeError("Ray Tune has ended before the sweep"))


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
    return f"cell_{trial.config['cell']}"
