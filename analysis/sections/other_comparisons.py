"""Families beside the study's question: every arm against the control, and against the backbone alone."""

from __future__ import annotations

from analysis.sections.comparisons import comparisons_section

ON_CONTROL = comparisons_section(
    name="comparisons-control",
    title="Paired comparisons with the control",
    order=48,
    what="Each arm against the control of its own settings",
    absent="the study has no control, or compares with it already",
    family=lambda conclusions: conclusions.on_control,
)
ON_BASELINE = comparisons_section(
    name="comparisons-baseline",
    title="Paired comparisons with the backbone alone",
    order=50,
    what="Each arm against the backbone alone",
    absent="the study does not have the backbone alone, or compares with it already",
    family=lambda conclusions: conclusions.on_baseline,
)
