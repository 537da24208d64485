"""Choosing an arm on validation: who may be chosen, who is best, and the simplest that is as good within one error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.arms import Arm
from analysis.stats.intervals import standard_error
from analysis.summary import ArmSummary
from analysis.table import ARM, COMPLETE, SEED, STATUS, Study


def eligible(summaries: Sequence[ArmSummary]) -> tuple[ArmSummary, ...]:
    """The arms that may be chosen.

    An arm with a diverged seed is out: training that sometimes ends in NaN is no recommendation, and the mean of its
    surviving seeds flatters it. Among the rest, arms with every planned seed; where no arm is whole (a study still
    running) the arms with at least 2 seeds.
    """
    sound = [s for s in summaries if s.diverged == 0 and len(s.seeds) >= 2]
    whole = tuple(s for s in sound if s.whole)
    return whole or tuple(sound)


def common_seeds(summaries: Sequence[ArmSummary]) -> tuple[int, ...]:
    """Seeds that every arm of `summaries` completed: means over other seeds would not be comparable."""
    if not summaries:
        return ()
    shared = set(summaries[0].seeds).intersection(*(s.seeds for s in summaries[1:]))
    return tuple(seed for seed in summaries[0].seeds if seed in shared)


def best_on_validation(study: Study, summaries: Sequence[ArmSummary]) -> Arm | None:
    """The eligible arm with the highest validation mean over the common seeds; the earliest planned wins a tie.

    ``None`` without at least 2 common seeds among the eligible arms.
    """
    candidates = eligible(summaries)
    seeds = common_seeds(candidates)
    if len(seeds) < 2:
        return None
    values = validation_values(study, [s.arm for s in candidates], seeds)
    means = values.mean(axis=0)
    return candidates[int(np.argmax(np.round(means, 12)))].arm


def within_one_se(study: Study, summaries: Sequence[ArmSummary], best: Arm) -> tuple[Arm, ...]:
    """The eligible arms whose paired validation deficit to `best` is at most one standard error of that deficit."""
    candidates = eligible(summaries)
    seeds = common_seeds(candidates)
    chosen = []
    for summary in candidates:
        pair = validation_values(study, [best, summary.arm], seeds)
        deficit = pair[:, 0] - pair[:, 1]
        if summary.arm == best or deficit.mean() <= standard_error(deficit):
            chosen.append(summary.arm)
    return tuple(chosen)


def validation_values(study: Study, arms: Sequence[Arm], seeds: Sequence[int]) -> np.ndarray:
    """Validation accuracies, shape (len(seeds), len(arms))."""
    cells = study.cells[study.cells[STATUS] == COMPLETE]
    table = cells.pivot(index=SEED, columns=ARM, values=study.val)
    return table.loc[list(seeds), [arm.label for arm in arms]].to_numpy(float)
