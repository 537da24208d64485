"""Figures: the data that they draw, and that drawing them leaves nothing behind."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from analysis.figures.arm_dots import prepare_dots
from analysis.figures.attention_by_value import prepare_manipulation
from analysis.figures.effect_grid import Crossing, crossed_factors, prepare_grids
from analysis.figures.power_curve import attention
from analysis.figures.response_curve import draw_response_curve, prepare_response_curve
from analysis.figures.style import drawing, new_figure, place_apart
from analysis.figures.svg import inline_svg, svg_text
from analysis.figures.training_curves import prepare_training
from analysis.figures.value_axis import value_axis
from analysis.study.cells import Study
from analysis.study.curves import curve_table
from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from analysis.verdict.verdicts import BlockVerdict
from tests.analysis.study_records import ArmModel, StudyModel, lambda_arms, write_study


def only_verdict(study: Study) -> BlockVerdict:
    return conclude(study).verdicts[0]


def test_zero_stands_apart_on_a_log_axis_and_crowded_values_stand_evenly() -> None:
    spread_out = value_axis([10, 0, 1, 0.1, 1])
    assert spread_out.values == (0, 0.1, 1, 10)
    assert spread_out.positions == pytest.approx((-2, -1, 0, 1))
    assert spread_out.zero_apart
    published = value_axis([0, 0.1, 0.5, 1, 1.5, 2, 2.5, 5, 10])
    assert published.positions == tuple(range(9))
    assert not published.zero_apart
    search = value_axis(list(np.logspace(-2, 2, 50)))
    assert [text for _, text in search.ticks] == ["0.01", "0.1", "1", "10", "100"]
    assert value_axis([0.5]).positions == (0.0,)
    shifts = value_axis([-0.6, -0.3, 0.0, 0.3, 0.6], "n")
    assert (shifts.positions, shifts.label) == ((-0.6, -0.3, 0.0, 0.3, 0.6), "n")  # in proportion
    assert value_axis([4, 8, 16]).positions == (4, 8, 16)
    assert value_axis([0.0001, 0.001, 0.01], "train.optimizer.lr").label == "train.optimizer.lr (log scale)"


def test_healthy_and_collapsed_runs_are_drawn_apart(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2, 10: 0.2}, collapsed={10: [2]}), seeds=range(4)))
    study = load_study(tmp_path)
    verdict = only_verdict(study)
    data = prepare_response_curve(study, verdict)
    test = study.cells.pivot(index="seed", columns="arm", values="test_top1")
    (contrast,) = [c for c in verdict.contrasts if c.arm.lambda_ == 1]
    assert contrast.interval is not None
    control = test["control (A = 1)"].mean()
    assert data.mean[1] == pytest.approx(100 * test["λ = 1"].mean())
    assert (data.low[1], data.high[1]) == pytest.approx(
        (100 * (contrast.interval.low + control), 100 * (contrast.interval.high + control))
    )
    assert data.mean[2] == pytest.approx(100 * test["λ = 10"].drop(2).mean())
    assert data.collapsed_mean[2] == pytest.approx(100 * test["λ = 10"][2])
    flags = [(seed, flag) for seed, x, _, flag, _ in data.seeds if x == data.axis.place(10)]
    assert flags == [(0, False), (1, False), (2, True), (3, False)]
    assert data.chance == pytest.approx(100 / 6)
    panels = prepare_training(curve_table(study), [arm for arm in study.arms if arm.lambda_ == 10])
    assert [line.label for line in panels[0].lines] == ["λ = 10", "λ = 10 (collapsed)"]
    dots = {row.label: row for row in prepare_dots(conclude(study)).rows}
    assert dots["λ = 10"].collapsed == pytest.approx(100 * test["λ = 10"][2])
    assert math.isnan(dots["λ = 10"].low)


def test_drawing_is_repeatable_and_changes_no_global_style(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2}), seeds=(0, 1, 2)))
    study = load_study(tmp_path)
    before = dict(mpl.rcParams)
    texts = []
    for _ in range(2):
        with drawing():
            figure, axes = new_figure(4)
            draw_response_curve(prepare_response_curve(study, only_verdict(study)), ax=axes[0, 0])
            texts.append(svg_text(figure))
    assert texts[0] == texts[1]
    assert dict(mpl.rcParams) == before


def test_each_drawn_cell_shows_its_hash_when_pointed_at(tmp_path: Path) -> None:
    from analysis.report.write import write_report

    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2}, collapsed={1: [0]}), seeds=(0, 1, 2)))
    page = write_report(tmp_path).read_text()
    study = load_study(tmp_path)
    for cell in study.cells[study.cells["kind"] == "vmp"].itertuples():
        assert f"(cell {cell.hash})</title></use>" in page
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><g id="a"><use x="1"/></g></svg>'
    assert inline_svg(svg, "p", {"a": ["x", "y"], "b": ["z"]}) == inline_svg(svg, "p")  # not drawn point by point


def test_anchors_are_drawn_only_at_published_lambdas(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0.1: 0.1, 7: 0.2}), seeds=(0, 1)))
    study = load_study(tmp_path)
    panels = {panel.title: panel for panel in prepare_manipulation(study, only_verdict(study))}
    assert len(panels["slope a"].anchors) == 1
    assert panels["slope a"].anchors[0] == pytest.approx((panels["slope a"].axis.place(0.1), 9.505), abs=0.001)
    assert panels["temporal attention variation V"].anchors == ()


def test_a_crossed_study_becomes_one_panel_pair_per_lambda(tmp_path: Path) -> None:
    arms = [ArmModel({"prompt": "control", "m": None, "n": None, "lambda": None})]
    arms += [
        ArmModel(
            {"prompt": "vmp", "m": m, "n": n, "lambda": v}, effect=n, n=n, collapsed=frozenset([0] if n < 0 else [])
        )
        for m in (0.1, 1.0)
        for n in (-0.3, 0.0, 0.3)
        for v in (0, 1)
    ]
    write_study(tmp_path, StudyModel(arms=arms, seeds=(0, 1, 2)))
    study = load_study(tmp_path)
    crossing = crossed_factors(study)
    assert crossing == Crossing(rows="m", columns="n", panels="lambda")
    conclusions = conclude(study)
    grids = prepare_grids(conclusions, crossing)
    titles = ["λ = 0: test difference (points)", "λ = 0: learnt shift b"]
    titles += ["λ = 1: test difference (points)", "λ = 1: learnt shift b"]
    assert [grid.title for grid in grids] == titles
    assert grids[0].values.shape == (2, 3)
    contrast = next(c for c in conclusions.primary if c.arm.factors["n"] == 0.3)
    assert grids[0].values[0, 2] == pytest.approx(100 * contrast.mean)
    assert grids[0].texts[0][0].endswith("▽ 1/3")
    assert grids[0].limit == grids[2].limit


def test_the_power_normalisation_is_the_papers_and_cannot_overflow() -> None:
    difference = np.array([-1.0, 0.0, 0.3, 1.0])
    expected = [1 / (1 + math.exp(-23.1 * (d - 0.032))) for d in difference]
    np.testing.assert_allclose(attention(difference, 23.1, 0.032), expected)
    assert np.isfinite(attention(np.array([-1e6, 1e6]), 50.0, 0.0)).all()


def test_labels_are_moved_apart_within_their_bounds() -> None:
    placed = place_apart([0.0, 0.0, 0.1, 9.9], 1.0, 0.0, 10.0)
    assert placed[0] >= 0
    assert placed[3] <= 10
    assert np.diff(placed).min() >= 1 - 1e-6


def test_inlined_figures_follow_the_page_and_share_no_ids() -> None:
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    text = f'<?xml version="1.0"?><svg {names} width="5pt" height="4pt" viewBox="0 0 5 4"><defs><path id="m1"/></defs>'
    text += '<use xlink:href="#m1" style="fill: #0b6fb8"/><g clip-path="url(#c)"/></svg>'
    inlined = inline_svg(text, "x")
    assert 'id="x-m1"' in inlined
    assert 'href="#x-m1"' in inlined
    assert "url(#x-c)" in inlined
    assert "fill: var(--vmp)" in inlined
    assert "<?xml" not in inlined
    assert 'width="5pt"' not in inlined
