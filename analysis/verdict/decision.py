"""What is decided about a set of candidate arms, whatever kind of study they come from."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.study.arms import Arm
from analysis.verdict.contrasts import Claim, Contrast
from analysis.verdict.summaries import ArmSummary


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The choice among candidates, and what it is worth on test.

    Attributes:
        block: The values of the factors that this verdict holds for, in words; empty for a study of one block.
        candidates: The arms that can be chosen, in order.
        contrasts: Arms against their main reference on test, one family: the control, the fair one, or else the
            backbone alone, or else the study's own reference.
        best: The candidate with the best validation mean, ``None`` while fewer than 2 common seeds exist.
        main: The comparison that the headline is about.
        equivalent: The comparisons with the best of the candidates practically equal to it on test (TOST, Holm).
        undistinguished: The same for candidates whose simultaneous interval includes 0: no difference is shown.
        ineligible: Candidates that could not be chosen, with the reason in words.
    """

    block: str = ""
    candidates: tuple[ArmSummary, ...]
    contrasts: tuple[Contrast, ...]
    best: ArmSummary | None
    main: Contrast | None
    equivalent: tuple[Contrast, ...]
    undistinguished: tuple[Contrast, ...]
    ineligible: tuple[tuple[Arm, str], ...]

    @property
    def claim(self) -> Claim:
        return self.main.claim if self.best and self.main else Claim.NONE
