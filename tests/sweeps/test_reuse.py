"""What a sweep computes again, what it leaves as it is or takes over from elsewhere, and why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from sweeps.records.cell_record import cell_hash
from sweeps.records.study_folder import StudyFolder
from tests.conftest import Vmp
from tests.sweeps.command_line import GRID, cells, metrics
from tests.sweeps.staged import backbone
from vmp.training.checkpoint import save_checkpoint


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
