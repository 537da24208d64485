"""Importance, response surface, blocks and sensitivity: their numbers by the cells, their words by their numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.figures.surface_map import fit_grid
from analysis.sections.blocks import BLOCKS
from analysis.sections.importance import IMPORTANCE
from analysis.sections.sensitivity import SENSITIVITY
from analysis.sections.surface import SURFACE
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from analysis.verdict.importances import Importances
from analysis.verdict.over_settings import methods_of
from analysis.verdict.regrets import rank_groups, regrets_over_blocks
from analysis.verdict.surfaces import response_surface
from tests.analysis.study_records import STARTS, ArmModel, StudyModel, lambda_arms, write_study

EFFECTS = {"a": [0, 0.03, 0.05], "b": [0.01, 0.05, 0.02], "c": [0, 0.02, 0.06], "d": [0, 0.04, 0.05]}
EFFECTS |= {"e": [0, 0.03, 0.04]}


def conclude_on(folder: Path, model: StudyModel) -> Conclusions:
    return conclude(load_study(write_study(folder, model).path))


def blocks_of(names: str) -> list[ArmModel]:
    arms = []
    for backbone in names:
        arms.append(ArmModel({"backbone": backbone, "prompt": "control", "lambda": None}))
        for value, effect in zip((0, 1, 10), EFFECTS[backbone], strict=True):
            arms.append(ArmModel({"backbone": backbone, "prompt": "vmp", "lambda": value}, effect=effect))
    return arms


def search_arms(count: int = 40) -> list[ArmModel]:
    rng = np.random.default_rng(0)
    arms = [ArmModel({"prompt": "control", "lr": None, "lambda": None, "motion": None})]
    for _ in range(count):
        lr, value = (float(10 ** rng.uniform(-4, -2)) for _ in range(2))
        motion = str(rng.choice(["frame", "codec"]))
        effect = 0.1 - 0.06 * (np.log10(lr) + 3) ** 2
        arms.append(ArmModel({"prompt": "vmp", "lr": lr, "lambda": value, "motion": motion}, effect=float(effect)))
    return arms


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> Conclusions:
    return conclude_on(tmp_path_factory.mktemp("starts"), StudyModel(arms=STARTS, seeds=range(4)))


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Conclusions:
    return conclude_on(tmp_path_factory.mktemp("search"), StudyModel(arms=search_arms()))


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Conclusions:
    return conclude_on(tmp_path_factory.mktemp("blocks"), StudyModel(arms=blocks_of("abcde")))


def cells(conclusions: Conclusions) -> pd.DataFrame:
    table = conclusions.study.cells
    return table[table["kind"] == "vmp"]


def test_importance_is_the_share_of_variance_and_what_lies_under_the_floor_is_said(starts: Conclusions) -> None:
    content = IMPORTANCE.compute(starts)
    (table,), ((_, (finding,)),) = content.tables, content.findings
    means = cells(starts).groupby(["factor.m", "factor.n", "factor.lambda"])["test_top1"].mean()
    by_n = means.groupby("factor.n").mean()
    rows = {row.values[0]: row.values for row in table.rows}
    assert rows["n"][2] == pytest.approx(by_n.var(ddof=0) / means.var(ddof=0))
    assert rows["n"][5] == "yes"
    under = [name for name, values in rows.items() if values[5] == "no"]
    assert under
    assert all(re.search(rf"\b{name}\b.* under the noise floor", finding.text) for name in under)
    assert f"n {100 * rows['n'][2]:.0f}%" in finding.text


def test_importance_in_a_search_by_the_best_arms(search: Conclusions) -> None:
    made = search.importances
    assert isinstance(made, Importances)
    assert made.result.method == "ped"
    above = [f.name for f, is_above in zip(made.factors, made.result.is_above, strict=True) if is_above]
    assert above == ["lr"]
    assert "PED-ANOVA" in IMPORTANCE.compute(search).method[0][1]


@pytest.mark.parametrize(
    ("arms", "reason"),
    [
        (lambda_arms({0: 0.0, 1: 0.1}), "it takes two factors that vary"),
        (search_arms(5), "it takes a factorial with 3 seeds, or 12 arms with runs"),
        (
            [ArmModel({"prompt": "vmp", "a": i, "b": None if i else 1, "c": i % 2}) for i in range(4)],
            "it takes a factorial with 3 seeds, or 12 arms with runs",
        ),
    ],
)
def test_why_there_is_no_importance(tmp_path: Path, arms: list[ArmModel], reason: str) -> None:
    assert IMPORTANCE.applies(conclude_on(tmp_path, StudyModel(arms=arms))) == reason


def test_the_surface_holds_the_means_and_ends_at_the_hull(starts: Conclusions, search: Conclusions) -> None:
    content = SURFACE.compute(starts)
    means = cells(starts).groupby(["factor.n", "factor.m"])["test_top1"].mean()
    rows = {row.values[:2]: row.values[3] for row in content.tables[0].rows}
    assert rows == pytest.approx(means.to_dict())
    made = response_surface(search, search.verdicts[0])
    assert not isinstance(made, str)
    assert made.log == (True, True)
    grid = fit_grid(made)
    assert grid is not None
    outside = np.isnan(grid.values)
    assert outside[[0, 0, -1, -1], [0, -1, 0, -1]].all(), "no arm lies in a corner"
    assert not outside[45, 45]
    predicted = made.fit.predict(made.scaled([[place.x, place.y] for place in made.places])) if made.fit else []
    assert np.sqrt(np.mean((predicted - np.array([place.mean for place in made.places])) ** 2)) < made.fit.error  # type: ignore[union-attr]


def test_the_basin_of_collapse_and_where_runs_end(starts: Conclusions) -> None:
    made = response_surface(starts, starts.verdicts[0])
    assert not isinstance(made, str)
    assert made.cut is not None
    assert (made.cut.factor.name, made.cut.below, made.cut.above) == ("n", -0.3, 0.0)
    texts = [finding.text for _, findings in SURFACE.compute(starts).findings for finding in findings]
    assert any("At n ≤ -0.3, 24 of 32 runs collapsed or diverged, against 0 of 48 runs at n ≥ 0" in t for t in texts)
    ends = cells(starts).groupby("collapsed")["n"].agg(["min", "max"]).round(2)
    low, high = ends.loc[True]
    assert any(f"24 collapsed runs end at n = {low:g} to {high:g}" in text for text in texts)
    assert {(path.x[0], path.y[0]) for path in made.paths} == {(place.x, place.y) for place in made.places}


def test_regrets_are_differences_of_means_and_ranks_need_blocks(blocks: Conclusions, tmp_path: Path) -> None:
    content = BLOCKS.compute(blocks)
    means = cells(blocks).pivot_table(index="factor.lambda", columns="factor.backbone", values="test_top1")
    regret = means.max() - means
    rows = {row.values[0]: row.values for row in content.tables[0].rows}
    for value, row in regret.iterrows():
        assert rows[f"λ = {value:g}"][1:6] == pytest.approx(tuple(row))
        assert rows[f"λ = {value:g}"][7] == pytest.approx((-means).rank().T.mean()[value])
    made = regrets_over_blocks(blocks)
    assert not isinstance(made, str)
    chosen = made.settings[made.test.best]
    assert [row.values[0] for row in content.tables[0].rows if row.is_chosen] == [chosen]
    assert f"{chosen}, whose largest regret on validation is the smallest" in content.findings[0][1][0].text
    assert all(last - first <= made.ranks.critical for first, last in rank_groups(made)) if made.ranks else False
    few = conclude_on(tmp_path / "few", StudyModel(arms=blocks_of("ab")))
    assert [finding.topic for finding in BLOCKS.compute(few).findings[0][1]] == ["One for all"]
    missing = blocks_of("ab")
    missing[1] = ArmModel(missing[1].factors, missing=frozenset({0, 1, 2}))
    without = conclude_on(tmp_path / "missing", StudyModel(arms=missing))
    assert BLOCKS.applies(without) == "it takes 3 seeds that all settings of a block share"


def test_gain_sensitivity_and_budget_by_the_cells(search: Conclusions) -> None:
    table = cells(search)
    for method in methods_of(search)[1:]:
        own = table[table["factor.motion"] == method.choices.split(" = ")[1]]
        of_settings = own.groupby("arm")[["val_top1", "test_top1"]].mean()
        assert method.std == pytest.approx(of_settings["test_top1"].std())
        best = of_settings["val_top1"].idxmax()
        assert method.best.arm.label == best
        control = search.study.cells.query("kind == 'control'")["test_top1"].mean()
        assert method.gain is not None
        assert method.gain.mean == pytest.approx(of_settings["test_top1"][best] - control)
        assert method.expected[0] == pytest.approx(of_settings["val_top1"].mean())
        assert method.expected[-1] == pytest.approx(of_settings["val_top1"].max())
    texts = [finding.text for finding in SENSITIVITY.compute(search).findings[0][1]]
    assert any(text.startswith("Effective dimensionality: 1 factor (lr) accounts for 90%") for text in texts)
    assert any("It passes the control (A = 1)" in text for text in texts)


def test_two_settings_have_no_sensitivity(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, StudyModel(arms=lambda_arms({0: 0.0, 1: 0.1})))
    assert SENSITIVITY.applies(conclusions) == "it takes a method with 3 settings of its numeric factors"
