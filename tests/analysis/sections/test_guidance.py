"""Guidance on lambda: a planted rule is found, noise is no better than a constant, too few data sets give a reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.readers.registry import join
from analysis.sections.guidance import GUIDANCE
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from sweeps.stats.guidance import rules
from tests.analysis.study_records import StudyModel, lambda_arms, write_study

LAMBDAS = (0.0, 0.1, 1.0, 10.0)


def data_sets(folder: Path, gaps: list[float], best: list[int]) -> Conclusions:
    studies = []
    for number, (gap, place) in enumerate(zip(gaps, best, strict=True)):
        path = folder / f"set{number}"
        effects = {value: 0.2 - 0.06 * abs(i - place) for i, value in enumerate(LAMBDAS)}
        write_study(path, StudyModel(name=f"set{number}", arms=lambda_arms(effects, baseline=None), seeds=(0, 1, 2)))
        for file in (path / "cells").iterdir():
            record = json.loads(file.read_text(encoding="utf-8"))
            record["metrics"]["frame_gap_seconds"] = gap
            file.write_text(json.dumps(record), encoding="utf-8")
        studies.append(load_study(path))
    return conclude(join(studies, folder) if len(studies) > 1 else studies[0])


GAPS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28]


def test_a_rule_that_holds_is_found(tmp_path: Path) -> None:
    conclusions = data_sets(tmp_path, GAPS, [0, 0, 1, 1, 2, 2, 3, 3])
    assert GUIDANCE.applies(conclusions) is True
    content = GUIDANCE.compute(conclusions)
    ((_, (finding,)),) = content.findings
    assert "better than a constant (p" in finding.text
    assert "no better" not in finding.text
    _, sets, rule, constant, *_ = content.tables[0].rows[0].values
    assert sets == 8
    assert isinstance(rule, float) and isinstance(constant, float) and rule < constant - 0.03  # noqa: PT018


def test_a_constant_is_said_to_do(tmp_path: Path) -> None:
    conclusions = data_sets(tmp_path, GAPS[:3], [2, 2, 2])
    ((_, (finding,)),) = GUIDANCE.compute(conclusions).findings
    assert finding.text.endswith("no better than a constant; with 3 data sets nothing better could be shown.")


@pytest.mark.parametrize(
    ("gaps", "reason"),
    [
        (GAPS[:1], "takes 3 data sets, and there is 1"),
        (GAPS[:2], "takes 3 data sets, and there are 2"),
        ([0.04] * 3, "is not known or the same for all data sets"),
    ],
)
def test_without_what_it_takes_there_is_a_reason(gaps: list[float], reason: str, tmp_path: Path) -> None:
    assert reason in str(GUIDANCE.applies(data_sets(tmp_path, gaps, [1] * len(gaps))))


def test_a_rule_by_noise_is_better_in_no_more_than_5_percent() -> None:
    """No statistic matters: data sets with one best value, with other best values at random, and with ties."""
    rng = np.random.default_rng(3)
    draws = 300
    for kind in ("alike", "random", "ties"):
        wrong = 0
        for _ in range(draws):
            truth = np.zeros((8, 5)) if kind == "ties" else -0.03 * np.abs(
                np.arange(5) - (2 if kind == "alike" else rng.integers(0, 5, size=(8, 1)))
            ) * np.ones((8, 5))  # fmt: skip
            val, test = (truth + 0.01 * rng.normal(size=truth.shape) * (kind != "ties") for _ in range(2))
            wrong += any(rule.is_better for rule in rules(rng.lognormal(size=(2, 8)), val, test))
        assert wrong / draws <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / draws), kind
