"""The chosen arm on fresh seeds: first on the page where it was run, and a family of its own."""

from __future__ import annotations

from typing import Literal

from analysis.figures.forest import forest_figure
from analysis.sections.base import Section, SectionContent
from analysis.sections.comparisons import comparisons_table
from analysis.verdict.conclusions import Conclusions
from analysis.words.claims import short_comparison
from analysis.words.findings import Finding
from analysis.words.phrases import capital, in_runs, names, reference_name, subject_name
from sweeps.stats.decisions import Verdict
from vmp.core.text import count

_METHOD = (
    "Confirmation",
    "The arm that validation chose and its reference were run again on seeds that the choice never saw. These "
    "comparisons are a family of their own and are decided from the fresh cells alone, so the choice cannot flatter "
    "them.",
)


def _compute(conclusions: Conclusions) -> SectionContent:
    fresh = conclusions.confirmed
    assert fresh is not None
    findings = [
        Finding(topic="Fresh seeds", text=capital(text), contrasts=(c,))
        for c in fresh.contrasts
        if (text := short_comparison(f"{subject_name(c)} against {reference_name(c)}", c))
    ]
    intro = (
        f"Chosen on seeds {in_runs(fresh.chosen_on)}, compared again on "
        f"{count(len(fresh.seeds), 'fresh seed')} ({in_runs(fresh.seeds)}). "
        f"{fresh.evidence.completeness.sentence}"
    )
    confirmed = [contrast.arm.factors for contrast in fresh.contrasts]
    others = [v.best.arm for v in conclusions.verdicts if v.best and v.main and v.main.arm.factors not in confirmed]
    if others:
        intro += f" By the cells that are there now validation chooses {names(others)} instead."
    figure = forest_figure(fresh.contrasts, "confirmation")
    table = comparisons_table("confirmation", "The chosen arm on fresh seeds", fresh.contrasts)
    return SectionContent(
        intro=intro,
        findings=[("", findings)] if findings else [],
        figures=[figure] if figure else [],
        tables=[table],
        method=[_METHOD],
    )


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    fresh = conclusions.confirmed
    if fresh is None:
        return "no fresh seeds were run" + (", see vmp sweep run --confirm" if conclusions.study.origin is None else "")
    return any(c.verdict is not Verdict.NONE for c in fresh.contrasts) or "fewer than 3 fresh seeds are complete"


CONFIRMATION = Section(
    name="confirmation", title="Confirmation on fresh seeds", order=5, compute=_compute, applies=_applies
)
