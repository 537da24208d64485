"""Folds and official splits as the blocks of a study: planned, run on real videos, and never chosen among."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from analysis.study.loading import load_study as load_results
from analysis.verdict.conclusions import conclude
from analysis.words.headline import findings, headline
from sweeps.executors.cell import run_cell
from sweeps.plan import grid_tasks, make_plan
from sweeps.run import run_study
from sweeps.study import Study
from tests.conftest import Vmp
from tests.vmp.data.tiny_videos import write_video
from vmp.core.config import to_plain
from vmp.data.registry import load_data
from vmp.experiment import Runtime

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


def test_a_plan_says_what_the_divisions_can_show_and_not_what_seeds_could(study: Study, call_vmp: Vmp) -> None:
    path = Path(study.data.path).parent / "folds.yaml"  # type: ignore[union-attr]
    path.write_text(
        "name: folds\nfactors: {prompt: [control, vmp], data.fold: [1/3, 2/3, 3/3]}\nseeds: [0, 1]\n"
        "data: {kind: manifest, path: clips.csv, size: 16}\nsampling: {kind: uniform, num_frames: 4}\n"
        "backbone: cnn3d_tiny\ntrain: {epochs: 1, batch_size: 8}\n"
    )
    said = call_vmp("sweep", "plan", str(path)).stdout
    assert "The verdict is over 3 divisions of the videos, each the mean of its 2 seeds: with 1 comparison" in said
    assert "paired seeds" not in said
    assert "sign-flip" not in said
    assert json.loads(call_vmp("sweep", "plan", str(path), "--json").stdout)["smallest_p_value"] is None


def test_a_plan_says_that_data_sets_divide_the_same_videos(study: Study, tmp_path: Path) -> None:
    for name, first in (("a", 0), ("b", 6)):  # other six videos are tested
        rows = [f"{i}.mp4,{'ab'[i % 2]},{'test' if first <= i < first + 6 else 'train'}\n" for i in range(18)]
        (tmp_path / f"{name}.csv").write_text("path,label,split\n" + "".join(rows))
    by_hand = dataclasses.replace(
        study,
        factors={"prompt": ("control", "vmp"), "data.path": (str(tmp_path / "a.csv"), str(tmp_path / "b.csv"))},
    )
    notes = make_plan(by_hand, grid_tasks(by_hand)).data.notes
    assert any(
        note.startswith("12 test videos of one of the 2 data sets of this study bear the names") for note in notes
    )
    assert not any("bear the names" in note for note in make_plan(study, grid_tasks(study)).data.notes)
    data = {"kind": "motion", "train": 6, "val": 6, "test": 6, "size": 16}
    two_sets = dataclasses.replace(study, data=data, factors={"prompt": ("control", "vmp"), "data.noise": (0, 0.1)})
    assert not any("bear the names" in note for note in make_plan(two_sets, grid_tasks(two_sets)).data.notes)


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


def test_a_cell_refuses_other_videos_than_those_of_its_plan(study: Study, tmp_path: Path) -> None:
    task = next(task for task in grid_tasks(study) if task.factors["prompt"] == "control")
    same = run_cell(task, runtime=Runtime(), engine="local")
    assert same.status == "complete", same.reason
    write_video(tmp_path / "3.mp4", 9, video=40)
    load_data.cache_clear()  # as in another process
    other = run_cell(task, runtime=Runtime(), engine="local")
    assert other.status == "failed"
    assert other.reason is not None
    assert "are not those that the sweep was planned with: data 'clips'" in other.reason
    assert str(tmp_path / "clips.csv") in other.reason


def test_hmdb51_s_three_official_splits_by_the_command_line(
    call_vmp: Vmp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMP_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "splits").mkdir()
    codes = [[1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 0], [2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 0], [1, 1, 2, 1, 1, 2, 1, 2, 1, 1, 0]]
    for c, name in enumerate(("brush_hair", "wave")):
        files = [f"Movie_{i // 2}_{name}_f_{('cm', 'nm')[i % 2]}_np1_ba_med_{i}.avi" for i in range(11)]
        for i, file in enumerate(files[:10]):
            write_video(tmp_path / "videos" / name / file, 8 + i % 3, video=10 * c + i, codec="mpeg4")
        for number, of_split in enumerate(codes, start=1):
            lines = [f"{file} {code} \n" for file, code in zip(files, of_split, strict=True)]
            (tmp_path / "splits" / f"{name}_test_split{number}.txt").write_text("".join(lines))
    (tmp_path / "study.yaml").write_text(
        "name: splits\n"
        "factors: {prompt: [control, vmp], data.split: [1, 2, 3]}\n"
        "seeds: [0, 1, 2]\n"
        "data: {kind: hmdb51, path: videos, annotations: splits, size: 16, val_fraction: 0.2}\n"
        "sampling: {kind: uniform, num_frames: 4}\n"
        "backbone: cnn3d_tiny\n"
        "train: {epochs: 1, batch_size: 8}\n"
    )
    planned = call_vmp("sweep", "plan", "study.yaml", cwd=tmp_path).stdout
    assert "18 cells" in planned
    ran = call_vmp("sweep", "run", "study.yaml", "--out", "out", cwd=tmp_path)
    assert (ran.returncode, "18 of 18 cells complete" in ran.stdout + ran.stderr) == (0, True), ran.stderr
    results = load_results(tmp_path / "out")
    for record in map(results.read, results.records):
        test = codes[int(str(record.factors["data.split"])) - 1].count(2)
        assert record.data.splits["test"] == 2 * test == sum(one.total for one in record.scores["test"].classes)
        tags = set(record.scores["test"].strata)
        assert any("camera" in tag for tag in tags), "by the tags of the file names"
    assert call_vmp("report", tmp_path / "out").returncode == 0
    over = json.loads((tmp_path / "out" / "report" / "verdict.json").read_text())["comparison"]
    assert (over["unit"], over["n"]) == ("division", 3)
