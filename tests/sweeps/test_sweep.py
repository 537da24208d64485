"""The sweep as a user runs it: real processes, real kills, real training, real Optuna storage."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweeps.plan import Task
from sweeps.propose.optuna_search import Search, SearchSettings
from sweeps.record import CellRecord, StudyFolder
from sweeps.study import Study
from tests.conftest import SMALL, Vmp
from tests.sweeps.staged import open_gate

Start = Callable[..., subprocess.Popen[str]]

GRID = ("lambda", *SMALL, "--set", "factors.lambda=[0, 1]")  # 4 arms x 2 seeds


def gated(gate: Path, free: int) -> tuple[str, ...]:
    """The grid, of which so many cells run freely and the others wait for `open_gate`."""
    options = {"gate": str(gate), "free": free}
    return (
        *GRID,
        "--set",
        "backbone.name=tests.sweeps.staged:gated",
        "--set",
        f"backbone.options={json.dumps(options)}",
    )


def cells(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "cells").glob("*.json")}


def metrics(out: Path) -> dict[str, Any]:
    return {name: json.loads(content)["metrics"] for name, content in cells(out).items()}


@pytest.fixture
def start(vmp_command: list[str]) -> Iterator[Start]:
    """Start the command line in a process group of its own; what still runs after the test is killed."""
    running: list[subprocess.Popen[str]] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # children of a background job ignore it

    def begin(*arguments: object) -> subprocess.Popen[str]:
        command, pipe = [*vmp_command, *map(str, arguments)], subprocess.PIPE
        running.append(subprocess.Popen(command, stderr=pipe, stdout=pipe, text=True, start_new_session=True))
        return running[-1]

    yield begin
    signal.signal(signal.SIGINT, before)
    for process in running:
        process.kill()
        process.wait()


def wait_for_cells(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    while len(list((out / "cells").glob("*.json"))) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, run_vmp: Vmp) -> Path:
    """A study that ran to its end with one worker."""
    out = tmp_path_factory.mktemp("finished") / "study"
    done = run_vmp("sweep", "run", *GRID, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "8 of 8 cells complete" in done.stdout
    return out


def test_what_a_study_leaves_on_disk(finished: Path) -> None:
    plan = json.loads((finished / "plan.json").read_text())
    assert [cell["factors"]["prompt"] for cell in plan["cells"]] == ["none"] * 2 + ["control"] * 2 + ["vmp"] * 4
    assert {f"{cell['hash']}.json" for cell in plan["cells"]} == set(cells(finished))
    for cell in plan["cells"]:
        record = json.loads((finished / "cells" / f"{cell['hash']}.json").read_text())
        assert (record["factors"], record["seed"], record["status"]) == (cell["factors"], cell["seed"], "complete")
        assert 0 <= record["metrics"]["test_top1"] <= 1
        assert record["metrics"]["test_count"] == 12
        assert record["provenance"]["versions"]["torch"]
        assert record["data"]["hash"] == plan["data"]["hash"]
        assert len(record["curves"]["variation"]) == 1
    assert not list((finished / "checkpoints").glob("*"))


def test_the_same_command_repeats_nothing(finished: Path, run_vmp: Vmp) -> None:
    before = cells(finished)
    again = run_vmp("sweep", "run", *GRID, "--out", finished)
    assert (again.returncode, cells(finished)) == (0, before)
    assert "8 already there, 0 to run" in again.stderr


def test_only_what_is_missing_is_run_and_two_workers_give_the_numbers_of_one(
    finished: Path, run_vmp: Vmp, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    shutil.copytree(finished, out)
    for path in sorted((out / "cells").iterdir())[::2]:
        path.unlink()
    before = cells(out)
    grown = run_vmp("sweep", "run", *GRID, "--set", "seeds=[0, 1, 2]", "--out", out, "--workers", 2)
    assert grown.returncode == 0, grown.stderr
    assert "4 already there, 8 to run" in grown.stderr
    assert before.items() <= cells(out).items()
    assert metrics(finished).items() <= metrics(out).items()
    assert len(cells(out)) == 12


def test_a_sweep_killed_half_way_is_finished_by_the_same_command(start: Start, run_vmp: Vmp, tmp_path: Path) -> None:
    out = tmp_path / "study"
    study = gated(tmp_path / "gate", free=3)
    sweep = start("sweep", "run", *study, "--out", out, "--workers", 2)
    wait_for_cells(out, 3, sweep)
    workers = psutil.Process(sweep.pid).children(recursive=True)
    assert workers
    sweep.kill()
    sweep.wait()
    assert not psutil.wait_procs(workers, timeout=20)[1], "a worker outlived its sweep"
    before = cells(out)
    assert len(before) == 3
    standing = run_vmp("sweep", "status", out)
    assert standing.returncode == 3
    assert "3 of 8 cells complete; 5 missing" in standing.stdout
    assert run_vmp("report", out).returncode == 0  # an unfinished study has a report, which says so
    open_gate(tmp_path / "gate")
    again = run_vmp("sweep", "run", *study, "--out", out, "--workers", 2)
    assert again.returncode == 0, again.stderr
    assert before.items() <= cells(out).items(), "a finished cell was repeated"
    assert len(cells(out)) == 8
    assert not list(out.rglob("*.tmp"))


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(start: Start, tmp_path: Path) -> None:
    out = tmp_path / "study"
    sweep = start("sweep", "run", *gated(tmp_path / "gate", free=1), "--out", out)
    wait_for_cells(out, 1, sweep)
    workers = psutil.Process(sweep.pid).children(recursive=True)
    os.killpg(sweep.pid, signal.SIGINT)  # a terminal sends it to the whole group
    _, errors = sweep.communicate(timeout=30)
    assert sweep.returncode == 130
    assert errors.strip().endswith("the same command goes on from there.")
    assert "Traceback" not in errors
    assert not psutil.wait_procs(workers, timeout=20)[1]


def test_two_sweeps_cannot_share_a_folder(start: Start, run_vmp: Vmp, tmp_path: Path) -> None:
    out = tmp_path / "study"
    endless = (*GRID, "--set", "train.epochs=100000")
    sweep = start("sweep", "run", *endless, "--out", out)
    while not (out / "plan.json").exists():  # written under the lock
        assert sweep.poll() is None, sweep.communicate()
        time.sleep(0.05)
    second = run_vmp("sweep", "run", *endless, "--out", out)
    assert second.returncode == 2
    assert second.stderr.startswith("Error: another `vmp sweep run` is at work in")
    assert "a sweep is at work here now" in run_vmp("sweep", "status", out).stdout


def test_a_diverging_cell_is_a_result_and_the_exit_code_tells(run_vmp: Vmp, tmp_path: Path) -> None:
    wild = [f"--set=train.optimizer.{setting}" for setting in ("lr=1e30", "clip_norm=null", "name=sgd")]
    arguments = ("sweep", "run", *GRID, *wild, "--set", "factors.prompt=[control]", "--out", tmp_path)
    done = run_vmp(*arguments)
    assert done.returncode == 3
    assert "0 of 2 cells complete; 2 diverged" in done.stdout
    assert "(prompt=control seed=0): the training loss became" in done.stderr
    before = cells(tmp_path)
    again = run_vmp(*arguments)
    assert (again.returncode, cells(tmp_path)) == (3, before)


def test_plan_prints_cells_cost_and_what_they_can_show(run_vmp: Vmp, tmp_path: Path) -> None:
    planned = run_vmp("sweep", "plan", *GRID, cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "8 cells = 4 arms x 2 seeds" in planned.stdout
    assert "With 2 paired seeds the sign-flip test of two arms cannot go below p = 0.5" in planned.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sweep", "run", "lambda", "--set", "trian.epochs=1"), "did you mean 'train'"),
        (("sweep", "run", "lamda"), "built-in studies (collapse, init, lambda, motion, sampling)"),
        (("sweep", "run", "absent.yaml"), "No such file"),
        (("sweep", "run", "lambda", "--set", "data.kind=manifest", "--set", "data.path=none.csv"), "none.csv"),
        (("sweep", "run", "lambda", "--set", "data.kind=folder", "--set", "data.path=."), "folder"),
        (("sweep", "run", "lambda", "--set", "backbone.name=slowfast_tiny", "--set", "sampling.num_frames=2"), "of 4"),
        (("sweep", "run", "lambda", "--device", "cuda:99"), "cannot be used here"),
        (("sweep", "run", "lambda", "--workers", "0"), "--workers"),
        (("sweep", "run", "lambda", "--search", "tpe", "--set", "factors={}"), "leaves nothing to search"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    arguments: Sequence[str], message: str, call_vmp: Vmp, tmp_path: Path
) -> None:
    done = call_vmp(*arguments, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_or_is_no_study(run_vmp: Vmp, call_vmp: Vmp, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run_vmp("sweep", "run", *GRID, "--out", tmp_path / "file" / "study")
    assert done.returncode == 2
    assert "cannot write the study folder" in done.stderr
    for command in (("sweep", "status"), ("report",)):
        done = call_vmp(*command, tmp_path)
        assert done.returncode == 2
        assert "holds no study" in done.stderr


# Search ---------------------------------------------------------------------------------------------------------

SEARCHED = Study(name="searched", factors={"prompt": ("control", "vmp"), "lambda": (0, 0.01, 100)}, seeds=(0, 1, 2))


def replay(folder: StudyFolder, stop_after: int | None = None) -> Any:
    """A runner whose accuracy is a known function of lambda (best at 1, 0 is poor) and a paired seed effect."""
    count = 0

    def run(tasks: Sequence[Task]) -> list[CellRecord]:
        nonlocal count
        records = []
        for task in tasks:
            if not folder.has_cell(task.hash):
                if count == stop_after:
                    raise KeyboardInterrupt
                count += 1
                weight = task.factors["lambda"]
                score = 0.3 if not isinstance(weight, float) or weight == 0 else 0.9 - 0.1 * abs(math.log10(weight))
                value = {"val_top1": score + 0.01 * task.seed}
                folder.write_cell(
                    CellRecord(hash=task.hash, factors=task.factors, seed=task.seed, status="complete", metrics=value)
                )
            records.append(folder.read_cell(task.hash))
        return records

    return run


def proposals(folder: StudyFolder) -> list[float]:
    records = (folder.read_cell(path.stem) for path in folder.cells_path.glob("*.json"))
    return sorted({record.factors["lambda"] for record in records if record.factors["lambda"] is not None})  # type: ignore[type-var, misc]


def test_tpe_finds_the_best_region_and_a_killed_search_ends_where_it_would_have(tmp_path: Path) -> None:
    found: list[list[float]] = []
    for name, kills in (("whole", ()), ("killed", (4, 11, 20))):
        folder = StudyFolder(tmp_path / name)
        folder.create()
        settings = SearchSettings(arms=16)
        for after in kills:
            with pytest.raises(KeyboardInterrupt):
                Search(SEARCHED, settings, folder).drive(replay(folder, stop_after=after))
        Search(SEARCHED, settings, folder).drive(replay(folder))
        found.append(proposals(folder))
    whole, killed = found
    assert whole == killed
    assert len(whole) == 16
    assert 0.0 in whole  # exact zero is a choice of its own on a log scale
    assert sum(0.1 <= weight <= 10 for weight in whole) > len(whole) / 2
    assert all(0.01 <= weight <= 100 for weight in whole if weight)


def test_a_search_of_other_factors_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    folder.create()
    Search(SEARCHED, SearchSettings(arms=2), folder).drive(replay(folder))
    other = Study(name="searched", factors={"n": (-0.5, 0.5), "lambda": (0, 0.01, 100)}, seeds=(0,))
    with pytest.raises(ValueError, match=r"search\.db.*another --out"):
        Search(other, SearchSettings(arms=3), folder).drive(replay(folder))


def test_a_search_from_the_command_line_resumes_and_reports(start: Start, run_vmp: Vmp, tmp_path: Path) -> None:
    out = tmp_path / "study"
    study = gated(tmp_path / "gate", free=6)
    arguments = ("sweep", "run", *study, "--search", "tpe", "--arms", 4, "--out", out, "--workers", 2)
    sweep = start(*arguments)
    wait_for_cells(out, 6, sweep)
    sweep.kill()
    sweep.wait()
    before = cells(out)
    assert len(before) == 6
    open_gate(tmp_path / "gate")
    done = run_vmp(*arguments)
    assert done.returncode == 0, done.stderr
    assert before.items() <= cells(out).items()
    plan = json.loads((out / "plan.json").read_text())
    assert plan["search"]["method"] == "tpe"
    assert len(plan["cells"]) == len(cells(out)) == 2 * (2 + 4)  # baseline, control and four proposed arms, two seeds
    assert run_vmp("report", out).returncode == 0
