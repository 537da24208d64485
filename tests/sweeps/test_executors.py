"""The contract of every executor: each task ends in exactly one record with the same numbers, whatever dies."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweeps.executors.base import EXECUTORS, Event, Executor, Progress, Resources, make_executor
from sweeps.executors.cell import run_cell
from sweeps.plan import Task, grid_tasks
from sweeps.record import CellRecord
from sweeps.study import Study
from vmp.core.errors import InputError
from vmp.data.registry import MotionData
from vmp.data.sampling import SamplingConfig
from vmp.experiment import Runtime
from vmp.training.loop import TrainConfig

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


def deadly(graves: Path, deaths: int) -> list[Task]:
    """Two cells, in whose training so many workers die: by SIGKILL, as the kernel kills when memory is short."""
    backbone = {"name": "tests.sweeps.staged:deadly", "options": {"graves": str(graves), "deaths": deaths}}
    train = TrainConfig(epochs=2, batch_size=8)
    return grid_tasks(dataclasses.replace(SMALL, seeds=(0,), train=train, backbone=backbone))[:2]


@pytest.fixture(scope="module")
def expected() -> dict[str, dict[str, Any]]:
    """What each task gives when it is simply called."""
    return {task.hash: run_cell(task, runtime=Runtime(), engine="test").metrics for task in TASKS}


ENGINES = pytest.mark.parametrize(
    "executor", [("local", 1), ("local", 2), ("ray", 2)], ids=lambda p: f"{p[0]}-{p[1]}", indirect=True
)


@pytest.fixture(scope="class")
def executor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    engine, workers = request.param
    with make_executor(engine, resources_in(tmp_path_factory.mktemp(engine), workers)) as made:
        yield made


def resources_in(folder: Path, workers: int) -> Resources:
    return Resources(workers=workers, device="cpu", checkpoints=folder / "checkpoints", logs=folder / "logs")


def records_of(events: list[Event]) -> list[CellRecord]:
    return [event for event in events if isinstance(event, CellRecord)]


def worker_processes() -> list[psutil.Process]:
    """The processes below this one in which cells run, of either engine."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any(mark in " ".join(process.cmdline()) for mark in ("sweeps.executors.worker", "Trainable")):
                found.append(process)
    return found


@ENGINES
class TestContract:
    """Those that leave the executor as it was share it: a start of workers costs more than the cells."""

    def test_every_task_once_with_the_same_numbers(
        self, executor: Executor, expected: dict[str, dict[str, Any]]
    ) -> None:
        events: list[Event] = []
        executor.run(TASKS[:4], events.append)
        executor.run(TASKS[4:], events.append)  # the workers of the first call serve the second
        executor.run([], events.append)
        records = records_of(events)
        assert Counter(record.hash for record in records) == Counter(task.hash for task in TASKS)
        assert {record.hash: record.metrics for record in records} == expected
        assert {record.status for record in records} == {"complete"}
        assert all(record.provenance["code"] == records[0].provenance["code"] for record in records)

    def test_a_cell_that_fails_is_recorded_and_the_others_go_on(self, executor: Executor) -> None:
        broken = dataclasses.replace(TASKS[0], settings={**TASKS[0].settings, "sampling": {"strategy": "nonsense"}})
        events: list[Event] = []
        executor.run([broken, TASKS[1]], events.append)
        status = {record.hash: record for record in records_of(events)}
        assert status[broken.hash].status == "failed"
        assert "nonsense" in (status[broken.hash].reason or "")
        assert status[TASKS[1].hash].status == "complete"

    def test_a_killed_worker_costs_no_cell(self, executor: Executor, tmp_path: Path) -> None:
        tasks, events = deadly(tmp_path / "graves", deaths=1), list[Event]()
        executor.run(tasks, events.append)
        assert len(list((tmp_path / "graves").iterdir())) == 1
        undisturbed = [run_cell(task, runtime=Runtime(), engine="test").metrics for task in tasks]
        found = {record.hash: (record.reason, record.metrics) for record in records_of(events)}
        assert found == {task.hash: (None, metrics) for task, metrics in zip(tasks, undisturbed, strict=True)}
        assert len(records_of(events)) == len(tasks)


@ENGINES
def test_stopping_leaves_no_process_behind(executor: Executor) -> None:
    def stop(_: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        executor.run(TASKS, stop)
    executor.__exit__(None, None, None)
    _, alive = psutil.wait_procs(worker_processes(), timeout=20)
    assert not alive


def test_a_cell_that_kills_every_worker_is_given_up_with_the_reason(tmp_path: Path) -> None:
    tasks, events = deadly(tmp_path / "graves", deaths=3)[:1], list[Event]()
    with make_executor("local", resources_in(tmp_path, workers=1)) as executor:
        executor.run(tasks, events.append)
    assert events.count(Progress(hash=tasks[0].hash, epochs=1)) == 2  # both workers died in the middle of the cell
    (record,) = records_of(events)
    assert record.status == "failed"
    assert "SIGKILL" in (record.reason or "")
    assert "worker-2.log" in (record.reason or "")


def test_unknown_engine(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"unknown engine 'slurm'; valid: {', '.join(EXECUTORS)}"):
        make_executor("slurm", resources_in(tmp_path, workers=1))


def test_a_ray_cluster_of_two_nodes(tmp_path: Path, expected: dict[str, dict[str, Any]]) -> None:
    """Nodes that each have one CPU: both must work, and the numbers do not say where a cell ran."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        events: list[Event] = []
        with make_executor("ray", resources_in(tmp_path, workers=2)) as executor:
            executor.run(TASKS, events.append)
        assert {record.hash: record.metrics for record in records_of(events)} == expected
        assert ray.is_initialized()  # a Ray that was there before is not ours to stop
    finally:
        ray.shutdown()
        cluster.shutdown()
