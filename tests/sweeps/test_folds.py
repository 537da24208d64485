"""Folds of one data set as the blocks of a study: planned, run on real videos, and never chosen among."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.study.cells import load_study as load_results
from analysis.verdict.conclusions import conclude
from analysis.words.headline import findings, headline
from sweeps.plan import grid_tasks, make_plan
from sweeps.run import run_study
from sweeps.study import Study
from tests.vmp.data.tiny_videos import write_video
from vmp.core.config import to_plain

FOLDS = ("1/3", "2/3", "3/3")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("VMP_CACHE_DIR", str(tmp_path / "cache"))
    rows = ["path,label,group\n"]
    for i in range(18):
        write_video(tmp_path / f"{i}.mp4", 8, video=i)
        rows.append(f"{i}.mp4,{'ab'[i % 2]},g{i // 2}\n")
    (tmp_path / "clips.csv").write_text("".join(rows))
    return Study(
        name="folds",
        factors={"prompt": ("control", "vmp"), "data.fold": FOLDS},
        seeds=(0, 1, 2),
        data={"kind": "manifest", "path": str(tmp_path / "clips.csv"), "size": 16},
        sampling={"kind": "uniform", "num_frames": 4},
        backbone={"kind": "cnn3d_tiny"},
        train={"epochs": 1, "batch_size": 8},
    )


def test_a_plan_has_the_data_of_its_first_fold_where_no_cell_uses_the_study_s_own(study: Study) -> None:
    plan = make_plan(study, grid_tasks(study))
    assert plan.data.splits["test"] == 6
    assert plan.data.groups == {"train": 5, "val": 1, "test": 3}


def test_every_video_is_tested_once_and_arms_are_compared_within_folds(study: Study, tmp_path: Path) -> None:
    run_study(study, tmp_path / "out", workers=1)
    results = load_results(tmp_path / "out")
    conclusions = conclude(results)
    assert [verdict.block for verdict in conclusions.verdicts] == [f"data.fold = {fold}" for fold in FOLDS]
    for contrast in conclusions.primary:
        assert contrast.arm.factors["data.fold"] == contrast.reference.factors["data.fold"]
    assert conclusions.over_blocks is not None
    said = [finding.text for _, those in findings(conclusions) for finding in those if finding.topic == "Divisions"]
    assert len(said) == 1
    assert "Intervals over all divisions allow for that (Nadeau and Bengio, 2003: test over training videos" in said[0]
    (over,) = conclusions.over_blocks.contrasts
    assert over.sides.divisions is not None
    assert over.sides.divisions.names == FOLDS
    counts = [record.data.splits for record in results.records.values()]
    assert over.sides.divisions.overlap == max(one["test"] / one["train"] for one in counts)
    assert (over.n, over.seeds) == (3, (0, 1, 2))
    assert headline(conclusions).text.startswith(("Over 3 divisions, ", "VMP loses for "))
    assert "3 divisions of the videos, each the mean of 3 seeds" in headline(conclusions).text
    assert len({record.data.hash for record in results.records.values()}) == len(FOLDS)
    assert to_plain(study.data)["fold"] is None, "the study's own data stay as they are"
