"""Several studies in one document: every sentence is its report's own, and an arm that two studies ran counts once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analysis.atlas import PAGE, every_arm, read_all
from analysis.cli import atlas, report
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from tests.analysis.study_records import STARTS, StudyModel, lambda_arms, write_study

LAMBDA = StudyModel(arms=lambda_arms({0: 0.1, 0.1: 0.15, 10: 0.05}, collapsed={10: [0, 2]}))
START = StudyModel(name="starts", arms=STARTS, seeds=(0, 1, 2), extra={"compare": ["m", "n"]})


def conclusions(path: Path, model: StudyModel) -> Conclusions:
    write_study(path, model)
    return conclude(load_study(path))


def test_the_document_says_what_each_report_says(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder, model in zip(folders, (LAMBDA, START), strict=True):
        write_study(folder, model)
    out = tmp_path / "gallery"
    ran = CliRunner().invoke(atlas, [*map(str, folders), "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    text = (out / PAGE).read_text()
    for folder, model in zip(folders, (LAMBDA, START), strict=True):
        printed = CliRunner().invoke(report, [str(folder), "--out", str(tmp_path / "report")]).stdout.splitlines()
        assert printed[:-1], "the headline at least"
        for sentence in printed[:-1]:  # the last line is the path of the page
            assert sentence in text
        assert f"**{model.question}**" in text
        assert f"`vmp report {folder} --out DIR`" in text
    assert {path.name for path in out.iterdir()} == {PAGE, "lambda.png", "starts.png", "every-arm.png"}
    again = CliRunner().invoke(atlas, [*map(str, folders), "--out", str(out)])
    assert again.exit_code == 0
    assert (out / PAGE).read_text() == text


def test_each_arm_is_compared_with_its_control_and_counts_once(tmp_path: Path) -> None:
    few, more = (
        conclusions(tmp_path / "few", LAMBDA),
        conclusions(tmp_path / "more", StudyModel(arms=lambda_arms({0: 0.1, 0.1: 0.15, 1: 0.1}), seeds=range(8))),
    )
    starts = conclusions(tmp_path / "starts", START)
    made = every_arm({"few": few, "starts": starts, "lambda": more})
    assert made is not None
    labels = [contrast.arm.label for contrast in made.contrasts]
    assert len(labels) == 3 + 1 + len(STARTS) - 1, "λ = 0 and 0.1 are in two studies"
    assert len(set(labels)) == len(labels)
    for contrast in made.contrasts:
        of = starts if contrast.arm.label.startswith("starts") else few if "λ = 10" in contrast.arm.label else more
        assert contrast.n == len(of.study.plan.seeds), "the study of the most seeds"
    by_hand = more.evidence.values("test_top1")
    prompted = next(arm for arm in more.study.arms if arm.label == "λ = 0.1")
    control = next(arm for arm in more.study.arms if arm.factors["prompt"] == "control")
    shown = next(c for c in made.contrasts if c.arm.label == "lambda: λ = 0.1")
    np.testing.assert_allclose(shown.mean, (by_hand[prompted.order] - by_hand[control.order]).mean())
    assert shown.arm.factors == {"study": "lambda", "lambda": "above 0, to 0.1", "n at the start": "none"}
    assert f"of {len(labels)} arms" in made.finding.text


def test_studies_of_one_name_are_called_by_their_folders(tmp_path: Path) -> None:
    folders = [tmp_path / "grid", tmp_path / "race", tmp_path / "starts"]
    for folder, model in zip(folders, (LAMBDA, LAMBDA, START), strict=True):
        write_study(folder, model)
    assert list(read_all(folders)) == ["grid", "race", "starts"]
    ran = CliRunner().invoke(atlas, [*map(str, folders), "--out", str(tmp_path / "out")])
    assert ran.exit_code == 0, ran.output
    assert {"grid.png", "race.png", "starts.png"} < {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize(
    ("models", "sentence"),
    [
        ((LAMBDA, LAMBDA), "two of the folders hold a study named 'lambda' and would both be same.png"),
        ((StudyModel(arms=lambda_arms({0: 0.1}, missing={0: [1]})),), "has cells still to run"),
    ],
)
def test_what_has_no_answer_yet_or_no_name_of_its_own_is_refused(
    models: tuple[StudyModel, ...], sentence: str, tmp_path: Path
) -> None:
    folders = []
    for number, model in enumerate(models):
        write_study(tmp_path / str(number) / "same", model)
        folders.append(str(tmp_path / str(number) / "same"))
    ran = CliRunner().invoke(atlas, [*folders, "--out", str(tmp_path / "out")])
    assert sentence in str(ran.exception)
    assert not (tmp_path / "out").exists()
