"""Sentences that many arms share: short whatever the number of arms."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.sections.seed_std import SEED_STD
from analysis.study.loading import load_study
from analysis.verdict.choosing import Bar, Excluded
from analysis.verdict.conclusions import conclude
from analysis.words.claims import mixed_runs
from analysis.words.findings import exclusion_findings
from analysis.words.headline import findings, headline
from analysis.words.phrases import in_runs
from tests.analysis.study_records import StudyModel, lambda_arms, write_study
from tests.conftest import ROOT


def test_forty_excluded_lambdas_make_one_sentence(tmp_path: Path) -> None:
    lambdas = [i / 10 for i in range(42)]
    missing = {v: range(2, 2 + i % 4) for i, v in enumerate(lambdas[:30])}
    diverged = {v: [1 + i % 3] for i, v in enumerate(lambdas[30:40])}
    arms = lambda_arms(dict.fromkeys(lambdas, 0.1), missing=missing, diverged=diverged)
    write_study(tmp_path, StudyModel(arms=arms, seeds=range(5), epochs=2))
    conclusions = conclude(load_study(tmp_path))
    (only,) = exclusion_findings(conclusions.verdicts[0])
    assert "7 values of λ from 0.3 to 2.7 (2 of 5 seeds complete)" in only.text
    assert "λ = 3" not in only.text  # a diverged seed counts with the worst accuracy, it excludes no arm
    assert len(only.text) < 200
    texts = [finding.text for _, of_block in findings(conclusions) for finding in of_block]
    assert sum("ould not be chosen" in text for text in texts) == 1


def test_candidates_of_a_search_that_lost_on_few_seeds_make_one_reason(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms(dict.fromkeys((0, 1, 2, 3, 4), 0.1))))
    (verdict,) = conclude(load_study(tmp_path)).verdicts
    out = [s.arm for s in verdict.candidates if verdict.best is None or s.arm != verdict.best.arm]
    excluded = tuple(
        Excluded(arm=arm, bar=Bar.LOST, reason=f"the search gave it {n} seeds, and the best arms 9")
        for n, arm in enumerate(out, 2)
    )
    (only,) = exclusion_findings(replace(verdict, excluded=excluded))
    assert only.text.endswith(" (the search gave them fewer seeds than the best arms).")
    assert verdict.choices == replace(verdict, excluded=excluded).choices == 5


def test_a_stopped_cell_is_counted_apart_and_out_of_the_choice(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.3}, stopped={1: [2]})))
    conclusions = conclude(load_study(tmp_path))
    verdict = conclusions.verdicts[0]
    assert verdict.best is not None
    assert verdict.best.arm.lambda_ == 0
    assert [(one.arm.label, one.reason) for one in verdict.excluded] == [("λ = 1", "1 of 5 seeds stopped early")]
    stopped = conclusions.evidence.summary(verdict.excluded[0].arm)
    assert (stopped.stopped, stopped.complete, len(stopped.seeds)) == (1, 4, 4)
    contrast = next(c for c in conclusions.primary if c.arm == stopped.arm)
    assert contrast.seeds == (0, 1, 3, 4)
    assert conclusions.completeness.is_finished


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (range(20), "0 to 19"),
        ([7, 0, 1, 2], "0 to 2 and 7"),
        ([4, 5], "4 and 5"),
        ([3], "3"),
        ([1, 3, 5], "1, 3 and 5"),
    ],
)
def test_numbers_that_follow_each_other_are_said_by_their_ends(numbers: Sequence[int], said: str) -> None:
    assert in_runs(numbers) == said


def test_an_arm_that_collapsed_in_every_seed_mixes_no_outcomes(tmp_path: Path) -> None:
    for collapsed, said in ((range(5), "; all of its 5 runs collapsed"), (range(2), "; 2 of its 5 runs collapsed, so")):
        folder = tmp_path / str(len(collapsed))
        write_study(folder, StudyModel(arms=lambda_arms({0: 0.1}, collapsed={0: collapsed})))
        main = conclude(load_study(folder)).verdicts[0].main
        assert main is not None
        assert mixed_runs(main).startswith(said)
        assert mixed_runs(main).endswith("two outcomes") == (len(collapsed) < 5)


def test_standard_deviations_on_one_line_are_not_tested(tmp_path: Path) -> None:
    """Accuracies in steps of one video can lie on a line in 3 seeds; a p value of 0 would be made of nothing."""
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2}), seeds=(0, 1, 2)))
    study = load_study(tmp_path)
    steps = {"control (A = 1)": (0.50, 0.54, 0.58), "λ = 0": (0.60, 0.62, 0.64)}
    for arm, values in steps.items():
        for seed, value in enumerate(values):
            study.cells.loc[(study.cells["arm"] == arm) & (study.cells["seed"] == seed), "test_top1"] = value
    content = SEED_STD.compute(conclude(study))
    rows = {row.values[0]: row.values for row in content.tables[0].rows}
    assert all(math.isnan(float(str(p))) for p in rows["λ = 0"][7:9])
    assert not math.isnan(float(str(rows["λ = 1"][7])))
    assert "λ = 0 varies" not in content.findings[0][1][0].text


def test_a_headline_over_blocks_says_where_the_arm_loses_and_where_it_only_looks_behind() -> None:
    said = headline(conclude(load_study(ROOT / "results" / "reference" / "robustness"))).text
    where = re.search(r"VMP with \S+ = \S+ loses for (.*) and looks behind for (.*?); over 7 blocks", said)
    assert where is not None, said
    assert [part.count(": worse)") for part in where.groups()] == [1, 0]
    assert [part.count(": behind, not established)") for part in where.groups()] == [0, 1]
