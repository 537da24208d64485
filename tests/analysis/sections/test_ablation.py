"""The section "Ablation": its numbers by hand from the cells, interactions only where shown, the path on validation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.report.compose import compose
from analysis.sections.ablation import ABLATION
from analysis.sections.catalogue import SECTIONS
from analysis.study.cells import Study
from analysis.study.loading import load_study
from analysis.verdict.components import DISAGREEMENTS, SWITCHED, Component
from analysis.verdict.conclusions import Conclusions, conclude
from tests.analysis.study_records import ArmModel, StudyModel, lambda_arms, write_study

ON = {"lambda": (0, 1), "remedy": ("none", "std_floor"), "flip": (False, True)}


def factors(on: tuple[int, ...]) -> dict[str, Any]:
    return {name: values[i] for (name, values), i in zip(ON.items(), on, strict=False)}


def crossed(k: int, effect: Callable[[tuple[int, ...]], float]) -> list[ArmModel]:
    return [ArmModel(factors(on), effect=effect(on)) for on in itertools.product((0, 1), repeat=k)]


def design(k: int, arms: list[ArmModel], reference: Mapping[int, int]) -> dict[str, Any]:
    """The header of an ablation; `reference` is the arm that each one is compared with."""
    return {
        "design": {
            "settings": {"kind": "ablation"},
            "components": {name: ON[name] for name in list(ON)[:k]},
            "pairs": [(arms[i].factors, arms[j].factors) for i, j in reference.items()],
        }
    }


def conclude_on(folder: Path, arms: list[ArmModel], **model: Any) -> Conclusions:
    options = {"seeds": range(7), "cell_sd": 0.01, **model}
    return conclude(load_study(write_study(folder, StudyModel(arms=arms, **options)).path))


def mean(study: Study, *on: int) -> np.ndarray:
    """Test accuracy by seed of the arm with these components on or off."""
    wanted = factors(on)
    (arm,) = [arm for arm in study.arms if all(arm.factors[name] == value for name, value in wanted.items())]
    return study.numbers(study.test)[study.rows(arm, study.test)]


def sentences(conclusions: Conclusions) -> list[str]:
    return [finding.text for _, some in ABLATION.compute(conclusions).findings for finding in some]


def means(component: Component) -> list[float]:
    every = (component.added, component.left_out, component.disagreement, component.shapley)
    return [one.mean for one in every if one is not None]


def test_a_two_by_two_grid_by_hand(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, crossed(2, lambda on: 0.02 * on[0] + 0.08 * on[0] * on[1]))
    (made,) = conclusions.components
    study = conclusions.study
    bare, one, two, both = (mean(study, *on) for on in ((0, 0), (1, 0), (0, 1), (1, 1)))
    first, second = made.components
    assert means(first) == pytest.approx(
        [
            one.mean() - bare.mean(),
            (both - two).mean(),
            (both - one - two + bare).mean(),
            (one - bare + both - two).mean() / 2,
        ]
    )
    assert means(second)[:2] == pytest.approx([(two - bare).mean(), (both - one).mean()])
    assert first.disagreement is second.disagreement, "two components have one interaction"
    assert first.disagreement in conclusions.verdicts[0].interactions, "the one that the factorial has"
    assert first.shapley in [effect.contrast for effect in conclusions.verdicts[0].effects], "its main effect"
    assert "λ and remedy interact: each brings more in the full arm than in the bare one: " in " ".join(
        sentences(conclusions)
    )


def test_disagreement_that_is_not_shown_is_no_interaction(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, crossed(3, lambda on: 0.03 * on[0]))
    (made,) = conclusions.components
    known = [component.disagreement for component in made.components]
    assert all(one and one.interval and not one.interval.excludes_zero for one in known)
    texts = sentences(conclusions)
    none = "No interaction is established: no component is shown to bring more or less in the full arm than in the "
    assert f"{none}bare one." in texts
    assert not any("interacts" in text for text in texts)
    column = [column.key for column in ABLATION.compute(conclusions).tables[0].columns].index("interacts")
    assert [row.values[column] for row in ABLATION.compute(conclusions).tables[0].rows] == ["no"] * 3


def test_shapley_values_of_three_components_add_up_in_every_seed(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, crossed(3, lambda on: 0.03 * on[0] + 0.05 * on[1] * on[2]))
    (made,) = conclusions.components
    values = np.array([component.shapley.differences for component in made.components if component.shapley])
    study = conclusions.study
    assert values.sum(axis=0) == pytest.approx(mean(study, 1, 1, 1) - mean(study, 0, 0, 0))
    one = mean(study, 0, 1, 0) - mean(study, 0, 0, 0), mean(study, 1, 1, 1) - mean(study, 1, 0, 1)
    two = mean(study, 1, 1, 0) - mean(study, 1, 0, 0), mean(study, 0, 1, 1) - mean(study, 0, 0, 1)
    assert values[1] == pytest.approx(sum(one) / 3 + sum(two) / 6)


def test_an_ablation_by_design_is_compared_by_it_and_shown_without_the_other_arms(tmp_path: Path) -> None:
    single = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 1, 1)]
    arms = [ArmModel(factors(on), effect=0.05 * on[0] + 0.05 * on[1]) for on in single]
    conclusions = conclude_on(tmp_path, arms, extra=design(3, arms, {1: 0, 2: 0, 3: 0, 5: 4}))
    assert [(c.arm.order, c.reference.order) for c in conclusions.primary] == [(1, 0), (2, 0), (3, 0), (5, 4)]
    assert not conclusions.verdicts[0].effects, "the arms cross nothing"
    (made,) = conclusions.components
    first, second, third = made.components
    assert made.is_design
    assert first.added is conclusions.primary[0], "what the question compares has the interval that it has there"
    assert first.left_out is not None
    assert first.left_out.mean == -conclusions.primary[3].mean
    assert (second.left_out, second.disagreement, second.shapley) == (None, None, None)
    assert third.added is not None
    assert not any(name == SWITCHED for _, name, *_ in conclusions.evidence.families)
    assert sum(name == DISAGREEMENTS for _, name, *_ in conclusions.evidence.families) == 1
    assert any(
        text.startswith("λ from 0 to 1: +") and "in the bare arm (95%" in text for text in sentences(conclusions)
    )


def test_the_path_switches_what_gains_most_on_validation_and_is_reported_on_test(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, crossed(3, lambda on: 0.02 * on[0] + 0.08 * on[1] + 0.05 * on[2]))
    (made,) = conclusions.components
    assert made.path is not None
    assert [step.title for step in made.path] == ["remedy", "flip", "λ"]
    study = conclusions.study
    gains = [mean(study, 0, 1, 0) - mean(study, 0, 0, 0), mean(study, 0, 1, 1) - mean(study, 0, 1, 0)]
    assert [step.contrast.mean for step in made.path[:2]] == pytest.approx([gain.mean() for gain in gains])
    steps = next(table for table in ABLATION.compute(conclusions).tables if table.name == "ablation_path")
    assert [row.values[2] for row in steps.rows] == ["bare arm", "remedy", "flip", "λ"]
    worse = conclude_on(tmp_path / "bare", crossed(2, lambda on: -0.1 * sum(on)))
    assert worse.components[0].path == ()
    assert any("is itself the best on validation" in text for text in sentences(worse))


def test_off_is_the_reference_and_on_the_best_of_several(tmp_path: Path) -> None:
    arms = [
        ArmModel({"lambda": v, "remedy": remedy}, effect={0: 0.0, 1: 0.08, 10: 0.02}[v])
        for v in (0, 1, 10)
        for remedy in ("std_floor", "none")
    ]
    (made,) = conclude_on(tmp_path, arms, extra={"reference": {"remedy": "none"}}).components
    assert [(c.title, c.off, c.on) for c in made.components] == [("λ", "0", "1"), ("remedy", "none", "std_floor")]


@pytest.mark.parametrize("k", [2, 3])
def test_no_comparison_stands_in_two_families_of_the_page(tmp_path: Path, k: int) -> None:
    grid = crossed(k, lambda on: 0.04 * on[0])
    both = [(0, 1), (2**k - 1, 2)]
    for name, extra in (
        ("grid", {}),
        ("reference", {"reference": {"lambda": 0}}),
        ("design", design(k, grid, {both[0][1]: 0, both[1][1]: 2**k - 1})),
    ):
        conclusions = conclude_on(tmp_path / name, grid, extra=extra)
        compose(conclusions, SECTIONS)
        seen: list[frozenset[tuple[int, float]]] = []
        for (metric, *_), family in conclusions.evidence.families.items():
            for contrast in family if metric == conclusions.study.test else ():
                weights: dict[int, float] = {}
                for unit in contrast.sides.units:
                    for arm, weight in unit.items():
                        weights[arm.order] = weights.get(arm.order, 0.0) + weight / len(contrast.sides.units)
                for sign in (1, -1):
                    seen.append(frozenset((arm, round(sign * w, 9)) for arm, w in weights.items() if abs(w) > 1e-9))
        assert len(seen) == len(set(seen)), name


def test_collapsed_runs_and_missing_cells_leave_a_section(tmp_path: Path) -> None:
    arms = crossed(2, lambda on: 0.03 * on[0])
    arms[3] = ArmModel(arms[3].factors, effect=0.2, collapsed=frozenset([0, 3]), missing=frozenset([1]))
    conclusions = conclude_on(tmp_path, arms)
    first = conclusions.components[0].components[0]
    assert first.left_out is not None
    assert first.added is not None
    assert (first.left_out.n, first.added.n) == (6, 7)
    content = ABLATION.compute(conclusions)
    assert [figure.name for figure in content.figures] == ["components", "ablation_path"]
    assert all(figure.alt for figure in content.figures)


def test_a_study_without_components_says_why_not(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, lambda_arms({0: 0.1, 1: 0.2}))
    assert ABLATION.applies(conclusions) == "it takes an ablation by design, or a grid that crosses two factors fully"


def test_a_design_of_three_components_has_pairwise_interactions(tmp_path: Path) -> None:
    arms = crossed(3, lambda on: 0.08 * on[0] * on[1])
    pairs = {1: 0, 2: 0, 4: 0, 3: 7, 5: 7, 6: 7}
    conclusions = conclude_on(tmp_path, arms, extra=design(3, arms, pairs))
    (made,) = conclusions.components
    assert len(made.pairwise) == 3
    study = conclusions.study
    each = [mean(study, 1, 1, i) - mean(study, 1, 0, i) - mean(study, 0, 1, i) + mean(study, 0, 0, i) for i in (0, 1)]
    assert made.pairwise[0].mean == pytest.approx(np.mean(each))
    start = "The effect of λ = 1 against λ = 0 at remedy = std_floor is larger than at remedy = none"
    assert any(text.startswith(start) for text in sentences(conclusions))
    tables = [table.name for table in ABLATION.compute(conclusions).tables]
    assert tables == ["ablation", "shapley", "pairwise", "ablation_path"]
