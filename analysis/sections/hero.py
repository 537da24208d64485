"""The figure that answers the study's question: the curve over a factor, a grid of two, or the arms as dots."""

from __future__ import annotations

from typing import Literal

from analysis.figures.arm_dots import dots_figure
from analysis.figures.effect_grid import grid_figure
from analysis.figures.response_curve import response_figure
from analysis.sections.base import Section, SectionContent
from analysis.verdict.conclusions import Conclusions


def _compute(conclusions: Conclusions) -> SectionContent:
    curve = response_figure(conclusions.study, conclusions.verdicts)
    figure = curve or grid_figure(conclusions) or dots_figure(conclusions)
    return SectionContent(figures=[figure] if figure else [])


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    return any(summary.seeds for summary in conclusions.summaries) or "no cell is complete"


HERO = Section(name="answer", title="", order=10, compute=_compute, applies=_applies)
