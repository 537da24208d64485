"""The sweep as a user runs it: real processes, real kills, real training, real Optuna storage."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweeps.executors.base import Progress
from sweeps.records.cell_record import cell_hash
from sweeps.records.study_folder import StudyFolder
from sweeps.run import run_study
from tests.conftest import SMALL, Vmp
from tests.sweeps.staged import backbone, open_gate, small_study
from vmp.core.errors import InputError
from vmp.experiment import Runtime
from vmp.training.checkpoint import save_checkpoint

Start = Callable[..., subprocess.Popen[str]]

GRID = ("lambda", *SMALL, "--set", "factors.lambda=[0, 1]")  # 4 arms x 2 seeds


def gated(gate: Path, free: int) -> tuple[str, ...]:
    """The grid, of which so many cells run freely and the others wait for `open_gate`."""
    settings = backbone("gated", gate=str(gate), free=free)
    return (*GRID, *(part for setting in settings for part in ("--set", setting)))


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
        assert (record["provenance"]["threads"], record["provenance"]["loader_workers"]) == (1, 0)
        assert record["data"]["hash"] == plan["data"]["hash"]
        assert len(record["curves"]["variation"]) == 1
    assert not list((finished / "checkpoints").glob("*"))


def test_the_same_command_repeats_nothing(finished: Path, call_vmp: Vmp) -> None:
    before = cells(finished)
    again = call_vmp("sweep", "run", *GRID, "--out", finished)
    assert (again.returncode, cells(finished)) == (0, before)
    assert "8 already there, 0 to run" in again.stderr


def test_only_what_is_missing_is_run_and_two_workers_give_the_numbers_of_one(
    finished: Path, call_vmp: Vmp, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    shutil.copytree(finished, out)
    for path in sorted((out / "cells").iterdir())[::2]:
        path.unlink()
    before = cells(out)
    grown = call_vmp("sweep", "run", *GRID, "--set", "seeds=[0, 1, 2]", "--out", out, "--workers", 2)
    assert grown.returncode == 0, grown.stderr
    assert "4 already there, 8 to run" in grown.stderr
    assert before.items() <= cells(out).items()
    assert metrics(finished).items() <= metrics(out).items()
    assert len(cells(out)) == 12


def test_a_sweep_killed_half_way_is_finished_by_the_same_command(start: Start, call_vmp: Vmp, tmp_path: Path) -> None:
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
    status = call_vmp("sweep", "status", out)
    assert status.returncode == 3
    assert "3 of 8 cells complete; 5 missing" in status.stdout
    open_gate(tmp_path / "gate")
    again = call_vmp("sweep", "run", *study, "--out", out, "--workers", 2)
    assert again.returncode == 0, again.stderr
    assert before.items() <= cells(out).items(), "a finished cell was repeated"
    assert len(cells(out)) == 8
    assert not list(out.rglob("*.writing"))


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


def test_a_watched_study_is_shown_until_its_sweep_ends(start: Start, tmp_path: Path) -> None:
    out = tmp_path / "study"
    sweep = start("sweep", "run", *gated(tmp_path / "gate", free=2), "--out", out, "--workers", 2)
    wait_for_cells(out, 2, sweep)
    watcher = start("sweep", "status", out, "--watch")
    assert watcher.stdout is not None
    first = watcher.stdout.readline()
    assert "2 of 8 cells complete; 6 missing; a sweep is running" in first
    open_gate(tmp_path / "gate")
    shown, _ = watcher.communicate(timeout=120)
    assert sweep.wait(timeout=120) == 0
    assert watcher.returncode == 0
    assert shown.count("cells complete") >= 1
    assert "8 of 8 cells complete\n" in shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_sweep_as_ctrl_c_does(start: Start, number: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "study"
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sweep = start("sweep", "run", *gated(tmp_path / "gate", free=1), "--out", out)
    signal.signal(signal.SIGHUP, before)
    wait_for_cells(out, 1, sweep)
    workers = psutil.Process(sweep.pid).children(recursive=True)
    sweep.send_signal(number)
    _, errors = sweep.communicate(timeout=30)
    assert sweep.returncode == 128 + number
    assert errors.strip().endswith("the same command goes on from there.")
    assert "Traceback" not in errors
    assert not psutil.wait_procs(workers, timeout=20)[1]


def test_two_sweeps_cannot_share_a_folder(start: Start, call_vmp: Vmp, tmp_path: Path) -> None:
    out = tmp_path / "study"
    endless = (*GRID, "--set", "train.epochs=100000")
    sweep = start("sweep", "run", *endless, "--out", out)
    while not (out / "plan.json").exists():  # written under the lock
        assert sweep.poll() is None, sweep.communicate()
        time.sleep(0.05)
    second = call_vmp("sweep", "run", *endless, "--out", out)
    assert second.returncode == 2
    assert second.stderr.startswith("Error: another `vmp sweep run` is at work in")
    status = call_vmp("sweep", "status", out, "--json")
    assert (status.returncode, json.loads(status.stdout)["running"]) == (3, True)


def test_a_diverging_cell_is_a_result_and_the_exit_code_tells(call_vmp: Vmp, tmp_path: Path) -> None:
    wild = [f"--set=train.optimizer.{setting}" for setting in ("lr=1.0e+30", "clip_norm=null", "kind=sgd")]
    arguments = ("sweep", "run", *GRID, *wild, "--set", "factors.prompt=[control]", "--out", tmp_path)
    done = call_vmp(*arguments)
    assert done.returncode == 3
    assert "0 of 2 cells complete; 2 diverged" in done.stdout
    assert "(prompt=control seed=0): the training loss became" in done.stderr
    before = cells(tmp_path)
    again = call_vmp(*arguments)
    assert (again.returncode, cells(tmp_path)) == (3, before)


def test_a_stopped_cell_is_final_counted_apart_and_no_success(tmp_path: Path, call_vmp: Vmp) -> None:
    study = small_study("factors.prompt=[control, vmp]", "factors.lambda=null", "seeds=[0]", "train.epochs=3")
    first = next(iter(study.arms()))[0]
    heard: list[Progress] = []

    def listener(progress: Progress) -> str | None:
        heard.append(progress)
        return "no better than chance" if len(heard) == 2 else None

    status = run_study(study, tmp_path, listener=listener)
    assert (status.exit_code, status.computed, status.headline()) == (3, 2, "1 of 2 cells complete; 1 stopped")
    assert [progress.epoch for progress in heard] == [1, 2, 1, 2, 3]
    assert all(0 <= float(progress.figures["val_top1"] or 0) <= 1 for progress in heard)
    before = cells(tmp_path)
    again = run_study(study, tmp_path)
    assert (again.exit_code, again.computed, cells(tmp_path)) == (3, 0, before)
    printed = call_vmp("sweep", "status", tmp_path, "--json")
    assert printed.returncode == 3
    shown = json.loads(printed.stdout)
    assert (shown["schema"], shown["planned"], shown["complete"], shown["stopped"]) == (1, 2, 1, 1)
    assert (shown["missing"], shown["failed"], shown["diverged"], shown["running"]) == (0, 0, 0, False)
    (reason,) = shown["reasons"]
    assert (reason["factors"], reason["status"], reason["reason"]) == (first, "stopped", "no better than chance")
    assert "no better than chance" in call_vmp("sweep", "status", tmp_path).stdout
    assert not list((tmp_path / "checkpoints").glob("*"))


def test_a_torn_record_costs_its_cell_and_no_other(finished: Path, call_vmp: Vmp, tmp_path: Path) -> None:
    out = tmp_path / "study"
    shutil.copytree(finished, out)
    torn = min((out / "cells").iterdir())
    torn.write_bytes(torn.read_bytes()[:100])
    status = call_vmp("sweep", "status", out)
    assert status.returncode == 3
    assert "7 of 8 cells complete; 1 missing" in status.stdout
    assert f"'{torn}' is damaged" in status.stdout
    assert len(json.loads(call_vmp("sweep", "status", out, "--json").stdout)["damaged"]) == 1
    again = call_vmp("sweep", "run", *GRID, "--out", out)
    assert again.returncode == 0, again.stderr
    assert "is damaged" in again.stderr
    assert "7 already there, 1 to run" in again.stderr
    assert metrics(out) == metrics(finished)
    assert torn.with_suffix(".damaged").is_file()


def test_finished_cells_of_another_study_are_taken_over(finished: Path, call_vmp: Vmp, tmp_path: Path) -> None:
    """The same cells under other names: here lambda is a setting, there it is a factor."""
    study = (*GRID, "--set", "factors.prompt=[vmp]", "--set", "factors.lambda=null", "--set", "regularizer.lambda=1")
    done = call_vmp("sweep", "run", *study, "--out", tmp_path / "out", "--reuse", finished)
    assert done.returncode == 0, done.stderr
    assert f"2 finished cells are taken over from '{finished}'" in done.stderr
    assert "2 of 2 cells complete; 0 of them computed now" in done.stdout
    assert metrics(tmp_path / "out").items() <= metrics(finished).items()
    for content in cells(tmp_path / "out").values():
        record = json.loads(content)
        assert (record["factors"], record["provenance"]["reused_from"]) == ({"prompt": "vmp"}, str(finished))
        assert record["provenance"]["seconds"] > 0
    refused = call_vmp("sweep", "run", *study, "--out", tmp_path / "other", "--reuse", tmp_path)
    assert (refused.returncode, "holds no study" in refused.stderr) == (2, True)
    assert not (tmp_path / "other").exists()


def test_cells_of_other_code_are_taken_over_where_somebody_vouches_for_it(
    finished: Path, call_vmp: Vmp, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    shutil.copytree(finished, out)
    folder, other, renamed = StudyFolder(out), "0" * 16, dict[str, str]()
    plan = folder.read_plan()
    for record in list(folder.records(plan)):  # the study as other code would have left it
        assert record.science
        assert record.hash == cell_hash(record.science, record.provenance.code or "")
        renamed[record.hash] = cell_hash(record.science, other)
        code = record.provenance.model_copy(update={"code": other})
        folder.write_cell(record.model_copy(update={"hash": renamed[record.hash], "provenance": code}))
        folder.cell_path(record.hash).unlink()
    planned = [cell.model_copy(update={"hash": renamed[cell.hash]}) for cell in plan.cells]
    modules = dict.fromkeys(plan.code.modules, other)
    before = plan.code.model_copy(update={"hash": other, "modules": modules})
    folder.write_plan(plan.model_copy(update={"cells": planned, "code": before}))
    why = call_vmp("sweep", "why", out, *GRID).stdout
    assert "8 of 8 cells would run" in why
    assert "the code that computes a cell changed: vmp.backbones" in why
    longer = (*GRID, "--set", "train.epochs=2", "--set", "factors.prompt=[control]", "--set", "seeds=[0]")
    done = call_vmp("sweep", "run", *longer, "--out", tmp_path / "longer", "--reuse", out, "--accept-code")
    assert "1 of 1 cells complete; 1 of them computed now" in done.stdout  # more than the code is another
    done = call_vmp("sweep", "run", *GRID, "--out", out, "--accept-code")
    assert done.returncode == 0, done.stderr
    assert f"8 finished cells are taken over from '{out}', computed by other code" in done.stderr
    assert "8 of 8 cells complete; 0 of them computed now" in done.stdout
    for old, new in zip(planned, folder.read_plan().cells, strict=True):
        record = folder.read_cell(new.hash)
        assert (record.provenance.accepted_from, record.provenance.code) == (old.hash, other)
    assert {cell.hash for cell in folder.read_plan().cells} == set(renamed)
    report = json.loads(call_vmp("report", out, "--json").stdout)
    assert "8 of 8 cells were computed by other code" in json.dumps(report)


def test_why_cells_would_run(finished: Path, call_vmp: Vmp, tmp_path: Path) -> None:
    out = tmp_path / "study"
    shutil.copytree(finished, out)
    nothing = call_vmp("sweep", "why", out, *GRID)
    assert (nothing.returncode, nothing.stdout) == (0, f"0 of 8 cells would run in '{out}'\n")
    torn = min((out / "cells").iterdir())
    torn.write_text("{")
    changes = ("--set", "seeds=[0, 1, 2]", "--set", "factors.lambda=[0, 1, 5]")
    shown = json.loads(call_vmp("sweep", "why", out, *GRID, *changes, "--json").stdout)
    causes = {one["cause"]: one["cells"] for one in shown["causes"]}
    assert (shown["planned"], shown["finished"]) == (15, 7)
    assert causes["its seed is new"] == 4
    assert causes["its record is damaged"] == 1
    assert sum(cells for cause, cells in causes.items() if cause.endswith("and is now 5")) == 2
    assert sum(cells for cause, cells in causes.items() if cause.endswith("and is now 5; its seed is new")) == 1
    epochs = call_vmp("sweep", "why", out, *GRID, "--set", "train.epochs=2").stdout
    assert "train.epochs was 1 and is now 2" in epochs


def test_a_plan_of_another_method_is_not_replaced_in_silence(finished: Path, call_vmp: Vmp, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "study")
    done = call_vmp("sweep", "run", *GRID, "--search", "random", "--arms", 1, "--out", tmp_path / "study")
    assert f"the plan in '{tmp_path / 'study'}' was of the method grid; random replaces it" in done.stderr


def test_tries_are_counted_over_runs_and_failed_cells_can_be_run_alone(
    tmp_path: Path, call_vmp: Vmp, finished: Path
) -> None:
    """The worker dies in the second cell, in both its tries; one cell is missing when the failed one runs again."""
    dies = backbone("deadly", graves=str(tmp_path / "graves"), deaths=2)
    settings = ("factors.prompt=[control]", "seeds=[0, 1, 2]", "train.epochs=2", *dies)
    arguments = ("sweep", "run", *GRID, *(f"--set={setting}" for setting in settings), "--out", tmp_path / "study")
    out = tmp_path / "study"
    first = call_vmp(*arguments)
    assert first.returncode == 3
    assert "2 of 3 cells complete; 1 failed" in first.stdout
    (failed,) = (path for path, content in cells(out).items() if json.loads(content)["status"] == "failed")
    checkpoint = out / "checkpoints" / failed.replace(".json", ".pt")
    save_checkpoint(checkpoint, {"key": "of another cell"})
    status = json.loads(call_vmp("sweep", "status", out, "--json").stdout)
    assert (status["reasons"][0]["tries"], status["tried_again"]) == (2, 1)
    missing = next(path for path in (out / "cells").iterdir() if path.name != failed)
    missing.unlink()
    (tmp_path / "graves" / "0").unlink()  # one more death
    again = call_vmp(*arguments, "--only", "failed", "--set", "tries=1")
    assert "[tried 3 times]" in again.stderr
    assert "in its only try" in again.stderr
    assert checkpoint.is_file()  # a failed cell goes on from its own
    third = call_vmp(*arguments, "--only", "failed")
    assert (third.returncode, missing.exists()) == (3, False)
    assert "2 of 3 cells complete; 1 missing; 1 of them computed now" in third.stdout
    assert json.loads((out / "cells" / failed).read_text())["provenance"]["tries"] == 4
    assert not checkpoint.exists()
    refused = call_vmp("sweep", "run", *GRID, "--only", "failed", "--out", tmp_path / "other")
    assert refused.returncode == 2
    assert "--only failed needs a study that has run" in refused.stderr


def test_threads_and_reading_processes_change_no_number(finished: Path, tmp_path: Path) -> None:
    study = small_study("factors.prompt=[control]", "seeds=[0]")
    run_study(study, tmp_path, runtime=Runtime(device="cpu", threads=2, loader_workers=1))
    (name,) = cells(tmp_path)
    record = StudyFolder(tmp_path).read_cell(name.removesuffix(".json"))
    assert (record.provenance.threads, record.provenance.loader_workers) == (2, 1)
    assert record.metrics.keys() == metrics(finished)[name].keys()
    assert record.metrics["val_top1"] == metrics(finished)[name]["val_top1"]
    for runtime in (Runtime(threads=0), Runtime(loader_workers=-1)):
        with pytest.raises(InputError, match=r"--(threads|loader-workers) must be at least ., got"):
            run_study(study, tmp_path, runtime=runtime)


def test_plan_for_scripts(call_vmp: Vmp, finished: Path, tmp_path: Path) -> None:
    printed = call_vmp("sweep", "plan", *GRID, "--json", "--workers", 2, cwd=tmp_path)
    assert printed.returncode == 0
    plan = json.loads(printed.stdout)
    assert plan["cells"] == json.loads((finished / "plan.json").read_text())["cells"]
    assert [cell for arm in plan["arms"] for cell in arm["cells"]] == [cell["hash"] for cell in plan["cells"]]
    assert (plan["schema"], plan["seeds"], plan["workers"]) == (1, [0, 1], 2)
    prompts = [arm["factors"]["prompt"] for arm in plan["arms"]]
    assert plan["comparisons"] == prompts.count("vmp") < len(prompts)  # every prompt with its reference
    assert plan["search"] is None
    assert plan["seconds"] > 0
    searched = call_vmp("sweep", "plan", *GRID, "--json", "--search", "gp", "--arms", 3, cwd=tmp_path)
    assert json.loads(searched.stdout)["search"]["method"] == "gp"
    assert not list(tmp_path.iterdir())


def test_plan_prints_cells_cost_and_what_they_can_show(call_vmp: Vmp, tmp_path: Path) -> None:
    planned = call_vmp("sweep", "plan", *GRID, cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "8 cells = 4 arms x 2 seeds" in planned.stdout
    assert re.search(r"Backbone \w+: [\d,]+ parameters, all of which learn", planned.stdout)
    assert re.search(r"predictions take about \d\S* k?B of disk a cell at most", planned.stdout)
    assert "With 2 seeds no comparison gets a verdict: that takes at least 3." in planned.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sweep", "run", "lambda", "--set", "trian.epochs=1"), "did you mean 'train'"),
        (
            ("sweep", "run", "lamda"),
            "built-in studies (appearance, baseline, collapse, guidance, init, lambda, long, motion, placement, "
            "regulariser, robustness, sampling, transfer)",
        ),
        (("sweep", "run", "absent.yaml"), "No such file"),
        (("sweep", "run", "lambda", "--set", "data.kind=manifest", "--set", "data.path=none.csv"), "none.csv"),
        (("sweep", "run", "lambda", "--set", "data.kind=folder", "--set", "data.path=."), "folder"),
        (("sweep", "run", "lambda", "--set", "backbone.kind=slowfast_tiny", "--set", "sampling.num_frames=2"), "of 4"),
        (("sweep", "run", "lambda", "--device", "cuda:99"), "cannot be used here"),
        (("sweep", "run", "lambda", "--workers", "0"), "--workers"),
        (("sweep", "run", "lambda", "--threads", "0"), "--threads"),
        (("sweep", "run", "lambda", "--engine", "slurm"), "unknown engine 'slurm'. Valid: local, ray."),
        (("sweep", "run", "lambda", "--search", "tpe", "--set", "factors={}"), "leaves nothing to search"),
        (("sweep", "run", "lambda", "--search", "tpi"), "Did you mean 'tpe'?"),
        (("sweep", "run", "lambda", "--search", "tpe", "--search-option", "gama=3"), "did you mean 'gamma'"),
        (("sweep", "run", "lambda", "--arms", "3"), "add --search NAME"),
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


def test_a_folder_that_cannot_be_written_or_is_no_study(call_vmp: Vmp, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = call_vmp("sweep", "run", *GRID, "--out", tmp_path / "file" / "study")
    assert done.returncode == 2
    assert "cannot write the study folder" in done.stderr
    done = call_vmp("sweep", "status", tmp_path, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds no study" in done.stderr


def test_a_search_from_the_command_line_resumes_and_reports(start: Start, call_vmp: Vmp, tmp_path: Path) -> None:
    out = tmp_path / "study"
    study = gated(tmp_path / "gate", free=6)
    arguments = ("sweep", "run", *study, "--search", "tpe", "--arms", 4, "--out", out, "--workers", 2)
    sweep = start(*arguments)
    wait_for_cells(out, 6, sweep)
    sweep.kill()
    sweep.wait()
    before = cells(out)
    assert len(before) == 6
    assert "has not proposed all its arms yet" in call_vmp("sweep", "status", out).stdout
    open_gate(tmp_path / "gate")
    done = call_vmp(*arguments)
    assert done.returncode == 0, done.stderr
    assert before.items() <= cells(out).items()
    plan = json.loads((out / "plan.json").read_text())
    assert plan["search"]["method"] == "tpe"
    assert len(plan["cells"]) == len(cells(out)) == 2 * (2 + 4)  # baseline, control and four proposed arms, two seeds
    assert (plan["search"]["in_flight"], plan["search"]["proposed"]) == (4, 4)


def test_a_study_file_may_ask_for_a_search(call_vmp: Vmp, tmp_path: Path) -> None:
    settings = ("--set", "search.method=random", "--set", "search.arms=2", "--set", "search.in_flight=2")
    done = call_vmp("sweep", "run", *GRID, "--set", "seeds=[0]", *settings, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "plan.json").read_text())["search"]["method"] == "random"
    assert "4 of 4 cells complete" in done.stdout  # baseline, control, and two arms
