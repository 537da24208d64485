"""Sentences that many arms share: short whatever the number of arms."""

from __future__ import annotations

from pathlib import Path

from analysis.study.cells import load_study
from analysis.verdict.conclusions import conclude
from analysis.words.findings import exclusion_findings
from analysis.words.headline import findings
from tests.analysis.study_records import StudyModel, lambda_arms, write_study


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


def test_a_stopped_cell_is_counted_apart_and_out_of_the_choice(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.3}, stopped={1: [2]})))
    conclusions = conclude(load_study(tmp_path))
    verdict = conclusions.verdicts[0]
    assert verdict.best is not None
    assert verdict.best.arm.lambda_ == 0
    assert [(arm.label, reason) for arm, reason in verdict.excluded] == [("λ = 1", "1 of 5 seeds stopped early")]
    stopped = conclusions.evidence.summary(verdict.excluded[0][0])
    assert (stopped.stopped, stopped.complete, len(stopped.seeds)) == (1, 4, 4)
    contrast = next(c for c in conclusions.primary if c.arm == stopped.arm)
    assert contrast.seeds == (0, 1, 3, 4)
    assert conclusions.completeness.is_finished
