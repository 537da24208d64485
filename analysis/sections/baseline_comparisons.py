"""Each arm against the backbone alone, where the main comparison is with the control."""

from __future__ import annotations

from typing import Literal

from analysis.sections.base import Section, SectionContent
from analysis.sections.comparisons import comparisons_table
from analysis.verdict.conclusions import Conclusions


def _compute(conclusions: Conclusions) -> SectionContent:
    return SectionContent(tables=[comparisons_table("comparisons_baseline", "the backbone", conclusions.secondary)])


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    if not conclusions.secondary:
        return "the study does not have both a control and the backbone alone"
    return any(c.n >= 2 for c in conclusions.secondary) or "no arm has 2 seeds in common with the backbone alone"


BASELINE_COMPARISONS = Section(
    name="comparisons-baseline",
    title="Paired comparisons with the backbone alone",
    order=50,
    compute=_compute,
    applies=_applies,
    is_folded=True,
)
