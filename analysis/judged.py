"""A study with everything that is concluded from it: the one object that tables, figures and report are made of."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.arms import Arm, Kind, reference_for
from analysis.completeness import Completeness, completeness
from analysis.outcome import Contrast, compare
from analysis.summary import ArmSummary, summarise
from analysis.table import Study
from analysis.verdict import LambdaVerdict, lambda_verdicts
from analysis.verdict_arms import ArmVerdict, arm_verdict
from analysis.wording import Finding, blocks_headline, headline, supporting


@dataclass(frozen=True, kw_only=True)
class JudgedStudy:
    """A study, its verdicts and its comparisons.

    Attributes:
        study: The study.
        completeness: Of its cells.
        lambda_verdicts: One for each block of a lambda study, else empty.
        arm_verdict: For every other study, else ``None``.
        summaries: Every arm, in the plan's order.
        primary: Test comparisons with the main reference (control, else baseline, else the study's own).
        secondary: Test comparisons with the backbone alone, where the control is the main reference.
        families: How many separately bounded families `primary` holds (one for each block).
    """

    study: Study
    completeness: Completeness
    lambda_verdicts: tuple[LambdaVerdict, ...]
    arm_verdict: ArmVerdict | None
    summaries: tuple[ArmSummary, ...]
    primary: tuple[Contrast, ...]
    secondary: tuple[Contrast, ...]
    families: int

    @property
    def headline(self) -> str:
        """The sentence that answers the study's question."""
        if len(self.lambda_verdicts) > 1:
            return blocks_headline(self.lambda_verdicts)
        return headline(self.verdict)

    @property
    def supporting(self) -> tuple[tuple[str, tuple[Finding, ...]], ...]:
        """(block, findings) pairs; one pair with an empty block for a study of one block."""
        if self.arm_verdict is not None:
            return (("", supporting(self.arm_verdict)),)
        if len(self.lambda_verdicts) == 1:
            return (("", supporting(self.lambda_verdicts[0])),)
        return tuple(
            (v.block, (Finding(topic="Verdict", text=headline(v)), *supporting(v))) for v in self.lambda_verdicts
        )

    @property
    def verdict(self) -> LambdaVerdict | ArmVerdict:
        """The (first) verdict."""
        return self.arm_verdict or self.lambda_verdicts[0]

    @property
    def chosen(self) -> tuple[Arm, ...]:
        """The arm chosen on validation, for each block."""
        if self.arm_verdict is not None:
            return (self.arm_verdict.best.arm,) if self.arm_verdict.best else ()
        return tuple(v.best.summary.arm for v in self.lambda_verdicts if v.best)


def judge(study: Study) -> JudgedStudy:
    """Draw every conclusion that `study` supports, by lambda where it varies lambda and by arm otherwise."""
    by_lambda = lambda_verdicts(study)
    by_arm = None if by_lambda else arm_verdict(study)
    primary: tuple[Contrast, ...]
    if by_lambda:
        points = [point for verdict in by_lambda for point in verdict.points]
        found = [point.against_control or point.against_baseline for point in points]
        primary = tuple(contrast for contrast in found if contrast is not None)
    else:
        primary = by_arm.contrasts if by_arm else ()
    to_control = {c.arm.label: c for c in primary if c.reference.kind is Kind.CONTROL}
    return JudgedStudy(
        study=study,
        completeness=completeness(study),
        lambda_verdicts=by_lambda,
        arm_verdict=by_arm,
        summaries=tuple(summarise(study, arm, to_control.get(arm.label)) for arm in study.arms),
        primary=primary,
        secondary=tuple(_against_baseline(study)) if to_control else (),
        families=max(1, len(by_lambda)),
    )


def _against_baseline(study: Study) -> list[Contrast]:
    pairs = [
        (arm, baseline)
        for arm in study.arms
        if arm.kind is not Kind.BASELINE and (baseline := reference_for(arm, study.arms, Kind.BASELINE))
    ]
    return compare(study, pairs, study.test) if pairs else []
