"""What one paired comparison entitles us to say: better, worse, practically equal, or undecided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from analysis.study.arms import Arm
from sweeps.stats.paired import PairedResult
from sweeps.stats.planner import min_seeds_by_sign_flips


class Claim(StrEnum):
    """The claims there are. AHEAD, BEHIND: shown by this comparison alone, not once the whole family is allowed for."""

    BETTER = "better"
    AHEAD = "leans better"
    EQUAL = "practically equal"
    UNDECIDED = "undecided"
    BEHIND = "leans worse"
    WORSE = "worse"
    NONE = "no verdict"


@dataclass(frozen=True, kw_only=True)
class Contrast(PairedResult):
    """One arm against one reference, seed by seed; accuracies and differences are fractions in [-1, 1].

    Attributes:
        arm, reference: The two arms.
        metric: Column compared.
        seeds: That both arms completed.
        differences: ``arm - reference`` by seed, in the order of `seeds`.
        hashes: The cells behind the numbers: the arm's, then the reference's.
    """

    arm: Arm
    reference: Arm
    metric: str
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    hashes: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        """Whether the arm gives exactly its reference's numbers in every seed."""
        return self.n > 0 and all(abs(difference) < 1e-12 for difference in self.differences)

    @property
    def claim(self) -> Claim:
        """The strongest claim that holds.

        Practical equality outranks a win: a difference that is real and smaller than the margin is not worth
        choosing an arm for. Equal differences have no variation to test them by and decide nothing, but for one case:
        the arm gives its reference's accuracy exactly, in as many seeds as the sign-flip test needs to reach 5%.
        """
        if self.n < 2:
            return Claim.NONE
        if self.interval is None or self.simultaneous_interval is None or self.equivalence_interval is None:
            return Claim.EQUAL if self.is_identical and self.n >= min_seeds_by_sign_flips() else Claim.UNDECIDED
        if self.equivalence_interval.within(self.margin):
            return Claim.EQUAL
        is_higher = self.mean > 0
        if self.simultaneous_interval.excludes_zero:
            return Claim.BETTER if is_higher else Claim.WORSE
        if self.interval.excludes_zero:
            return Claim.AHEAD if is_higher else Claim.BEHIND
        return Claim.UNDECIDED
