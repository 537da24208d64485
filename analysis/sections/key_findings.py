"""What the numbers say: the sentences that support or limit the headline."""

from __future__ import annotations

from typing import Literal

from analysis.sections.base import Section, SectionContent
from analysis.verdict.conclusions import Conclusions
from analysis.words.headline import findings


def _compute(conclusions: Conclusions) -> SectionContent:
    metric = conclusions.study.metric_name
    chosen = conclusions.study.has_validation or conclusions.study.origin is None
    method = [
        (
            "Selection",
            f"Arms are chosen by validation {metric}, over the seeds that all candidates share (at least 3), and "
            f"everything reported is {conclusions.study.measured}. An arm stays possible while no other is shown to be "
            "more than the margin ahead of it on validation, by paired t tests at 5% over the number of others.",
        )
    ]
    if not chosen:
        method = [("Selection", "None: there is one value for each run, so no arm is chosen by another one.")]
    if chosen and any(verdict.axis for verdict in conclusions.verdicts):
        text = (
            "The smallest value whose paired validation deficit to the best is at most one standard error of that "
            "deficit: the simplest choice that the data do not contradict."
        )
        method.append(("One standard error", text))
    return SectionContent(findings=[pair for pair in findings(conclusions) if pair[1]], method=method)


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    return any(found for _, found in findings(conclusions)) or "no cell is complete"


FINDINGS = Section(name="findings", title="What the numbers say", order=20, compute=_compute, applies=_applies)
