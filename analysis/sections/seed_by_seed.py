"""Seed by seed: every cell, so that a mean hides nothing."""

from __future__ import annotations

from typing import Literal

from analysis.figures.arm_dots import dots_figure
from analysis.figures.effect_grid import crossed_factors
from analysis.figures.figure import ReportFigure
from analysis.figures.seed_lines import seed_figure
from analysis.sections.base import Section, SectionContent
from analysis.verdict.conclusions import Conclusions


def _compute(conclusions: Conclusions) -> SectionContent:
    lines = seed_figure(conclusions)
    return SectionContent(figures=[f for f in (_dots(conclusions), lines) if isinstance(f, ReportFigure)])


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    lines = seed_figure(conclusions)
    return lines if isinstance(lines, str) and _dots(conclusions) is None else True


def _dots(conclusions: Conclusions) -> ReportFigure | None:
    """The dots of a study whose first figure is a grid."""
    is_grid = conclusions.verdicts[0].axis is None and crossed_factors(conclusions.study) is not None
    return dots_figure(conclusions) if is_grid else None


SEED_BY_SEED = Section(name="seeds", title="Seed by seed", order=100, compute=_compute, applies=_applies)
