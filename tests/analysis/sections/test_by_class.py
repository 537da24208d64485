"""Where the gain lies: planted class gains are recovered from the hits, as one family over all classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from statsmodels.stats.multitest import multipletests

from analysis.figures.gains_by_part import prepare_gains
from analysis.sections.by_class import BY_CLASS
from analysis.sections.methods import METHODS
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from tests.analysis.study_records import CLASSES, StudyModel, lambda_arms, write_study

GAINS = {"left": 0.1, "right": -0.2}


def conclude_on(folder: Path, **model: object) -> Conclusions:
    arms = lambda_arms({0: 0.05, 1: 0.02})
    return conclude(load_study(write_study(folder, StudyModel(arms=arms, seeds=range(6), **model)).path))  # type: ignore


def test_planted_gains_are_recovered_in_one_family(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, classes=GAINS, cell_sd=0.004)
    content = BY_CLASS.compute(conclusions)
    main = conclusions.verdicts[0].main
    assert main is not None
    rows = {row.values[2]: row for row in content.tables[0].rows}
    assert set(rows) == set(CLASSES)
    assert next(iter(rows)) == "left"
    assert list(rows)[-1] == "right"
    for name, row in rows.items():
        _, _, _, n, accuracy, of_reference, difference, interval, _ = row.values
        assert n == 6
        assert difference == pytest.approx(main.mean + GAINS.get(name, 0.0), abs=2e-4)
        assert accuracy - of_reference == pytest.approx(difference)
        assert interval.low < difference < interval.high
        assert set(row.hashes) == set(main.hashes)
    (_, (finding,)) = content.findings[0]
    assert "(allowing for 6 comparisons): a difference is shown in 6 of 6 classes: left +" in finding.text
    assert {c.family for c in finding.contrasts} == {6}
    assert (
        "the chosen arm within each class (6 comparisons)"
        in dict(METHODS.compute(conclusions).facts)["Families on this page"]
    )


def test_p_values_are_those_of_t_tests_between_holm_and_bonferroni_over_the_classes(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, classes=GAINS, cell_sd=0.03, seed_sd=0.1)
    rows = BY_CLASS.compute(conclusions).tables[0].rows
    main = conclusions.verdicts[0].main
    assert main is not None
    hits = {(r.seed, r.factors["prompt"], r.factors["lambda"]): [h.correct / h.total for h in r.scores["test"].classes]
            for r in map(conclusions.study.read, conclusions.study.records)}  # fmt: skip
    differences = [
        [hits[seed, "vmp", main.arm.factors["lambda"]][i] - hits[seed, "control", None][i] for seed in range(6)]
        for i in range(6)
    ]
    p_values = [float(ttest_1samp(one, 0).pvalue) for one in differences]
    of_class = {row.values[2]: row.values[8] for row in rows}
    shown = np.array([of_class[name] for name in CLASSES])
    assert (shown >= multipletests(p_values, method="holm")[1] - 1e-12).all()
    assert (shown <= multipletests(p_values, method="bonferroni")[1] + 1e-12).all()
    assert shown.min() == pytest.approx(6 * min(p_values))


def test_of_many_classes_the_largest_either_way_are_drawn(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, classes=GAINS)
    BY_CLASS.compute(conclusions)
    family = next(made for (metric, *_), made in conclusions.evidence.families.items() if isinstance(metric, tuple))
    data = prepare_gains([(f"class {i}", family[i % 6]) for i in range(60)], conclusions.study)
    assert (len(data.rows), data.hidden) == (30, 30)
    means = [row.mean for row in data.rows]
    assert means == sorted(means, reverse=True)
    assert sum(row.mean < -5 for row in data.rows) == 10  # every copy of 'right'


def test_without_hits_by_class_one_line_says_so(tmp_path: Path) -> None:
    assert BY_CLASS.applies(conclude_on(tmp_path)) == "no record counts hits by class"
