"""The sweep as a user runs it: real processes, real kills, real training, real Optuna storage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sweeps.executors.base import Progress
from sweeps.records.study_folder import StudyFolder
from sweeps.run import run_study
from tests.conftest import Vmp
from tests.sweeps.command_line import GRID, cells, metrics
from tests.sweeps.staged import small_study
from vmp.core.errors import InputError
from vmp.experiment import Runtime


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


def test_a_study_file_may_ask_for_a_search(call_vmp: Vmp, tmp_path: Path) -> None:
    settings = ("--set", "search.method=random", "--set", "search.arms=2", "--set", "search.in_flight=2")
    done = call_vmp("sweep", "run", *GRID, "--set", "seeds=[0]", *settings, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "plan.json").read_text())["search"]["method"] == "random"
    assert "4 of 4 cells complete" in done.stdout  # baseline, control, and two arms
