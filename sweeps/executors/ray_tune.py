"""Runs cells as Ray Tune trials, on this machine or on the cluster that ``RAY_ADDRESS`` names.

A cell is one step of a class Trainable whose actors are reused: torch is imported and the data are held once an actor,
so a cell costs a fraction of a second of overhead where a fresh trial costs seconds. Tune schedules and nothing more:
records are written by the sweep, from the same `run_cell` as everywhere else. Tasks travel as JSON text.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# Read by Ray at import: no files a trial, no handler that swallows Ctrl-C, no usage report, no GPU surprises.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import ray
from ray import tune

from sweeps.executors.base import Event, Resources, failed_record
from sweeps.executors.cell import run_cell
from sweeps.plan import Task, code_hash
from sweeps.record import CellRecord
from vmp.experiment import Runtime

_ATTEMPTS = 2
# Tune prints a page for every failed trial; ours end as failed records with their reason.
logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


class CellTrainable(tune.Trainable):
    """An actor that runs one cell a step, and the next trial's cell after that."""

    def setup(self, config: dict[str, Any]) -> None:
        self._config = config

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._config = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Run the cell; the record goes back as JSON text."""
        task = Task(**json.loads(self._config["task"]))
        if self._config["code"] != code_hash():
            node = ray.util.get_node_ip_address()
            raise RuntimeError(f"node {node} has other code than the sweep; install the same version on every node")
        record = run_cell(
            task,
            runtime=Runtime(device=self._config["device"]),
            engine="ray",
            checkpoints=Path(self._config["checkpoints"]),
        )
        return {"record": record.model_dump_json(), "done": True}


class _Forward(tune.Callback):
    """Hands finished records to the sweep, in the thread that called `RayTuneExecutor.run`, and keeps what failed."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self.errors: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves its callbacks to restore experiments; ours resume from their own records

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self._on_event(CellRecord.model_validate_json(result["record"]))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        lines = str(trial.get_error() or "").strip().splitlines()
        self.errors[_task_hash(trial)] = lines[-1] if lines else "the actor died"


class RayTuneExecutor:
    """At most `resources.workers` trials at a time, one CPU each; see `sweeps.executors.base.Executor` for the contract.

    Joins a Ray that is already initialised or the cluster in ``RAY_ADDRESS``, else starts one of its own.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._own = False

    def __enter__(self) -> Self:
        if not ray.is_initialized():
            local = {} if os.environ.get("RAY_ADDRESS") else {"address": "local", "num_cpus": self._resources.workers}
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", **local)
            self._own = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own:
            ray.shutdown()

    def run(self, tasks: Sequence[Task], on_event: Callable[[Event], None]) -> None:
        """Run every task as a trial; see the contract."""
        remaining = list(tasks)
        errors: dict[str, str] = {}
        for _ in range(
            _ATTEMPTS
        ):  # whole new trials: Tune's own recovery restores checkpoints that a cell does not have
            if remaining:
                errors = self._fit(remaining, on_event)
                remaining = [task for task in remaining if task.hash in errors]
        for task in remaining:
            reason = f"Ray gave up on the cell after {_ATTEMPTS} tries: {errors[task.hash]}"
            on_event(failed_record(task, reason, engine="ray"))

    def _fit(self, tasks: Sequence[Task], on_event: Callable[[Event], None]) -> dict[str, str]:
        """Run each task once; returns hash and error of those that failed."""
        forward = _Forward(on_event)
        # The sweep itself may run on a head node without a GPU: what the cluster has decides, not what is here.
        device = self._resources.device
        gpus = (
            {"gpu": 1} if device.startswith("cuda") or (device == "auto" and ray.cluster_resources().get("GPU")) else {}
        )
        with tempfile.TemporaryDirectory(prefix="vmp-ray-") as storage:
            tune.Tuner(
                tune.with_resources(CellTrainable, {"cpu": 1, **gpus}),
                param_space={
                    "task": tune.grid_search([json.dumps(task.to_plain()) for task in tasks]),
                    "code": code_hash(),
                    "device": device,
                    "checkpoints": str(self._resources.checkpoints.resolve()),
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
        return forward.errors


def _trial_name(trial: Any) -> str:
    return f"cell_{_task_hash(trial)}"


def _task_hash(trial: Any) -> str:
    name: str = json.loads(trial.config["task"])["hash"]
    return name
