"""The arm that validation chooses: over the seeds that all candidates share, with those that may be as good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from analysis.study.arms import Arm
from analysis.study.cells import Study
from analysis.verdict.evidence import Evidence
from analysis.verdict.summaries import ArmSummary
from sweeps.questions import same_on_validation
from sweeps.stats.choice import choosable, choose, winners_curse
from sweeps.stats.stepdown import Floats
from vmp.core.text import count

SEED_OF_CURSE = 0


class Bar(StrEnum):
    """What keeps a candidate from being chosen, in words for several at once."""

    UNSEEN = "on validation the same as an earlier arm, with other settings of the test alone"
    STOPPED = "some seeds stopped early"
    LOST = "the search gave them fewer seeds than the best arms"
    INCOMPLETE = "some seeds not complete"


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """A candidate that could not be chosen.

    Attributes:
        arm: The candidate.
        bar: What keeps it from being chosen.
        reason: The same in words, with its numbers.
    """

    arm: Arm
    bar: Bar
    reason: str


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The choice among candidates.

    Attributes:
        best: The candidate with the highest validation mean over `seeds`; the earliest of equals.
        seeds: The seeds that all candidates but the excluded ones share.
        unshared: Seeds of some of them that others do not have.
        ranking: The candidates by falling validation mean.
        possible: Those not shown to be worse than another by more than the margin; they hold the true best with 95%.
        one_se: The simplest whose deficit to the best is at most one standard error of that deficit.
        curse: By how much the choice is expected to flatter the chosen arm on test, a fraction.
    """

    best: ArmSummary
    seeds: tuple[int, ...]
    unshared: tuple[int, ...]
    ranking: tuple[ArmSummary, ...]
    possible: tuple[Arm, ...]
    one_se: Arm
    curse: float


def choose_arm(
    evidence: Evidence, candidates: Sequence[ArmSummary], values: Floats, references: Sequence[Arm | None]
) -> tuple[Chosen | None, tuple[Excluded, ...]]:
    """Choose among `candidates`, simplest first.

    Args:
        evidence: Of the study.
        candidates: At least one.
        values: Their validation accuracies, (candidates, seeds).
        references: What each is compared with on test; None for nothing.

    Returns:
        The choice, None below 3 shared seeds; and the candidates that could not be chosen.
    """
    # A search gives the best arms more seeds: one without them lost to another on the seeds that it has.
    search = evidence.study.plan.search
    most = max(summary.planned for summary in candidates) if search.factor is not None else 0
    unseen = _unseen(evidence.study)
    rows = choosable(values, [s.arm in unseen or s.stopped > 0 or s.planned < most for s in candidates])
    out = tuple(_excluded(s, values[i], most, unseen) for i, s in enumerate(candidates) if i not in rows)
    if not rows:
        return None, out
    orders = [candidates[i].arm.order for i in rows]
    made = choose(values[rows], epsilon=evidence.study.margin, collapsed=evidence.collapsed[orders])
    if made is None:
        return None, out
    test = evidence.values(evidence.study.test)
    reported = np.stack([test[candidates[i].arm.order] - _level(test, references[i]) for i in rows])
    curse = winners_curse(values[rows], reported, np.random.default_rng(SEED_OF_CURSE))
    some = np.flatnonzero(~np.isnan(values[rows]).all(axis=0))
    return Chosen(
        best=candidates[rows[made.best]],
        seeds=tuple(evidence.seeds[i] for i in made.seeds),
        unshared=tuple(evidence.seeds[i] for i in some if i not in made.seeds),
        ranking=tuple(candidates[rows[i]] for i in made.ranking),
        possible=tuple(candidates[rows[i]].arm for i in made.possible),
        one_se=candidates[rows[made.one_se]].arm,
        curse=curse,
    ), out


def _unseen(study: Study) -> set[Arm]:
    """The arms that validation cannot set apart from an earlier one; other tools name their factors freely."""
    if study.origin is not None:
        return set()
    return {study.arms[i] for i in same_on_validation([arm.factors for arm in study.arms])}


def _excluded(summary: ArmSummary, values: Floats, most: int, unseen: set[Arm]) -> Excluded:
    """Why a candidate cannot be chosen; `values`: its validation accuracies, `most`: the seeds of the best arms."""
    seeds = count(summary.planned, "seed")
    if summary.arm in unseen:
        bar, reason = Bar.UNSEEN, Bar.UNSEEN.value
    elif summary.stopped:
        bar, reason = Bar.STOPPED, f"{summary.stopped} of {seeds} stopped early"
    elif summary.planned < most:
        bar, reason = Bar.LOST, f"the search gave it {seeds}, and the best arms {most}"
    else:
        bar, reason = Bar.INCOMPLETE, f"{int((~np.isnan(values)).sum())} of {seeds} complete"
    return Excluded(arm=summary.arm, bar=bar, reason=reason)


def _level(test: Floats, reference: Arm | None) -> Floats:
    return np.zeros(test.shape[1]) if reference is None else np.asarray(test[reference.order], dtype=np.float64)
