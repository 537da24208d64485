"""``vmp report --json``: one object, of the documented keys, and nothing written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from analysis.cli import report
from analysis.report import json_object
from analysis.report.write import write_report
from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from analysis.words.headline import headline
from tests.analysis.study_records import STARTS, ArmModel, StudyModel, lambda_arms, write_study

NO_ANSWER = {"outcome": "none", "chosen": None, "reference": None, "comparison": None}


def printed(folder: Path, *options: str) -> dict:
    result = CliRunner().invoke(report, [str(folder), "--json", *options], catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.stdout)


def test_the_object_holds_the_verdict_and_nothing_is_written(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 0.1: 0.15, 10: 0.05})))
    before = {path.name for path in tmp_path.iterdir()}
    answer = printed(tmp_path)
    conclusions = conclude(load_study(tmp_path))
    main = conclusions.verdicts[0].main
    assert main is not None
    assert main.interval is not None
    assert answer["headline"] == headline(conclusions).text
    assert (answer["outcome"], answer["complete"], answer["page"]) == ("better", True, None)
    assert answer["chosen"] == {"prompt": "vmp", "lambda": 0.1}
    assert answer["reference"] == {"prompt": "control", "lambda": None}
    assert answer["comparison"] == {
        "subject": "λ = 0.1",
        "against": "control (A = 1)",
        "difference": main.mean,
        "low": main.interval.low,
        "high": main.interval.high,
        "p": main.p,
        "n": 5,
        "unit": "seed",
        "family": 3,
        "reason": "",
    }
    assert answer["collapse"]["n"] == 5
    assert {"prompt": "vmp", "lambda": 0.1} in answer["possible"]
    assert {path.name for path in tmp_path.iterdir()} == before
    documented = re.findall(r"^    (\w+) ", json_object.__doc__ or "", flags=re.MULTILINE)
    assert sorted(answer) == sorted(documented)
    assert answer["schema"] == json_object.SCHEMA


def test_with_a_folder_the_page_is_written_and_named(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=[ArmModel({"prompt": "none"})], seeds=(0, 1)))
    page = printed(tmp_path, "--out", str(tmp_path / "out"))["page"]
    assert Path(page) == tmp_path / "out" / "index.html"
    assert Path(page).is_file()


@pytest.mark.parametrize("missing", [(0, 1, 2), (1, 2)])
def test_an_unfinished_study_has_no_answer_yet(tmp_path: Path, missing: tuple[int, ...]) -> None:
    arms = lambda_arms({0: 0.1, 1: 0.1}, missing={0: missing, 1: missing}, stopped={1: [0]})
    write_study(tmp_path, StudyModel(arms=arms, seeds=(0, 1, 2)))
    answer = printed(tmp_path)
    assert {key: answer[key] for key in NO_ANSWER} == NO_ANSWER
    assert not answer["complete"]
    assert sum(answer["cells"].values()) == 2 * answer["cells"]["planned"]


def test_a_study_of_blocks_answers_over_them_and_by_block(tmp_path: Path) -> None:
    factors = [("control", None), ("vmp", 0), ("vmp", 1), ("vmp", 2)]
    arms = [ArmModel({"backbone": b, "prompt": p, "lambda": v}) for b in ("slow", "x3d") for p, v in factors]
    write_study(tmp_path, StudyModel(arms=arms))
    answer = printed(tmp_path)
    assert sorted(answer["chosen"]) == ["lambda", "prompt"]  # what all blocks have in common
    assert (answer["comparison"]["family"], answer["reference"]) == (3, None)
    assert [block["block"] for block in answer["blocks"]] == ["backbone = slow", "backbone = x3d"]
    assert all((b["comparison"]["n"], b["comparison"]["family"]) == (5, 6) for b in answer["blocks"])


def test_a_factorial_answers_by_its_leading_effect(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=STARTS, seeds=(0, 1, 2), cell_sd=0.03))
    answer = printed(tmp_path)
    assert answer["comparison"]["subject"] == "n = 0.3 and 0.6"
    effect = next(one for one in answer["effects"] if one["factor"] == "n")
    assert effect["comparison"] == answer["comparison"]
    assert (effect["collapse"]["against"]["count"], effect["collapse"]["subject"]["count"]) == (24, 0)


def test_components_and_importances_of_a_factorial_are_those_that_were_planted(tmp_path: Path) -> None:
    """Two switches of 8 and 3 points and 6 more where both are on: each alone, left out of both, and their mean."""
    arms = [
        ArmModel({"signed": signed, "flip": flip}, effect=0.08 * signed + 0.03 * flip + 0.06 * signed * flip)
        for signed in (False, True)
        for flip in (False, True)
    ]
    write_study(tmp_path, StudyModel(arms=arms, seeds=range(6), cell_sd=0.001))
    answer = printed(tmp_path)
    signed, flip = answer["components"]
    assert [(one["component"], one["off"], one["on"]) for one in (signed, flip)] == [
        ("signed", "off", "on"),
        ("flip", "off", "on"),
    ]
    for one, alone in ((signed, 0.08), (flip, 0.03)):
        assert one["added"]["difference"] == pytest.approx(alone, abs=0.003)
        assert one["left_out"]["difference"] == pytest.approx(alone + 0.06, abs=0.003)
        assert one["disagreement"]["difference"] == pytest.approx(0.06, abs=0.004)
        assert one["shapley"]["difference"] == pytest.approx(alone + 0.03, abs=0.003)
        assert set(one["added"]) == set(answer["comparison"])
    parts = {"signed": 0.11**2, "flip": 0.06**2, "both": 0.03**2}  # squared main effects and half the interaction's
    importance = answer["importance"]
    assert importance["method"] == "anova"
    for one in importance["factors"]:
        assert one["share"] == pytest.approx(parts[one["factor"]] / sum(parts.values()), abs=0.03)
        assert 0 <= one["low"] <= one["share"] <= one["high"] <= 1
        assert one["above"] is (one["share"] > one["floor"])
        total = (parts[one["factor"]] + parts["both"]) / sum(parts.values())
        assert one["total"] == pytest.approx(total, abs=0.03)
    assert [one["above"] for one in importance["factors"]] == [True, True]


def test_the_verdict_stands_beside_the_page(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.15})))
    page = write_report(tmp_path)
    beside = json.loads((page.parent / "verdict.json").read_text(encoding="utf-8"))
    assert beside == {**printed(tmp_path), "page": "index.html"}
