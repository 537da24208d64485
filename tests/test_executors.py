"""The contract of every executor: each task ends in exactly one record with the same numbers, whatever dies."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweeps.cell import run_cell
from sweeps.executors import EXECUTORS, Event, Executor, Progress, Resources, make_executor
from sweeps.plan import grid_tasks
from sweeps.record import CellRecord
from sweeps.study import Study
from vmp.data import MotionData
from vmp.errors import InputError
from vmp.experiment import Runtime
from vmp.sampling import SamplingConfig
from vmp.training import TrainConfig

SMALL = Study(
    name="contract",
    factors={"prompt": ("control", "vmp"), "lambda": (0, 1)},
    seeds=(0, 1),
    data=MotionData(train=24, val=12, test=12, size=16, num_frames=5),
    sampling=SamplingConfig(num_frames=4),
    backbone={"name": "cnn3d_tiny"},  # type: ignore[arg-type]
    train=TrainConfig(epochs=1, batch_size=8),
)
TASKS = grid_tasks(SMALL)
LONG = grid_tasks(dataclasses.replace(SMALL, seeds=(0,), train=TrainConfig(epochs=300, batch_size=8)))[:2]


@pytest.fixture(scope="module")
def expected() -> dict[str, dict[str, Any]]:
    """What each task gives when it is simply called."""
    return {task.hash: run_cell(task, runtime=Runtime(), engine="test").metrics for task in TASKS}


@pytest.fixture(params=[("local", 1), ("local", 2), ("ray", 2)], ids=lambda p: f"{p[0]}-{p[1]}")
def executor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Executor]:
    engine, workers = request.param
    resources = Resources(workers=workers, device="cpu", checkpoints=tmp_path / "checkpoints", logs=tmp_path / "logs")
    with make_executor(engine, resources) as made:
        yield made


def records_of(events: list[Event]) -> list[CellRecord]:
    return [event for event in events if isinstance(event, CellRecord)]


def worker_processes(marks: tuple[str, ...] = ("sweeps.worker", "Trainable")) -> list[psutil.Process]:
    """The processes below this one in which cells run, of either engine."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any(mark in " ".join(process.cmdline()) for mark in marks):
                found.append(process)
    return found


class Killer:
    """Kills `times` workers in the middle of a cell, and passes events on to `events`.

    A local worker is in a cell when it has reported an epoch; a Ray actor says in its title that it trains.
    """

    def __init__(self, times: int) -> None:
        self.left, self.events = times, list[Event]()
        threading.Thread(target=self._watch_ray, daemon=True).start()

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Progress):
            self._kill(worker_processes(("sweeps.worker",)))

    def _watch_ray(self) -> None:
        while self.left:
            training = worker_processes(("Trainable.train",))
            time.sleep(0.5)
            self._kill([process for process in training if process.is_running()])

    def _kill(self, processes: list[psutil.Process]) -> None:
        if self.left and processes:
            self.left -= 1
            processes[0].kill()


def test_every_task_once_with_the_same_numbers(executor: Executor, expected: dict[str, dict[str, Any]]) -> None:
    events: list[Event] = []
    executor.run(TASKS[:4], events.append)
    executor.run(TASKS[4:], events.append)  # the workers of the first call serve the second
    executor.run([], events.append)
    records = records_of(events)
    assert Counter(record.hash for record in records) == Counter(task.hash for task in TASKS)
    assert {record.hash: record.metrics for record in records} == expected
    assert {record.status for record in records} == {"complete"}
    assert all(record.provenance["code"] == records[0].provenance["code"] for record in records)


def test_a_cell_that_fails_is_recorded_and_the_others_go_on(executor: Executor) -> None:
    broken = dataclasses.replace(TASKS[0], settings={**TASKS[0].settings, "sampling": {"strategy": "nonsense"}})
    events: list[Event] = []
    executor.run([broken, TASKS[1]], events.append)
    status = {record.hash: record for record in records_of(events)}
    assert status[broken.hash].status == "failed"
    assert "nonsense" in (status[broken.hash].reason or "")
    assert status[TASKS[1].hash].status == "complete"


def test_a_killed_worker_costs_no_cell(executor: Executor) -> None:
    killer = Killer(1)
    executor.run(LONG, killer.on_event)
    assert killer.left == 0, "no worker was killed: the cells are too short for this machine"
    records = records_of(killer.events)
    assert Counter(record.hash for record in records) == Counter(task.hash for task in LONG)
    assert [record.reason for record in records] == [None] * len(LONG)


def test_stopping_leaves_no_process_behind(executor: Executor) -> None:
    def stop(_: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        executor.run(TASKS, stop)
    executor.__exit__(None, None, None)
    _, alive = psutil.wait_procs(worker_processes(), timeout=20)
    assert not alive


def test_a_cell_that_kills_every_worker_is_given_up_with_the_reason(tmp_path: Path) -> None:
    resources = Resources(workers=1, device="cpu", checkpoints=tmp_path / "checkpoints", logs=tmp_path / "logs")
    killer = Killer(2)
    with make_executor("local", resources) as executor:
        executor.run(LONG[:1], killer.on_event)
    (record,) = records_of(killer.events)
    assert record.status == "failed"
    assert "SIGKILL" in (record.reason or "")
    assert "worker-2.log" in (record.reason or "")


def test_unknown_engine(tmp_path: Path) -> None:
    resources = Resources(workers=1, device="cpu", checkpoints=tmp_path, logs=tmp_path)
    with pytest.raises(InputError, match=f"unknown engine 'slurm'; valid: {', '.join(EXECUTORS)}"):
        make_executor("slurm", resources)


def test_a_ray_cluster_of_two_nodes(tmp_path: Path, expected: dict[str, dict[str, Any]]) -> None:
    """Nodes that each have one CPU: both must work, and the numbers do not say where a cell ran."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        resources = Resources(workers=2, device="cpu", checkpoints=tmp_path / "checkpoints", logs=tmp_path / "logs")
        events: list[Event] = []
        with make_executor("ray", resources) as executor:
            executor.run(TASKS, events.append)
        assert {record.hash: record.metrics for record in records_of(events)} == expected
        assert ray.is_initialized()  # a Ray that was there before is not ours to stop
    finally:
        ray.shutdown()
        cluster.shutdown()
