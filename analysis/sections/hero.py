"""The figure that answers the study's question: the curve over lambda, a grid of two factors, or the arms as dots."""

from __future__ import annotations

from typing import Literal

from analysis.figures.arm_dots import dots_figure
from analysis.figures.effect_grid import grid_figure
from analysis.figures.lambda_curve import lambda_figure
from analysis.sections.base import Section, SectionContent
from analysis.verdict.conclusions import Conclusions


def _compute(conclusions: Conclusions) -> SectionContent:
    blocks = conclusions.lambda_verdicts
    suffixes = [f"_{i + 1}" for i in range(len(blocks))] if len(blocks) > 1 else [""]
    figures = [lambda_figure(conclusions.study, v, suffix) for v, suffix in zip(blocks, suffixes, strict=False)]
    if not blocks:
        figures = [grid_figure(conclusions) or dots_figure(conclusions)]
    return SectionContent(figures=[figure for figure in figures if figure])


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    return any(summary.seeds for summary in conclusions.summaries) or "no cell is complete"


HERO = Section(name="answer", title="", order=10, compute=_compute, applies=_applies)
