"""The chosen arm on seeds that the choice never saw: one comparison for each block, a family of its own."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.study.cells import COMPLETE, STATUS
from analysis.study.loading import load_confirmation
from analysis.verdict.contrasts import Contrast, Sides
from analysis.verdict.evidence import Evidence
from sweeps.records.factors import arm_key

CONFIRMATION = "confirmation on fresh seeds"


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """What fresh seeds show.

    Attributes:
        evidence: Of the fresh cells alone.
        contrasts: The arm chosen before against its reference, for each block.
        chosen_on: The seeds that it was chosen on.
    """

    evidence: Evidence
    contrasts: tuple[Contrast, ...]
    chosen_on: tuple[int, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The fresh ones."""
        return self.evidence.seeds

    @property
    def complete(self) -> int:
        """Fresh cells that are complete."""
        return int((self.evidence.study.cells[STATUS] == COMPLETE).sum())


def confirmed(chosen_by: Evidence) -> Confirmed | None:
    """Decide on the fresh seeds of a study; None where none were asked for.

    Args:
        chosen_by: Evidence of the runs that the choice was made among.
    """
    study = chosen_by.study
    fresh, planned = load_confirmation(study), study.plan.confirmation
    if fresh is None or planned is None:
        return None
    arms = {arm_key(arm.factors): arm for arm in fresh.arms}
    family = [Sides.pair(arms[arm_key(chosen)], arms[arm_key(reference)]) for chosen, reference in planned.pairs]
    evidence = Evidence(fresh, unseen_runs=chosen_by.healthy_runs)
    return Confirmed(
        evidence=evidence, contrasts=evidence.compare(family, CONFIRMATION), chosen_on=tuple(planned.chosen_on)
    )
