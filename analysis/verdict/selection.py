"""Choosing an arm on validation: who may be chosen, who is best, and the simplest that is as good within one error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.study.arms import Arm
from analysis.verdict.contrasts import Claim, Contrast
from analysis.verdict.evidence import Evidence
from analysis.verdict.summaries import ArmSummary
from sweeps.stats.intervals import standard_error
from vmp.core.text import count


def eligible(summaries: Sequence[ArmSummary]) -> tuple[ArmSummary, ...]:
    """The arms that may be chosen.

    An arm with a diverged seed is out: training that sometimes ends in NaN is no recommendation, and the mean of its
    surviving seeds flatters it. Among the others, arms with every planned seed; where no arm is complete (a study
    still running) the arms with at least 2 seeds.
    """
    stable = tuple(s for s in summaries if s.diverged == 0 and len(s.seeds) >= 2)
    return tuple(s for s in stable if s.is_complete) or stable


def ineligible(summaries: Sequence[ArmSummary]) -> tuple[tuple[Arm, str], ...]:
    """The arms that could not be chosen, each with the reason in words."""
    allowed = {summary.arm.label for summary in eligible(summaries)}
    reasons = []
    for summary in summaries:
        if summary.arm.label in allowed:
            continue
        for number, word in ((summary.diverged, "diverged"), (summary.stopped, "stopped early")):
            if number:
                reasons.append((summary.arm, f"{number} of {count(summary.planned, 'seed')} {word}"))
                break
        else:
            reasons.append((summary.arm, f"{len(summary.seeds)} of {count(summary.planned, 'seed')} complete"))
    return tuple(reasons)


def common_seeds(summaries: Sequence[ArmSummary]) -> tuple[int, ...]:
    """Seeds that every arm of `summaries` completed: means over other seeds would not be comparable."""
    if not summaries:
        return ()
    shared = set(summaries[0].seeds).intersection(*(s.seeds for s in summaries[1:]))
    return tuple(seed for seed in summaries[0].seeds if seed in shared)


def best_on_validation(evidence: Evidence, summaries: Sequence[ArmSummary]) -> ArmSummary | None:
    """The eligible arm with the highest validation mean over the common seeds; the earliest planned wins a tie.

    ``None`` without at least 2 common seeds among the eligible arms.
    """
    candidates = eligible(summaries)
    seeds = common_seeds(candidates)
    if len(seeds) < 2:
        return None
    means = validation_values(evidence, [s.arm for s in candidates], seeds).mean(axis=0)
    return candidates[int(np.argmax(np.round(means, 12)))]


def within_one_se(evidence: Evidence, summaries: Sequence[ArmSummary], best: Arm) -> tuple[Arm, ...]:
    """The eligible arms whose paired validation deficit to `best` is at most one standard error of that deficit."""
    candidates = eligible(summaries)
    seeds = common_seeds(candidates)
    chosen = []
    for summary in candidates:
        pair = validation_values(evidence, [best, summary.arm], seeds)
        deficit = pair[:, 0] - pair[:, 1]
        if summary.arm == best or deficit.mean() <= standard_error(deficit):
            chosen.append(summary.arm)
    return tuple(chosen)


def validation_values(evidence: Evidence, arms: Sequence[Arm], seeds: Sequence[int]) -> np.ndarray:
    """Validation accuracies, shape (len(seeds), len(arms))."""
    table = evidence.values(evidence.study.val)
    return table.loc[list(seeds), [arm.label for arm in arms]].to_numpy(float)


def like_the_best(
    evidence: Evidence, arms: Sequence[Arm], best: Arm
) -> tuple[tuple[Contrast, ...], tuple[Contrast, ...]]:
    """The comparisons with `best` of the arms practically equal to it on test, and of those indistinguishable from it.

    The first is a claim (TOST at 5%, Holm over the arms); the second is only the lack of one: the simultaneous interval
    of the difference includes 0. No arm is in both.
    """
    contrasts = evidence.compare([(arm, best) for arm in arms if arm != best])
    equal = [c for c in contrasts if c.p_equivalence_holm <= 0.05 or (c.is_identical and c.claim is Claim.EQUAL)]
    unclear = [
        c
        for c in contrasts
        if c not in equal and c.n >= 2 and not (c.simultaneous_interval and c.simultaneous_interval.excludes_zero)
    ]
    return tuple(equal), tuple(unclear)
