"""Parts of a plan that runs share out without talking to each other, and that any later run sees as one study."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.plan import Task
from sweeps.shards import Shard, parse_shard
from tests.conftest import SMALL, Vmp
from vmp.core.errors import InputError

GRID = ("lambda", *SMALL, "--set", "factors.lambda=[1]", "--set", "factors.prompt=[control, vmp]")  # 2 arms x 2 seeds


@given(
    arms=st.integers(0, 6),
    seeds=st.integers(1, 5),
    count=st.integers(1, 40),
    order=st.randoms(use_true_random=False),
)
def test_shards_partition_any_plan_in_whatever_order(arms: int, seeds: int, count: int, order: object) -> None:
    tasks = [
        Task(factors={"lambda": arm, "prompt": "vmp"}, seed=seed, settings={}, science=f"{arm} {seed}", code="")
        for arm in range(arms)
        for seed in range(seeds)
    ]
    parts = [Shard(index, count).of(tasks) for index in range(1, count + 1)]
    hashes = [task.hash for part in parts for task in part]
    assert sorted(hashes) == sorted(task.hash for task in tasks)  # each cell in one shard
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for arm in range(arms):  # every shard has its share of every arm
        shares = [sum(task.factors["lambda"] == arm for task in part) for part in parts]
        assert max(shares) - min(shares) <= 1
    mixed = list(tasks)
    order.shuffle(mixed)  # type: ignore[attr-defined]
    for index, part in enumerate(parts, 1):
        assert {task.hash for task in Shard(index, count).of(mixed)} == {task.hash for task in part}


def _slurm(number: object, count: int, first: int, **more: int) -> dict[str, str]:
    variables = {"ID": number, "COUNT": count, "MIN": first, **more}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in variables.items()}


@pytest.mark.parametrize(
    ("text", "variables", "shard"),
    [
        ("3/10", {}, Shard(3, 10)),
        ("10/10", {}, Shard(10, 10)),
        ("slurm", _slurm(3, 10, 1), Shard(3, 10)),
        ("slurm", _slurm(0, 10, 0), Shard(1, 10)),  # --array=0-9
        ("slurm", _slurm(8, 5, 0, STEP=2), Shard(5, 5)),  # --array=0-9:2
    ],
)
def test_names_of_shards(text: str, variables: dict[str, str], shard: Shard) -> None:
    assert parse_shard(text, variables) == shard


@pytest.mark.parametrize(
    ("text", "variables", "sentence"),
    [
        ("0/10", {}, "from 1/10 to 10/10, or 'slurm'"),
        ("11/10", {}, "got '11/10'"),
        ("3", {}, "--shard must be a number of a count"),
        ("slurm", {}, "SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_COUNT, SLURM_ARRAY_TASK_MIN"),
        ("slurm", _slurm("", 10, 1), "sbatch --array=1-10"),
        ("slurm", _slurm(7, 3, 1), "without gaps"),  # --array=1,3,7
        ("slurm", _slurm(7, 1, 7), "name its shard: --shard 7/10"),  # one task submitted again is not the whole plan
    ],
)
def test_what_is_no_shard(text: str, variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(InputError, match="--shard") as refused:
        parse_shard(text, variables)
    assert sentence in str(refused.value)


def test_shards_in_folders_of_their_own_are_joined_to_one_study(call_vmp: Vmp, tmp_path: Path) -> None:
    for index in (2, 1):
        shard = ("sweep", "run", *GRID, "--out", tmp_path / str(index), "--shard", f"{index}/2")
        part = call_vmp(*shard, "--max-cells", 1)
        assert (part.returncode, "1 of 2 cells complete; 1 missing" in part.stdout) == (3, True)
        done = call_vmp(*shard)
        assert done.returncode == 0, done.stderr  # of the shard: the study is not complete
        assert f"shard {index}/2: 2 of 2 cells complete; 1 of them computed now" in done.stdout
        assert "2 cells planned, 1 already there, 1 to run" in done.stderr
        assert "2 of 4 cells complete; 2 missing" in call_vmp("sweep", "status", tmp_path / str(index)).stdout
        assert len(list((tmp_path / str(index) / "models").iterdir())) == 2  # no arm is chosen by half of its seeds
    both = ("--reuse", tmp_path / "1", "--reuse", tmp_path / "2")
    joined = call_vmp("sweep", "run", *GRID, "--out", tmp_path / "joined", *both)
    assert (joined.returncode, "4 of 4 cells complete; 0 of them computed" in joined.stdout) == (0, True)
    one_folder = call_vmp("sweep", "run", *GRID, "--out", tmp_path / "1", "--reuse", tmp_path / "2", "--shard", "2/2")
    assert "shard 2/2: 2 of 2 cells complete; 0 of them computed now" in one_folder.stdout
    assert call_vmp("sweep", "status", tmp_path / "1").returncode == 0
    empty = call_vmp("sweep", "run", *GRID, "--out", tmp_path / "1", "--shard", "9/9")
    assert (empty.returncode, "shard 9/9: 0 of 0 cells complete" in empty.stdout) == (0, True)


def test_a_confirmation_is_run_in_shards(call_vmp: Vmp, tmp_path: Path) -> None:
    out = tmp_path / "out"
    study = ("sweep", "run", *GRID, "--set", "seeds=[0, 1, 2]", "--out", out)
    assert call_vmp(*study).returncode == 0
    for index in (1, 2):
        done = call_vmp(*study, "--confirm", "--seeds", 3, "--shard", f"{index}/2")
        assert done.returncode == 0, done.stderr
        assert f"shard {index}/2: 3 of 3 cells complete; 3 of them computed now" in done.stdout
    confirmation = json.loads(call_vmp("sweep", "status", out, "--json").stdout)["confirmation"]
    assert (confirmation["planned"], confirmation["complete"]) == (6, 6)


@pytest.mark.parametrize("method", ["race", "tpe"])
def test_what_decides_by_results_has_no_shards(method: str, call_vmp: Vmp, tmp_path: Path) -> None:
    refused = call_vmp("sweep", "run", *GRID, "--search", method, "--out", tmp_path / "out", "--shard", "1/2")
    assert refused.returncode == 2
    assert f"--shard 1/2 needs a plan that is known beforehand, and '{method}' decides by results" in refused.stderr
    assert not (tmp_path / "out").exists()
