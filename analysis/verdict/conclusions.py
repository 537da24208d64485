"""A study with all that is concluded from it: the one object that sentences, figures and sections are made of."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.study.arms import Arm, Kind, reference_for
from analysis.study.cells import Study
from analysis.study.completeness import Completeness
from analysis.verdict.arm_verdict import ArmVerdict, arm_verdict
from analysis.verdict.contrasts import Contrast
from analysis.verdict.evidence import Evidence
from analysis.verdict.lambda_verdict import LambdaVerdict, lambda_verdicts
from analysis.verdict.summaries import ArmSummary


@dataclass(frozen=True, kw_only=True)
class Conclusions:
    """A study's evidence and its verdicts.

    Attributes:
        evidence: Every summary and comparison; ask it for more.
        verdicts: One for each block of a lambda study, a single `ArmVerdict` for any other.
    """

    evidence: Evidence
    verdicts: tuple[LambdaVerdict, ...] | tuple[ArmVerdict]

    @property
    def study(self) -> Study:
        return self.evidence.study

    @property
    def completeness(self) -> Completeness:
        return self.evidence.completeness

    @property
    def summaries(self) -> tuple[ArmSummary, ...]:
        """Every arm, in the plan's order."""
        return self.evidence.summaries

    @property
    def lambda_verdicts(self) -> tuple[LambdaVerdict, ...]:
        """Empty where the study is not about lambda."""
        return tuple(verdict for verdict in self.verdicts if isinstance(verdict, LambdaVerdict))

    @property
    def arm_verdict(self) -> ArmVerdict | None:
        """``None`` where the study is about lambda."""
        return next((verdict for verdict in self.verdicts if isinstance(verdict, ArmVerdict)), None)

    @property
    def chosen(self) -> tuple[Arm, ...]:
        """The arm chosen on validation, for each block."""
        return tuple(verdict.best.arm for verdict in self.verdicts if verdict.best)

    @property
    def primary(self) -> tuple[Contrast, ...]:
        """Test comparisons with the main reference; a family for each block."""
        return tuple(contrast for verdict in self.verdicts for contrast in verdict.contrasts)

    @property
    def secondary(self) -> tuple[Contrast, ...]:
        """Test comparisons with the backbone alone, where the control is the main reference."""
        if not any(contrast.reference.kind is Kind.CONTROL for contrast in self.primary):
            return ()
        arms = self.study.arms
        backbones = [(arm, reference_for(arm, arms, Kind.BASELINE)) for arm in arms if arm.kind is not Kind.BASELINE]
        return self.evidence.compare([(arm, backbone) for arm, backbone in backbones if backbone])


def conclude(study: Study) -> Conclusions:
    """Draw every conclusion that `study` supports, by lambda where it varies lambda and by arm otherwise."""
    evidence = Evidence(study)
    return Conclusions(evidence=evidence, verdicts=lambda_verdicts(evidence) or (arm_verdict(evidence),))
