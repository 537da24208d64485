"""Strata: from the tags of the test videos to a table with paired differences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.report.compose import Composition, compose
from analysis.sections.catalogue import SECTIONS
from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from analysis.verdict.contrasts import Contrast
from analysis.words.phrases import limits, points
from tests.analysis.study_records import StudyModel, lambda_arms, write_study

ARMS = lambda_arms({0.0: 0.05, 1.0: 0.03})


def composed(folder: Path, strata: dict[str, float]) -> Composition:
    return compose(conclude(load_study(write_study(folder, StudyModel(arms=ARMS, strata=strata)).path)), SECTIONS)


def test_each_stratum_has_its_own_paired_differences(tmp_path: Path) -> None:
    tables = {t.name: t for _, c in composed(tmp_path, {"camera=moving": -0.1}).sections for t in c.tables}
    overall = {row.values[0]: row.values for row in tables["results"].rows}
    rows = [row.values for row in tables["strata"].rows]
    assert [row[:2] for row in rows] == [("camera=moving", arm) for arm in overall]
    for _, arm, seeds, mean, difference, interval in rows:
        assert seeds == 5
        assert mean == pytest.approx(overall[arm][3] - 0.1, abs=1e-4)
        # A shift that all arms share leaves the paired differences as they are.
        assert (difference is None) == (overall[arm][6] is None)
        if difference is not None:
            assert difference == pytest.approx(overall[arm][6], abs=1e-4)
            assert (interval.low, interval.high) == pytest.approx((overall[arm][7].low, overall[arm][7].high), abs=1e-3)


def test_sentences_name_the_arm_and_have_the_intervals_of_the_figure(tmp_path: Path) -> None:
    blocks = [replace(arm, factors={"backbone": name, **arm.factors}) for name in ("slow", "x3d") for arm in ARMS]
    model = StudyModel(arms=blocks, strata={"camera=moving": -0.1, "camera=static": 0.1})
    made = compose(conclude(load_study(write_study(tmp_path, model).path)), SECTIONS)
    (content,) = [content for section, content in made.sections if section.name == "strata"]
    (figure,) = content.figures
    for block, findings in content.findings:
        assert len(findings) == 2
        for finding in findings:
            (contrast,) = finding.contrasts
            assert finding.text.startswith("VMP with λ = ")
            assert block not in finding.text  # it is the heading
            assert isinstance(contrast, Contrast)
            assert contrast.interval is not None
            assert limits(contrast.interval) in finding.text
            assert f"{points(contrast.mean)}  [{limits(contrast.interval)}]" in figure.alt


def test_without_tags_there_is_no_table_and_one_line_says_why(tmp_path: Path) -> None:
    absent = {section.name: reason for section, reason in composed(tmp_path, {}).absent}
    assert absent["strata"] == "no tag divides the test videos"
