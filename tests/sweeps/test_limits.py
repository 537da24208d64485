"""What one run may use, and in which order: no limit changes a number, and the same command goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sweeps.limits import in_order, parse_seconds
from sweeps.plan import grid_tasks
from sweeps.records.factors import arm_key
from tests.conftest import SMALL, Vmp
from tests.sweeps.staged import backbone, small_study
from vmp.core.errors import InputError
from vmp.core.text import duration

GRID = ("lambda", *SMALL, "--set", "factors.lambda=[0]", "--set", "factors.prompt=[control, vmp]")  # 2 arms x 2 seeds


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("45min", 2700), ("45 m", 2700), ("1h30m", 5400), ("0.5h", 1800)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_seconds(text, "--budget") == seconds


@pytest.mark.parametrize("text", ["", "0", "-3s", "2 weeks", "h", "1h x"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InputError, match="--budget must be a time such as 90s, 45min, 2h or 1h30m, got"):
        parse_seconds(text, "--budget")


def test_long_cells_first_and_seeds_before_cost() -> None:
    tasks = grid_tasks(small_study("factors.prompt=[none, control, vmp]", "factors.lambda=[0]"))
    prompts = [task.factors["prompt"] for task in tasks]
    assert in_order(tasks, {}, seeds_first=False) == tasks
    measured = {arm_key(tasks[prompts.index(name)].factors): cost for name, cost in (("none", 1.0), ("vmp", 5.0))}
    by_cost = in_order(tasks, measured, seeds_first=False)
    assert [task.factors["prompt"] for task in by_cost] == ["vmp"] * 2 + ["control"] * 2 + ["none"] * 2
    by_seed = in_order(tasks, measured, seeds_first=True)
    assert [(task.seed, task.factors["prompt"]) for task in by_seed] == [
        (seed, prompt) for seed in (0, 1) for prompt in ("vmp", "control", "none")
    ]


def test_runs_within_limits_add_up_to_the_plan(call_vmp: Vmp, tmp_path: Path) -> None:
    run = ("sweep", "run", *GRID, "--out", tmp_path / "out")
    first = call_vmp(*run, "--max-cells", 2, "--seeds-first")
    assert first.returncode == 3
    assert "2 cells are computed, as many as --max-cells allows; the same command goes on from there" in first.stderr
    records = [json.loads(path.read_text()) for path in (tmp_path / "out" / "cells").iterdir()]
    assert {record["seed"] for record in records} == {0}
    second = call_vmp(*run, "--budget", "0.001s")  # over as soon as anything is heard
    assert second.returncode == 3
    assert "the time of --budget (0.0 s) is over; the same command goes on from there" in second.stderr
    done = call_vmp(*run, "--budget", "1h")
    assert (done.returncode, "4 of 4 cells complete" in done.stdout) == (0, True)
    assert call_vmp(*run, "--budget", "soon").returncode == 2


@pytest.mark.parametrize(
    ("engine", "limit"),
    [("local", 12), pytest.param("ray", 20, marks=[pytest.mark.slow, pytest.mark.xdist_group("ray")])],
)
def test_a_hung_cell_is_killed_and_the_others_go_on(call_vmp: Vmp, tmp_path: Path, engine: str, limit: int) -> None:
    hangs = backbone("gated", gate=str(tmp_path / "gate"), free=1)
    study = (*GRID, "--set", "factors.prompt=[control]", *(f"--set={setting}" for setting in hangs))
    done = call_vmp(
        "sweep", "run", *study, "--out", tmp_path / "out", "--cell-timeout", f"{limit}s", "--engine", engine
    )
    assert done.returncode == 3
    assert "1 of 2 cells complete; 1 failed" in done.stdout
    assert f"the cell ran longer than --cell-timeout {duration(limit)} and was killed" in done.stderr
    assert "[tried" not in done.stderr  # once, not as often as a worker that dies


def test_a_plan_of_many_arms_is_summed_up(call_vmp: Vmp, tmp_path: Path) -> None:
    many = (*GRID, "--set", "factors.prompt=[vmp]", "--set", f"factors.lambda={list(range(60))}")
    short = call_vmp("sweep", "plan", *many, cwd=tmp_path).stdout
    assert short.count("about") <= 13
    assert "... and 50 more arms; --all prints them" in short
    assert "120 cells = 60 arms x 2 seeds" in short
    long = call_vmp("sweep", "plan", *many, "--all", cwd=tmp_path).stdout
    assert long.count("lambda=") == 60
