"""One comparison of a study: which arms on which side, the differences by seed, and the claim that they entitle to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from analysis.study.arms import Arm
from sweeps.stats.claims import Claim
from sweeps.stats.decisions import Verdict
from sweeps.stats.factorial import Unit
from sweeps.stats.means import EXACT

MIRRORED = {
    Verdict.BETTER: Verdict.WORSE,
    Verdict.WORSE: Verdict.BETTER,
    Verdict.AHEAD: Verdict.BEHIND,
    Verdict.BEHIND: Verdict.AHEAD,
}
"""What a verdict is when the sides are exchanged; the others stay as they are."""


@dataclass(frozen=True, kw_only=True)
class Divisions:
    """Divisions of one data set into training and test videos, over which a comparison is made.

    Attributes:
        names: Each by its value, in order: ``"1/5"``.
        of_unit: By unit of the comparison's sides, the index of its division.
        overlap: n2 / n1, see `sweeps.stats.divisions`.
    """

    names: tuple[str, ...]
    of_unit: tuple[int, ...]
    overlap: float


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What is compared with what.

    Attributes:
        units: One for each setting of the other factors: arms and their weights, which sum to 0 in a unit (see
            `sweeps.stats.factorial`). A single pair has one unit of two arms.
        subject, against: Both sides in words.
        over: What is averaged over, in words; empty for a single pair.
        is_shape: Whether it is the shape of a response (a trend, an interaction) and recommends neither side, so that
            no collapse can stand in the way of it.
        divisions: Those of the data that it is made over, each the mean of its seeds; None where it is over seeds.
    """

    units: tuple[Mapping[Arm, float], ...]
    subject: str
    against: str
    over: str = ""
    is_shape: bool = False
    divisions: Divisions | None = None

    @staticmethod
    def pair(arm: Arm, reference: Arm) -> Sides:
        """One arm against one reference."""
        return Sides(units=({arm: 1.0, reference: -1.0},), subject=arm.label, against=reference.label)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The arms of the subject, each once."""
        return self._with_sign(1)

    @cached_property
    def references(self) -> tuple[Arm, ...]:
        return self._with_sign(-1)

    @property
    def parts(self) -> list[list[Unit]]:
        """The units by the arms' order: all together, or those of each division of the data."""
        units: list[Unit] = [{arm.order: weight for arm, weight in unit.items()} for unit in self.units]
        if self.divisions is None:
            return [units]
        of_unit = self.divisions.of_unit
        return [
            [unit for unit, division in zip(units, of_unit, strict=True) if division == i]
            for i in range(len(self.divisions.names))
        ]

    @property
    def units_key(self) -> tuple[object, ...]:
        """What is compared, as a key: equal for equal comparisons."""
        units = tuple(tuple((arm.order, weight) for arm, weight in unit.items()) for unit in self.units)
        return units, self.divisions and self.divisions.of_unit

    def _with_sign(self, sign: int) -> tuple[Arm, ...]:
        return tuple(dict.fromkeys(arm for unit in self.units for arm, weight in unit.items() if weight * sign > 0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Contrast(Claim):
    """A comparison, decided as one of its family; accuracies and differences are fractions in [-1, 1].

    Attributes:
        sides: What is compared.
        family_name: Which family of the report it belongs to, in words.
        metric: Column compared.
        split: What it was measured on: ``"test"``, ``"validation"``, or "" where nothing says.
        margin_origin: Who set the margin, in words: ``"set beforehand"``.
        seeds: Those behind it. differences: ``subject - against`` by seed in that order, or by division.
        hashes: The cells behind the numbers, the subject's first.
        filled: Diverged runs among them, which count with the worst accuracy.
        correlation: Of both sides over seeds; NaN below 3 seeds or where a side does not vary.
        p_sign_flip: Of the sign-flip test, adjusted over the family by Holm; NaN below 3 seeds and over divisions.
    """

    sides: Sides
    family_name: str
    metric: str
    split: str
    margin_origin: str
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    hashes: tuple[str, ...]
    filled: int
    correlation: float
    p_sign_flip: float

    @property
    def arm(self) -> Arm:
        """The first arm of the subject: the arm, where a single pair is compared."""
        return self.sides.arms[0]

    @property
    def reference(self) -> Arm:
        return self.sides.references[0]

    @property
    def unit(self) -> str:
        """What `n` counts: ``seed``, or ``division`` of the data."""
        return "seed" if self.sides.divisions is None else "division"

    @property
    def is_pair(self) -> bool:
        """Whether one arm is compared with one other."""
        return len(self.sides.arms) == len(self.sides.references) == 1

    def flipped(self) -> Contrast:
        """The same comparison with its sides exchanged."""
        interval = self.interval
        return replace(
            self,
            sides=Sides(
                units=tuple({arm: -weight for arm, weight in unit.items()} for unit in self.sides.units),
                subject=self.sides.against,
                against=self.sides.subject,
                over=self.sides.over,
                is_shape=self.sides.is_shape,
                divisions=self.sides.divisions,
            ),
            mean=-self.mean,
            interval=interval and replace(interval, low=-interval.high, high=-interval.low),
            differences=tuple(-difference for difference in self.differences),
            verdict=MIRRORED.get(self.verdict, self.verdict),
            collapse=self.reference_collapse,
            reference_collapse=self.collapse,
        )

    @property
    def is_identical(self) -> bool:
        """Whether the subject has exactly the numbers of the other side in every seed."""
        return self.n > 0 and all(abs(difference) < EXACT for difference in self.differences)

    @property
    def d_z(self) -> float:
        """Mean difference over its standard deviation; NaN where there is none."""
        return self.mean / self.sd if self.sd > 0 else math.nan

    @property
    def share_ahead(self) -> float:
        """Share of seeds in which the subject is ahead, ties counting half; NaN without seeds."""
        if not self.differences:
            return math.nan
        signs = [0.5 if abs(d) < EXACT else float(d > 0) for d in self.differences]
        return sum(signs) / len(signs)
