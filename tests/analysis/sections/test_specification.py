"""The specification curve: its band and p by patterns counted one by one, its rows by the cells themselves."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from analysis.figures.specification_curve import MAX_ARMS, MAX_LEVELS, prepare_specification
from analysis.sections.specification import SPECIFICATION
from analysis.study.factors import varied_factors
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from sweeps.stats.specification import MIN_SEEDS_OUTSIDE, specification
from tests.analysis.study_records import STARTS, ArmModel, StudyModel, write_study


def conclude_on(folder: Path, model: StudyModel) -> Conclusions:
    return conclude(load_study(write_study(folder, model).path))


def test_the_band_is_that_of_all_sign_patterns_counted_one_by_one() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0.5, 1, size=(4, 7)) + rng.normal(0, 1, size=7)
    values[2, 3] = np.nan
    curves = []
    for signs in itertools.product((1, -1), repeat=7):
        flipped = [[s * v for s, v in zip(signs, row, strict=True) if not np.isnan(v)] for row in values]
        curves.append(sorted(sum(row) / len(row) for row in flipped))
    curve = specification(values)
    assert curve.effects == pytest.approx(sorted(np.nanmean(values, axis=1)))
    for place in range(4):
        of_place = sorted(one[place] for one in curves)
        assert curve.low[place] == pytest.approx(of_place[3])  # 3 of 128 patterns, 2.3%, lie below
        assert curve.high[place] == pytest.approx(of_place[-4])


@pytest.mark.parametrize("stds", [(1, 1), (3, 1), (1, 3)])
def test_equal_arms_with_a_shared_reference_seldom_lie_outside(stds: tuple[int, int]) -> None:
    """At most 5% of the places of 600 studies, whatever the SD of the reference and of the arms."""
    rng, shares = np.random.default_rng(3), []
    for _ in range(600):
        reference, arms = rng.normal(0, stds[0], size=7), rng.normal(0, stds[1], size=(8, 7))
        shares.append(specification(arms - reference).is_outside.mean())
    assert np.mean(shares) <= 0.05 + 2 * np.std(shares) / 600**0.5


def test_many_seeds_are_drawn_alike_every_time_and_few_show_nothing() -> None:
    values = np.random.default_rng(0).normal(3, 0.1, size=(3, 20))
    curve = specification(values)
    assert curve.is_outside.all()
    assert np.array_equal(specification(values).low, curve.low)
    assert not specification(values[:, : MIN_SEEDS_OUTSIDE - 1]).is_outside.any()
    assert specification(values[:, :MIN_SEEDS_OUTSIDE]).is_outside.all()


def test_rows_are_sorted_differences_of_the_cells(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, StudyModel(arms=STARTS, seeds=range(6)))
    content = SPECIFICATION.compute(conclusions)
    (table,), (figure,), ((_, (finding,)),) = content.tables, content.figures, content.findings
    test = conclusions.study.cells.pivot(index="seed", columns="arm", values="test_top1")
    expected = (test.sub(test["control (A = 1)"], axis=0)).drop(columns="control (A = 1)").mean().sort_values()
    assert [row.values[1] for row in table.rows] == list(expected.index)
    assert [row.values[4] for row in table.rows] == pytest.approx(list(expected))
    assert f"{(expected > 0).sum()} of 20 arms have a mean above" in finding.text
    assert {c.sides.subject: c.mean for c in finding.contrasts} == pytest.approx(dict(expected))
    outside = sum(row.values[7] == "yes" for row in table.rows)
    assert f"{outside} of 20 places lie outside" in figure.alt
    assert "Open circles" in figure.caption


def test_the_matrix_holds_each_arms_own_choices(tmp_path: Path) -> None:
    values = [0.5 * i for i in range(MAX_LEVELS + 2)]
    arms = [ArmModel({"prompt": "control", "a": None, "b": None})]
    arms += [ArmModel({"prompt": "vmp", "a": a, "b": b}, effect=0.01 * a) for a in values for b in ("x", "y")]
    conclusions = conclude_on(tmp_path, StudyModel(arms=arms))
    contrasts = list(conclusions.primary)
    curve = specification([c.differences for c in contrasts])
    factors = varied_factors([c.arm for c in contrasts], ["a", "b"])
    strip, names = prepare_specification(contrasts, curve, factors).choices
    for place, index in enumerate(curve.order):
        chosen = contrasts[index].arm.factors
        assert strip.places[place] == pytest.approx(2 - 2 * chosen["a"] / values[-1])
        assert names.labels[int(names.places[place])][1] == f"b = {chosen['b']}"
    assert [text for _, text in strip.labels] == ["a = 4.5", "a = 0"]


def test_of_very_many_arms_those_at_even_places_are_drawn(tmp_path: Path) -> None:
    arms = [ArmModel({"prompt": "control", "a": None})] + [ArmModel({"prompt": "vmp", "a": a}) for a in range(300)]
    conclusions = conclude_on(tmp_path, StudyModel(arms=arms, seeds=range(3)))
    (figure,) = SPECIFICATION.compute(conclusions).figures
    assert f"{300 - MAX_ARMS} more arms are in the table" in figure.caption
    assert len(figure.titles["specification-arms"]) == MAX_ARMS


def test_where_every_two_arms_are_compared_there_is_no_curve(tmp_path: Path) -> None:
    arms = [ArmModel({"prompt": "vmp", "sampling": s}) for s in "abcd"]
    conclusions = conclude_on(tmp_path, StudyModel(arms=arms, extra={"compare": "sampling"}))
    reason = "it takes 3 arms with one reference each and 3 seeds in common with it"
    assert SPECIFICATION.applies(conclusions) == reason
