"""How much each arm varies over seeds: standard deviations, and whether they differ from the reference's."""

from __future__ import annotations

import math
from typing import Literal

from analysis.figures.std_over_seeds import seed_std_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table, why_none
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast
from analysis.words.findings import Finding
from analysis.words.phrases import p_value
from sweeps.stats.variances import StdComparison

_COLUMNS = (
    Column(key="arm", header="arm"),
    Column(key="reference", header="reference", on_page="if varied"),
    Column(key="n", header="n", format="count"),
    Column(key="std", header="SD over seeds", format="percent"),
    Column(key="reference_std", header="SD of the reference", format="percent"),
    Column(key="ratio", header="ratio", format="ratio"),
    Column(key="ratio_interval", header="95% interval of the ratio, alone", format="ratio_interval"),
    Column(key="p", header="p (Pitman-Morgan)", format="p"),
    Column(key="p_holm", header="p (Holm)", format="p"),
)
_METHOD = (
    "Standard deviations over seeds",
    "Each arm's standard deviation is compared with its reference's over the same seeds by the Pitman-Morgan test (are "
    "sums and differences correlated?), with Holm's correction over all arms. It assumes normal accuracies: an arm in "
    "which some seeds collapse is not normal, and its standard deviation shows the collapse. Nothing is tested where "
    "sums and differences lie on one line to the last digit, as those of few seeds can by their steps of one video.",
)


def _compute(conclusions: Conclusions) -> SectionContent:
    contrasts, comparisons = _comparisons(conclusions)
    rows = [
        Row(
            values=(
                c.arm.label,
                c.reference.label,
                std.n,
                std.std,
                std.reference_std,
                std.ratio,
                std.interval,
                std.p,
                std.p_holm,
            ),
            hashes=c.hashes,
        )
        for c, std in zip(contrasts, comparisons, strict=True)
    ]
    accuracy = conclusions.study.accuracy
    caption = f"Standard deviation over seeds of the {accuracy} in percentage points, over the seeds of both arms."
    references = {contrast.reference.label for contrast in contrasts}
    compared = references | {contrast.arm.label for contrast in contrasts}
    arms = [summary for summary in conclusions.summaries if summary.arm.label in compared]
    figure = seed_std_figure(arms, [s for s in arms if s.arm.label in references], accuracy)
    return SectionContent(
        findings=[("", [_finding(contrasts, comparisons)])],
        figures=[figure] if figure else [],
        tables=[Table(name="seed_std", caption=caption, columns=_COLUMNS, rows=rows, max_rows=60)],
        method=[_METHOD],
    )


def _finding(contrasts: tuple[Contrast, ...], comparisons: tuple[StdComparison, ...]) -> Finding:
    """The arms whose standard deviation differs at 5% over the family, or that none does."""
    differing = [(c, s) for c, s in zip(contrasts, comparisons, strict=True) if s.p_holm <= 0.05]
    family = comparisons[0].family
    allowing = f", allowing for the {family} comparisons made" if family > 1 else ""
    if not differing:
        text = f"No arm's standard deviation over seeds is shown to differ from its reference's{allowing}"
        smallest = min((s for s in comparisons if not math.isnan(s.p)), key=lambda s: s.p_holm)
        return Finding(
            topic="Over seeds",
            text=f"{text} (the smallest adjusted p is {smallest.p_holm:.2g}).",
            contrasts=comparisons,
        )
    parts = [
        f"{c.arm.label} varies {'less' if s.std < s.reference_std else 'more'} than {c.reference.label}: SD "
        f"{100 * s.std:.1f} against {100 * s.reference_std:.1f} points ({p_value(s.p_holm)})"
        for c, s in differing[:4]
    ]
    more = f"; {len(differing) - 4} more are in the table" if len(differing) > 4 else ""
    text = f"Over seeds, {'; '.join(parts)}{more}{allowing}."
    return Finding(topic="Over seeds", text=text, contrasts=tuple(s for _, s in differing))


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    _, comparisons = _comparisons(conclusions)
    if not comparisons:
        return why_none(conclusions, "the study has no reference arm")
    return any(not math.isnan(s.p) for s in comparisons) or "it takes 3 seeds and two arms whose accuracy varies"


def _comparisons(conclusions: Conclusions) -> tuple[tuple[Contrast, ...], tuple[StdComparison, ...]]:
    contrasts = tuple(contrast for contrast in conclusions.primary if contrast.is_pair)
    return contrasts, conclusions.evidence.compare_stds([contrast.sides for contrast in contrasts])


SEED_STD = Section(name="seed-std", title="Standard deviation over seeds", order=70, compute=_compute, applies=_applies)
