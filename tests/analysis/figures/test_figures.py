"""Figures: the data that they draw, and that drawing them leaves nothing behind."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from analysis.figures.attention_by_lambda import prepare_manipulation
from analysis.figures.effect_grid import Crossing, crossed_factors, prepare_grids
from analysis.figures.lambda_axis import lambda_axis
from analysis.figures.lambda_curve import draw_lambda_curve, prepare_lambda_curve
from analysis.figures.power_curve import attention
from analysis.figures.style import drawing, new_figure, place_apart
from analysis.figures.svg import inline_svg, svg_text
from analysis.study.cells import Study, load_study
from analysis.verdict.conclusions import conclude
from analysis.verdict.lambda_verdict import LambdaVerdict
from sweeps.stats.intervals import t_interval
from tests.analysis.study_records import ArmModel, StudyModel, lambda_arms, write_study


def only_verdict(study: Study) -> LambdaVerdict:
    return conclude(study).lambda_verdicts[0]


def test_zero_stands_apart_on_a_log_axis_and_crowded_values_stand_evenly() -> None:
    spread_out = lambda_axis([10, 0, 1, 0.1, 1])
    assert spread_out.lambdas == (0, 0.1, 1, 10)
    assert spread_out.positions == pytest.approx((-2, -1, 0, 1))
    assert spread_out.zero_apart
    published = lambda_axis([0, 0.1, 0.5, 1, 1.5, 2, 2.5, 5, 10])
    assert published.positions == tuple(range(9))
    assert not published.zero_apart
    search = lambda_axis(list(np.logspace(-2, 2, 50)))
    assert [text for _, text in search.ticks] == ["0.01", "0.1", "1", "10", "100"]
    assert lambda_axis([0.5]).positions == (0.0,)


def test_the_area_of_the_curve_is_the_paired_interval_around_the_mean(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2, 10: 0.0}, collapsed={10: [2]}), seeds=(0, 1, 2)))
    study = load_study(tmp_path)
    data = prepare_lambda_curve(study, only_verdict(study))
    test = study.cells.pivot(index="seed", columns="arm", values="test_top1")
    interval = t_interval((test["λ = 1"] - test["control (A = 1)"]).to_numpy(), family=3)
    assert data.mean[1] == pytest.approx(100 * test["λ = 1"].mean())
    assert data.shared_low[1] == pytest.approx(100 * (interval.low + test["control (A = 1)"].mean()))
    assert data.shared_high[1] == pytest.approx(100 * (interval.high + test["control (A = 1)"].mean()))
    assert [(seed, flag) for seed, x, _, flag, _ in data.seeds if x == data.axis.place(10)] == [
        (0, False),
        (1, False),
        (2, True),
    ]
    assert data.chance == pytest.approx(100 / 6)


def test_drawing_is_repeatable_and_changes_no_global_style(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2}), seeds=(0, 1, 2)))
    study = load_study(tmp_path)
    before = dict(mpl.rcParams)
    texts = []
    for _ in range(2):
        with drawing():
            figure, axes = new_figure(4)
            draw_lambda_curve(prepare_lambda_curve(study, only_verdict(study)), ax=axes[0, 0])
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
    write_study(tmp_path, StudyModel(arms=arms, seeds=(0, 1)))
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
    assert grids[0].texts[0][0].endswith("▽ 1/2")
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
