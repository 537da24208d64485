"""The contract of every executor: each task ends in exactly one record with the same numbers, whatever dies."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sweeps.executors import cell
from sweeps.executors.base import Event, Executor, OnEvent, Predicted, Progress, Resources
from sweeps.executors.cell import run_cell
from sweeps.executors.registry import EXECUTORS, make_executor
from sweeps.plan import Task, grid_tasks
from sweeps.records.cell_record import CellRecord
from tests.sweeps.staged import backbone, small_study
from vmp.core.errors import InputError
from vmp.core.outcome import Figures
from vmp.experiment import Runtime

TASKS = grid_tasks(small_study("factors.prompt=[control, vmp]"))
LONG = grid_tasks(small_study("factors.prompt=[vmp]", "factors.lambda=[1]", "train.epochs=4"))


def deadly(graves: Path, deaths: int) -> list[Task]:
    """Two cells, in whose training so many workers die: by SIGKILL, as the kernel kills when memory is short."""
    dies = backbone("deadly", graves=str(graves), deaths=deaths)
    return grid_tasks(small_study("factors.prompt=[vmp]", "seeds=[0]", "train.epochs=2", *dies))


@pytest.fixture(scope="module")
def expected() -> dict[str, Figures]:
    """What each task gives when it is simply called."""
    return {task.hash: run_cell(task, runtime=Runtime(), engine="test").metrics for task in TASKS}


ENGINES = pytest.mark.parametrize(
    "executor",
    # One process of pytest-xdist for all that share a Ray: it takes as long to start as a dozen cells to run.
    [("local", 1), ("local", 2), pytest.param(("ray", 2), marks=[pytest.mark.slow, pytest.mark.xdist_group("ray")])],
    ids=lambda p: f"{p[0]}-{p[1]}",
    indirect=True,
)


@pytest.fixture(scope="class")
def executor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    engine, workers = request.param
    with make_executor(engine, resources_in(tmp_path_factory.mktemp(engine), workers)) as made:
        yield made


def resources_in(folder: Path, workers: int, runtime: Runtime | None = None) -> Resources:
    return Resources(
        workers=workers,
        runtime=runtime or Runtime(device="cpu"),
        checkpoints=folder / "checkpoints",
        logs=folder / "logs",
    )


class Listener:
    """Collects events; stops the cell `stop` after its epoch `after`."""

    def __init__(self, stop: str | None = None, after: int = 0) -> None:
        self.events: list[Event] = []
        self._stop = (stop, after)

    def __call__(self, event: Event) -> str | None:
        self.events.append(event)
        is_last = isinstance(event, Progress) and (event.hash, event.epoch) == self._stop
        return "enough of it" if is_last else None

    @property
    def records(self) -> list[CellRecord]:
        return [event for event in self.events if isinstance(event, CellRecord)]

    @property
    def predicted(self) -> list[str]:
        return [event.hash for event in self.events if isinstance(event, Predicted)]

    @property
    def epochs(self) -> dict[str, list[int]]:
        epochs = defaultdict(list)
        for event in self.events:
            if isinstance(event, Progress):
                epochs[event.hash].append(event.epoch)
        return epochs


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

    def test_every_task_once_with_the_same_numbers(self, executor: Executor, expected: dict[str, Figures]) -> None:
        listener = Listener()
        more = iter([TASKS[4:]])
        executor.run(TASKS[:4], listener, lambda: next(more, []))
        executor.run([], listener)
        assert Counter(record.hash for record in listener.records) == Counter(task.hash for task in TASKS)
        assert {record.hash: record.metrics for record in listener.records} == expected
        assert {record.status for record in listener.records} == {"complete"}
        # what a cell's model says of each video comes before its record
        assert Counter(listener.predicted) == Counter(record.hash for record in listener.records)
        kinds = {event.hash: type(event) for event in reversed(listener.events) if not isinstance(event, Progress)}
        assert set(kinds.values()) == {Predicted}
        assert {(record.hash, record.provenance.code) for record in listener.records} == {
            (t.hash, t.code) for t in TASKS
        }

    def test_workers_are_kept_between_two_calls(self, executor: Executor) -> None:
        executor.run(TASKS[:2], Listener())
        before = {process.pid for process in worker_processes()}
        executor.run(TASKS[2:4], Listener())
        assert {process.pid for process in worker_processes()} == before

    def test_every_epoch_is_heard_with_its_figures(self, executor: Executor) -> None:
        listener = Listener()
        executor.run(LONG, listener)
        assert listener.epochs == {task.hash: [1, 2, 3, 4] for task in LONG}
        curves = {record.hash: record.curves for record in listener.records}
        for event in listener.events:
            if isinstance(event, Progress):
                assert event.figures == {key: v[event.epoch - 1] for key, v in curves[event.hash].items()}

    def test_a_cell_is_stopped_after_the_very_epoch_and_the_others_go_on(self, executor: Executor) -> None:
        listener = Listener(stop=LONG[0].hash, after=2)
        executor.run(LONG, listener)
        assert listener.epochs == {LONG[0].hash: [1, 2], LONG[1].hash: [1, 2, 3, 4]}
        records = {record.hash: record for record in listener.records}
        stopped = records[LONG[0].hash]
        assert (stopped.status, stopped.reason, stopped.curves["epoch"]) == ("stopped", "enough of it", [1, 2])
        assert records[LONG[1].hash].status == "complete"
        again = Listener()  # a stopped cell leaves nothing that would stop the next one
        executor.run(LONG[:1], again)
        assert again.records[0].status == "complete"

    def test_a_cell_that_fails_is_recorded_and_the_others_go_on(self, executor: Executor) -> None:
        broken = dataclasses.replace(TASKS[0], settings={**TASKS[0].settings, "sampling": "nonsense"})
        listener = Listener()
        executor.run([broken, TASKS[1]], listener)
        records = {record.hash: record for record in listener.records}
        assert records[broken.hash].status == "failed"
        assert "nonsense" in (records[broken.hash].reason or "")
        assert records[TASKS[1].hash].status == "complete"

    def test_a_killed_worker_costs_no_cell(self, executor: Executor, tmp_path: Path) -> None:
        tasks, listener = deadly(tmp_path / "graves", deaths=1), Listener()
        executor.run(tasks, listener)
        assert len(list((tmp_path / "graves").iterdir())) == 1
        undisturbed = [run_cell(task, runtime=Runtime(), engine="test").metrics for task in tasks]
        found = {record.hash: (record.reason, record.metrics) for record in listener.records}
        assert found == {task.hash: (None, metrics) for task, metrics in zip(tasks, undisturbed, strict=True)}
        assert len(listener.records) == len(tasks)
        assert sorted(record.provenance.tries or 0 for record in listener.records) == [1, 2]


@ENGINES
def test_stopping_leaves_no_process_behind(executor: Executor) -> None:
    def interrupt(_: Event) -> str | None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        executor.run(TASKS, interrupt)
    executor.__exit__(None, None, None)
    _, alive = psutil.wait_procs(worker_processes(), timeout=20)
    assert not alive


def test_a_cell_that_kills_every_worker_is_given_up_with_the_reason(tmp_path: Path) -> None:
    tasks, listener = deadly(tmp_path / "graves", deaths=3)[:1], Listener()
    with make_executor("local", resources_in(tmp_path, workers=1)) as executor:
        executor.run(tasks, listener)
    assert listener.epochs == {tasks[0].hash: [1, 1]}  # both workers died in the middle of the cell
    (record,) = listener.records
    assert record.status == "failed"
    assert "SIGKILL" in (record.reason or "")
    assert "worker-2.log" in (record.reason or "")


def test_a_worker_killed_before_it_could_begin_is_no_try(tmp_path: Path) -> None:
    """Kills of another cause, and one try for each cell: importing torch takes longer than the first two."""
    before = {process.pid for process in worker_processes()}
    killed: set[int] = set()

    def kill_two() -> None:
        while len(killed) < 2:
            for process in worker_processes():
                if process.pid not in before | killed and len(killed) < 2:
                    killed.add(process.pid)
                    process.kill()
            time.sleep(0.01)

    listener = Listener()
    with make_executor("local", dataclasses.replace(resources_in(tmp_path, workers=1), tries=1)) as executor:
        killer = threading.Thread(target=kill_two)
        killer.start()
        executor.run(TASKS[:1], listener)
        killer.join()
        (idle,) = [process for process in worker_processes() if process.pid not in before]
        idle.kill()  # with nothing to do
        executor.run(TASKS[1:2], listener)
    assert [(record.status, record.provenance.tries) for record in listener.records] == [("complete", 1)] * 2
    assert len(killed) == 2


def test_a_checkpoint_that_cannot_be_written_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cell, "CHECKPOINT_SECONDS", 0.0)
    expected = run_cell(LONG[0], runtime=Runtime(), engine="test", checkpoints=tmp_path / "good")
    (tmp_path / "file").write_text("in the way of the folder")
    record = run_cell(LONG[0], runtime=Runtime(), engine="test", checkpoints=tmp_path / "file")
    assert (record.status, record.metrics) == ("complete", expected.metrics)
    assert "goes on without saving its state, which cannot be written" in capsys.readouterr().out


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_folder_with_modules_named_as_ours_breaks_no_worker(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's folder serves their own backbone, and does not shadow what it must not."""
    (tmp_path / "sweeps").mkdir()
    for name in ("sweeps/__init__.py", "vmp.py", "queue.py"):
        (tmp_path / name).write_text("raise RuntimeError('a module of the user')")
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "class Mean(nn.Module):\n"
        "    def __init__(self, classes):\n"
        "        super().__init__()\n"
        "        self.head = nn.Linear(3, classes)\n"
        "    def forward(self, clip):\n"
        "        return self.head(clip.mean(dim=(2, 3, 4)))\n"
        "def build(num_classes, num_frames, size):\n"
        "    return Mean(num_classes)\n"
    )
    monkeypatch.chdir(tmp_path)
    tasks = grid_tasks(small_study("factors.prompt=[control]", "seeds=[0]", *backbone("mine:build")))
    listener = Listener()
    with make_executor(engine, resources_in(tmp_path / "out", workers=1)) as executor:
        executor.run(tasks, listener)
    assert [(record.status, record.reason) for record in listener.records] == [("complete", None)]


def test_how_a_cell_ran_is_recorded_and_changes_no_number(tmp_path: Path, expected: dict[str, Figures]) -> None:
    listener = Listener()
    with make_executor("local", resources_in(tmp_path, 1, Runtime(device="cpu", loader_workers=1))) as executor:
        executor.run(TASKS[:1], listener)
    (record,) = listener.records
    assert record.metrics == expected[record.hash]
    provenance = record.provenance
    assert (provenance.threads, provenance.compile, provenance.loader_workers) == (1, False, 1)
    assert provenance.hardware is not None
    assert provenance.hardware.device == "cpu"


def test_unknown_engine(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"unknown engine 'slurm'.*{', '.join(EXECUTORS)}"):
        make_executor("slurm", resources_in(tmp_path, workers=1))


@pytest.mark.slow
def test_a_ray_cluster_of_two_nodes(tmp_path: Path, expected: dict[str, Figures]) -> None:
    """Nodes that each have one CPU: both must work, and the numbers do not say where a cell ran."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        listener = Listener()
        on_event: OnEvent = listener
        around = dict(os.environ)
        with make_executor("ray", dataclasses.replace(resources_in(tmp_path, workers=2), tries=1)) as executor:
            executor.run(TASKS, on_event)
            assert {record.hash: record.metrics for record in listener.records} == expected
            workers = worker_processes()
            for worker in workers:  # killed with nothing to do, which is no try of the next cell
                worker.kill()
            psutil.wait_procs(workers, timeout=20)
            executor.run(TASKS[:2], again := Listener())
            assert [(record.status, record.provenance.tries) for record in again.records] == [("complete", 1)] * 2
        assert ray.is_initialized()  # a Ray that was there before is not ours to stop
        assert dict(os.environ) == around  # nor a Tune of the user's ours to set up
        assert not psutil.wait_procs(worker_processes(), timeout=20)[1]
    finally:
        ray.shutdown()
        cluster.shutdown()
