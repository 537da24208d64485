"""Labels of figures: none lies on another one, whatever the arms are called."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.layout_engine import ConstrainedLayoutEngine

from analysis.figures.figure import ReportFigure
from analysis.figures.style import drawing, new_figure, place_apart, wrapped
from analysis.report.compose import compose
from analysis.sections.catalogue import SECTIONS
from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from tests.conftest import ROOT

LONG_NAMES = ("transfer", "appearance", "robustness", "long", "fight-lambda")
FIGURES = ("response", "grid", "regret", "sensitivity", "cost", "transfer", "power")
TOUCHING = 3  # pixels by which two lines of text may share a row

Line = tuple[str, float, float, float, float]


def lines_of(figure: ReportFigure, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Line], tuple[float, float]]:
    """Each level line of text that is drawn, with its box in pixels; and the size of the figure."""
    lines: list[Line] = []
    draw_text = RendererAgg.draw_text

    def record(self: Any, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, *args: Any, **kw: Any) -> None:
        if angle == 0 and s.strip():
            width, height, descent = self.get_text_width_height_descent(s, prop, False)
            lines.append((s, x, y - height + descent, x + width, y + descent))
        draw_text(self, gc, x, y, s, prop, angle, *args, **kw)

    with drawing():
        drawn = figure.draw()
        ConstrainedLayoutEngine().execute(drawn)
        with monkeypatch.context() as patch:
            patch.setattr(RendererAgg, "draw_text", record)
            drawn.canvas.draw()
        return lines, (drawn.bbox.width, drawn.bbox.height)


def overlaps(lines: Sequence[Line]) -> list[tuple[str, str]]:
    return [
        (a, b)
        for (a, *box), (b, *other) in itertools.combinations(lines, 2)
        if min(box[2], other[2]) - max(box[0], other[0]) > 1
        and min(box[3], other[3]) - max(box[1], other[1]) > TOUCHING
    ]


@pytest.mark.parametrize("name", LONG_NAMES)
def test_no_label_lies_on_another_or_leaves_its_figure(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    conclusions = conclude(load_study(ROOT / "results" / "reference" / name))
    figures = [one for _, content in compose(conclusions, SECTIONS).sections for one in content.figures]
    shown = [one for one in figures if one.name in FIGURES]
    assert len(shown) > 2
    for figure in shown:
        lines, (width, height) = lines_of(figure, monkeypatch)
        assert lines, figure.name
        assert overlaps(lines) == [], figure.name
        cut = [s for s, left, top, right, bottom in lines if left < 0 or top < 0 or right > width or bottom > height]
        assert cut == [], figure.name


def test_an_overlap_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw() -> Any:
        figure, axes = new_figure(2)
        axes[0, 0].set_xticks([0.5, 0.51], ["control", "backbone"])
        return figure

    lines, _ = lines_of(ReportFigure(name="x", caption="", alt="", draw=draw), monkeypatch)
    assert overlaps(lines) == [("control", "backbone")]


def test_labels_of_different_heights_are_moved_apart_by_what_both_take() -> None:
    placed = place_apart([5.0, 5.0, 5.1], [1.0, 3.0, 1.0], 0.0, 10.0)
    assert np.diff(placed).min() >= 2 - 1e-6
    assert min(placed) >= 0
    assert max(placed) <= 10


def test_a_long_setting_goes_over_lines_between_its_parts() -> None:
    assert wrapped("learn_slope = off, learn_shift = off", 24) == "learn_slope = off,\nlearn_shift = off"
