"""How many cells run at a time on a machine, and which device each worker is given."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections import Counter
from pathlib import Path

import psutil
import pytest

from sweeps.cell_needs import CellNeeds, Machine, cells_that_fit, split_devices
from sweeps.executors.base import Event, Resources
from sweeps.executors.registry import make_executor
from sweeps.plan import grid_tasks
from tests.conftest import SMALL, Vmp
from tests.sweeps.staged import small_study
from vmp.core.errors import InputError
from vmp.experiment import Runtime

TWO_GPUS = Machine(cpus=8, memory=32 * 10**9, devices=("cuda:0", "cuda:1"))


@pytest.mark.parametrize(
    ("needs", "number", "sentence"),
    [
        ({}, 100, None),
        ({"cpus": 2}, 4, "2 of 8 CPUs"),
        ({"cpus": 0.1}, 80, "0.1 of 8 CPUs"),
        ({"memory": "10GB"}, 3, "10 GB of 32 GB of memory"),
        ({"gpus": 1}, 2, "1 of 2 GPUs (cuda:0, cuda:1)"),
        ({"gpus": 1 / 3}, 6, "of 2 GPUs"),
        ({"gpus": 0.6}, 2, "0.6 of 2 GPUs"),  # two do not fit on one, whatever is free elsewhere
        ({"gpus": 0, "cpus": 2, "memory": "16GB"}, 2, "16 GB of 32 GB"),  # the scarcest decides
    ],
)
def test_cells_that_fit(needs: dict[str, object], number: int, sentence: str | None) -> None:
    fitting, said = cells_that_fit(CellNeeds(**needs), TWO_GPUS, 100)  # type: ignore[arg-type]
    assert fitting == number
    assert said is None if sentence is None else sentence in (said or "")
    assert cells_that_fit(CellNeeds(**needs), TWO_GPUS, 1) == (1, None)  # type: ignore[arg-type]


def test_a_cell_that_does_not_fit_is_refused(call_vmp: Vmp, tmp_path: Path) -> None:
    run = ("sweep", "run", "lambda", *SMALL, "--out", tmp_path / "out")
    refused = call_vmp(*run, "--set", "resources.memory=900TB")
    assert refused.returncode == 2
    assert "resources: a cell takes 900000 GB of " in refused.stderr.replace("9e+05", "900000")
    assert not (tmp_path / "out").exists()
    assert "each device once" in call_vmp(*run, "--device", "cpu,cpu").stderr
    assert "is for --engine local" in call_vmp(*run, "--device", "cpu,cpu:0", "--engine", "ray").stderr


def test_needs_are_no_part_of_a_cell() -> None:
    plain, needing = small_study(), small_study("resources={cpus: 0.5, gpus: 0.25, memory: 1GB}")
    assert needing.resources == CellNeeds(cpus=0.5, gpus=0.25, memory=10**9)
    assert [task.hash for task in grid_tasks(plain)] == [task.hash for task in grid_tasks(needing)]


def test_each_worker_is_given_a_device_of_its_own(tmp_path: Path) -> None:
    """Torch takes `cpu` and `cpu:0` as names of two devices; three workers, one of which replaces a dead one."""
    devices = split_devices("cpu, cpu:0")
    resources = Resources(
        workers=2,
        runtime=Runtime(device="cpu"),
        checkpoints=tmp_path / "checkpoints",
        logs=tmp_path / "logs",
        devices=devices,
    )
    seen: list[dict[str, str]] = []

    def look(_: Event) -> None:
        now = {}
        for process in psutil.Process().children():
            with contextlib.suppress(psutil.ZombieProcess):  # the one killed below, which nobody has waited for yet
                command = process.cmdline()
                if "sweeps.executors.worker" in command:
                    now[str(process.pid)] = json.loads(command[6])["device"]
        seen.append(now)
        if len(seen) == 1:
            psutil.Process(int(next(iter(now)))).kill()

    with make_executor("local", dataclasses.replace(resources, tries=3)) as executor:
        executor.run(grid_tasks(small_study("train.epochs=3")), look)
    assert len({pid for now in seen for pid in now}) == 3
    assert all(Counter(now.values()) <= Counter(devices) for now in seen)
    assert set(seen[-1].values()) == set(devices)
    with pytest.raises(InputError, match="each device once"):
        split_devices("cuda:0,,cuda:1")
