"""`vmp sweep run --confirm`: the chosen arm and its reference on seeds that the choice never saw."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from analysis.study.loading import load_study as read_study
from analysis.verdict.conclusions import conclude
from analysis.words.headline import headline
from sweeps.confirm import plan_confirmation
from sweeps.predictions import read_predictions
from sweeps.records.study_folder import StudyFolder
from sweeps.run import confirm_study, run_study
from sweeps.study import Study
from sweeps.study_files import load_study
from tests.analysis.study_records import ArmModel, StudyModel, lambda_arms, write_study
from tests.conftest import Vmp
from tests.sweeps.staged import small_study
from vmp.core.errors import InputError


@pytest.fixture(scope="module")
def study() -> Study:
    return small_study("seeds=[0, 1, 2]", "factors.prompt=[control, vmp]", "factors.lambda=null")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, study: Study) -> Path:
    out = tmp_path_factory.mktemp("confirm") / "study"
    run_study(study, out)
    return out


def test_fresh_cells_are_run_once_and_reported_first(finished: Path, study: Study, tmp_path: Path) -> None:
    out = tmp_path / "study"
    shutil.copytree(finished, out)
    before = conclude(read_study(out))
    main = before.verdicts[0].main
    assert main is not None
    status = confirm_study(study, out, seeds=3)
    assert (status.planned, status.computed, status.is_complete) == (6, 6, True)
    planned = StudyFolder(out).read_plan().confirmation
    assert planned is not None
    assert (planned.seeds, planned.chosen_on) == ([3, 4, 5], [0, 1, 2])
    assert all(read_predictions(out, cell.hash) for cell in planned.cells)
    # The report, which may not import the sweep, chooses the same arm by the same rule.
    assert planned.pairs == [(dict(main.arm.factors), dict(main.reference.factors))]
    assert confirm_study(study, out, seeds=3).computed == 0
    assert confirm_study(study, out, seeds=4).computed == 2
    assert run_study(study, out).computed == 0  # the study's own command leaves the fresh cells in the plan
    after = conclude(read_study(out))
    assert after.study.plan.seeds == [0, 1, 2]
    assert after.primary[0].seeds == (0, 1, 2)
    assert after.confirmed is not None
    (fresh,) = after.confirmed.contrasts
    assert (fresh.seeds, fresh.family) == ((3, 4, 5, 6), 1)
    values = {(record.factors["prompt"], record.seed): record.metrics["test_top1"] for record in _records(out)}
    expected = [values["vmp", seed] - values["control", seed] for seed in fresh.seeds]  # type: ignore[operator]
    assert fresh.differences == pytest.approx(tuple(expected))
    assert headline(after).text.startswith("Confirmation on fresh seeds: ")


def _records(out: Path) -> list:
    folder = StudyFolder(out)
    planned = folder.read_plan().confirmation
    assert planned is not None
    return [folder.read_cell(cell.hash) for cell in planned.cells]


def test_the_command_line_confirms_and_status_counts(finished: Path, tmp_path: Path, call_vmp: Vmp) -> None:
    out = tmp_path / "study"
    shutil.copytree(finished, out)
    text = json.dumps(_plain(StudyFolder(out)))
    (tmp_path / "study.yaml").write_text(text)
    done = call_vmp("sweep", "run", tmp_path / "study.yaml", "--out", out, "--confirm", "--seeds", 3)
    assert done.returncode == 0, done.stderr
    assert "on 3 fresh seeds" in done.stdout + done.stderr
    assert "6 of 6 cells complete; 6 of them computed now" in done.stdout
    status = call_vmp("sweep", "status", out)
    assert "confirmation on fresh seeds: 6 of 6 cells complete" in status.stdout
    printed = json.loads(call_vmp("report", out, "--json").stdout)
    assert [one["comparison"]["n"] for one in printed["confirmation"]] == [3]


def _plain(folder: StudyFolder) -> dict:
    plan = folder.read_plan()
    return {**plan.study.settings, "name": plan.study.name, "factors": plan.factors, "seeds": plan.seeds}


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        (lambda_arms({0: 0.1, 1: 0.1}, missing={1: [2]}), "still has 1 cell to run"),
        (lambda_arms({0: 0.1, 1: 0.1}, stopped={0: [2], 1: [2]}), "nothing can be chosen"),
        ([ArmModel({"lambda": 0})], "nothing can be chosen"),
    ],
)
def test_what_cannot_be_confirmed_says_why(tmp_path: Path, arms: list[ArmModel], message: str) -> None:
    write_study(tmp_path, StudyModel(arms=arms))
    with pytest.raises(InputError, match=message):
        plan_confirmation(StudyFolder(tmp_path), load_study("lambda"), None, print)


def test_the_number_of_seeds_is_the_planner_s(tmp_path: Path) -> None:
    notes: list[str] = []
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.02, 1: 0.03}), seeds=range(6), cell_sd=0.02))
    header, tasks = plan_confirmation(StudyFolder(tmp_path), load_study("lambda"), None, notes.append)
    assert len(tasks) == 2 * len(header.seeds)
    assert min(header.seeds) == 6
    assert f"{len(header.seeds)} seeds show the difference seen with 80% probability" in notes[0]
    with pytest.raises(InputError, match="--seeds must be at least 3"):
        plan_confirmation(StudyFolder(tmp_path), load_study("lambda"), 2, print)


def test_plan_and_report_choose_the_same_arm(tmp_path: Path) -> None:
    """Also with missing and diverged cells, blocks, and another question than the control."""
    blocks = [
        ArmModel({"backbone": b, "prompt": p, "lambda": v}, effect=e)
        for b in ("slow_tiny", "x3d_tiny")
        for p, v, e in (("control", None, 0), ("vmp", 0, 0.05), ("vmp", 1, 0.06))
    ]
    cases = [
        (lambda_arms({0: 0.1, 0.1: 0.11, 1: 0.1}, diverged={0.1: [1]}), {}),
        (lambda_arms({0: 0.1, 0.1: 0.2, 1: 0.1}), {"reference": {"lambda": 0}}),
        (lambda_arms({0: 0.2, 0.1: 0.1, 1: 0.1}), {"reference": {"lambda": 0}}),
        (blocks, {}),
    ]
    for i, (arms, extra) in enumerate(cases):
        out = tmp_path / str(i)
        write_study(out, StudyModel(arms=arms, extra=extra))
        conclusions = conclude(read_study(out))
        header, _ = plan_confirmation(StudyFolder(out), load_study("lambda"), 3, lambda _: None)
        mains = [verdict.main for verdict in conclusions.verdicts]
        assert header.pairs == [(dict(m.arm.factors), dict(m.reference.factors)) for m in mains if m]
