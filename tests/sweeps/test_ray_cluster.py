"""A Ray cluster that loses nodes and its sweep, as a user runs it: complete, and the numbers of one machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import SMALL, Vmp
from tests.sweeps.staged import backbone, open_gate

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

# 3 arms x 2 seeds, one try each: a node that dies is no fault of a cell.
_SETTINGS = ("tries=1", "factors.prompt=[control, vmp]", "factors.lambda=[0, 1]")
STUDY = ("lambda", *SMALL, *(f"--set={setting}" for setting in _SETTINGS))
RACE = ("--search", "race", "--search-option", "max_seeds=3")
OUR_LINES = (
    "[",
    "6 test clips",
    "6 cells planned",
    "9 cells planned",
    "6 of 6 cells complete",
    "9 of 9 cells complete",
    "The race ended",
    "Weights of",
    "Attention maps of",
    "Reading ",
)


def gated(gate: Path) -> tuple[str, ...]:
    """The study, of which three cells run freely and the others wait for `open_gate`."""
    settings = backbone("gated", gate=str(gate), free=3)
    return (*STUDY, *(f"--set={setting}" for setting in settings))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield made
    made.shutdown()


def busy_workers() -> int:
    names = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    return sum("Trainable" in name for name in names)


def start(study: tuple[str, ...], out: Path, workers: int, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vmp", "sweep", "run", *study, "--out", str(out), "--workers", str(workers)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*command, "--engine", "ray"], env={**os.environ, **environment}, stdout=pipe, stderr=pipe, text=True
    )


def wait_for_cells(out: Path, count: int, sweep: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 240
    while len(list((out / "cells").glob("*.json"))) < count or busy_workers() < 3:
        assert sweep.poll() is None, sweep.communicate()
        assert time.monotonic() < until, (busy_workers(), list(out.rglob("*.json")))
        time.sleep(0.05)


def metrics(out: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text())["metrics"] for path in (out / "cells").glob("*.json")}


def test_nodes_lost_in_a_grid_and_in_a_race(cluster: Any, call_vmp: Vmp, tmp_path: Path) -> None:
    gate, grid, race, local = (tmp_path / name for name in ("gate", "grid", "race", "local"))
    study = gated(gate)
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    said = []
    for out, search, node in ((grid, (), nodes[0]), (race, RACE, nodes[1])):
        sweep = start((*study, *search), out, 3, RAY_ADDRESS=cluster.address)
        wait_for_cells(out, 3, sweep)
        cluster.remove_node(node, allow_graceful=False)
        open_gate(gate)
        output, errors = sweep.communicate(timeout=240)
        assert sweep.returncode == 0, errors
        said += [*output.splitlines(), *errors.splitlines()]
        for path in gate.iterdir():
            path.unlink()
        if out == grid:
            cluster.add_node(num_cpus=1)
    open_gate(gate)
    assert call_vmp("sweep", "run", *study, *RACE, "--out", local).returncode == 0
    assert metrics(race) == metrics(local)
    assert metrics(grid).items() <= metrics(local).items()
    states = [json.loads(call_vmp("sweep", "status", out, "--json").stdout)["race"] for out in (race, local)]
    assert states[0] == states[1]
    assert not [line for line in said if not line.startswith(OUR_LINES)]


def test_a_killed_sweep_leaves_nothing_of_its_ray_and_is_finished_by_the_same_command(
    call_vmp: Vmp, tmp_path: Path
) -> None:
    study, out = gated(tmp_path / "gate"), tmp_path / "out"
    with tempfile.TemporaryDirectory(prefix="v-", dir="/tmp") as place:  # the path of a socket has to be short
        sweep = start(study, out, 1, TMPDIR=place)
        while len(list((out / "cells").glob("*.json"))) < 1:
            assert sweep.poll() is None, sweep.communicate()
            time.sleep(0.05)
        children = psutil.Process(sweep.pid).children(recursive=True)
        assert len(children) > 5  # gcs_server, raylet, its agents, the janitor, an actor
        assert list(Path(place).glob("vmp-ray-*"))
        sweep.kill()
        sweep.communicate()
        assert not psutil.wait_procs(children, timeout=30)[1]
        assert not list(Path(place).glob("vmp-ray-*"))
    before = metrics(out)
    open_gate(tmp_path / "gate")
    assert call_vmp("sweep", "run", *study, "--out", out).returncode == 0
    assert before.items() <= metrics(out).items()


def test_an_address_where_nobody_answers_is_a_sentence(
    call_vmp: Vmp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    refused = call_vmp("sweep", "run", *STUDY, "--out", tmp_path / "out", "--engine", "ray")
    assert refused.returncode == 2
    assert "no Ray answers at RAY_ADDRESS=127.0.0.1:1 (Connection refused); start it there with" in refused.stderr


def test_a_race_in_blocks_drops_what_local_workers_drop(call_vmp: Vmp, tmp_path: Path) -> None:
    """Four blocks of two arms, of which one cannot learn, on clips that a tint tells apart."""
    settings = (
        "factors={prompt: [control], train.optimizer.lr: [0.000001, 0.1], data.size: [16, 20], data.seed: [0, 1]}",
        *("data.train=60", "data.val=30", "data.shortcut=1.0", "train.epochs=2", "seeds=[0, 1, 2]"),
        *backbone("gated", gate=str(tmp_path / "gate"), free=1000),
    )
    study = ("lambda", *SMALL, *(f"--set={setting}" for setting in settings))
    search = ("--search", "race", "--search-option", "max_seeds=6", "--no-clips")
    found = []
    for engine in ("local", "ray"):
        out = tmp_path / engine
        assert call_vmp("sweep", "run", *study, *search, "--out", out, "--engine", engine).returncode == 0
        state = json.loads(call_vmp("sweep", "status", out, "--json").stdout)["race"]
        found.append((state, metrics(out)))
    assert found[0] == found[1]
    assert [block["decision"] for block in found[0][0]["blocks"]] == ["best"] * 4
