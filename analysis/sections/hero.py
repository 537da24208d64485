"""The figure that answers the study's question: a curve over a factor, a grid of two, or arms as dots; of folds first
what is shown over all of them."""

from __future__ import annotations

from typing import Literal

from analysis.figures.arm_dots import dots_figure
from analysis.figures.effect_grid import grid_figure
from analysis.figures.figure import ReportFigure
from analysis.figures.forest import forest_figure
from analysis.figures.response_curve import response_figure
from analysis.sections.base import Section, SectionContent
from analysis.verdict.conclusions import Conclusions
from analysis.words.effect_sentences import named_effects


def _compute(conclusions: Conclusions) -> SectionContent:
    curve = response_figure(conclusions.study, conclusions.verdicts)
    figures = [_over_divisions(conclusions), curve or grid_figure(conclusions) or dots_figure(conclusions)]
    return SectionContent(figures=[figure for figure in figures if figure])


def _over_divisions(conclusions: Conclusions) -> ReportFigure | None:
    """The comparisons over all divisions of the data, which the answer is about; None for other studies."""
    over = conclusions.over_blocks
    if over is None or over.divisions is None:
        return None
    named = named_effects(over.effects, conclusions.study)
    return forest_figure([effect.contrast for effect in named] or over.contrasts, "over-divisions")


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    return any(summary.seeds for summary in conclusions.summaries) or "no cell is complete"


HERO = Section(name="answer", title="", order=10, compute=_compute, applies=_applies)
