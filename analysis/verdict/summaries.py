"""Each arm on its own: how many seeds it has, its means, its collapsed seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.study.arms import Arm, Kind, reference_for
from analysis.study.cells import ARM, COLLAPSED, COMPLETE, DIVERGED, HASH, SECONDS, SEED, STATUS, STOPPED, Study
from sweeps.stats.intervals import Interval, mean_interval


@dataclass(frozen=True, kw_only=True)
class Collapse:
    """Seeds of an arm whose attention became practically constant, and how they compare with the arm's control.

    Attributes:
        seeds: The collapsed ones.
        flagged: Number of complete cells that carry the flag, true or false.
        max_gap: Largest absolute within-seed test difference of a collapsed seed to the control, or ``None``.
        healthy_mean: Mean within-seed difference of the seeds that did not collapse, or ``None``.
    """

    seeds: tuple[int, ...]
    flagged: int
    max_gap: float | None
    healthy_mean: float | None


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """One arm's cells in numbers; accuracies are fractions in [0, 1], NaN where no cell is complete.

    Attributes:
        arm: The arm.
        planned, complete, diverged, stopped: Cells. All others are missing or failed.
        seeds: Seeds with both validation and test accuracy.
        val_mean, test_mean: Means over `seeds`.
        test_std: Sample standard deviation; NaN below 2 seeds.
        test_interval: 95% interval of the test mean over seeds; ``None`` below 2 seeds or where all are equal. Not for
            comparing arms.
        collapse: Which seeds collapsed; ``None`` where the flag does not apply.
        seconds: Median time of a cell, NaN where none says. Compare arms of one engine and one number of workers only.
        hashes: Hashes of the cells behind the means.
    """

    arm: Arm
    planned: int
    complete: int
    diverged: int
    stopped: int
    seeds: tuple[int, ...]
    val_mean: float
    test_mean: float
    test_std: float
    test_interval: Interval | None
    collapse: Collapse | None
    seconds: float
    hashes: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Every planned seed has its numbers."""
        return len(self.seeds) == self.planned

    @property
    def has_collapse(self) -> bool:
        return bool(self.collapse and self.collapse.seeds)


def summarize(study: Study, arm: Arm) -> ArmSummary:
    """Summarise one arm. Diverged, stopped, failed and missing cells are counted and stay out of every mean."""
    status = study.cells.loc[study.cells[ARM] == arm.label, STATUS]
    usable = study.complete(arm, study.val, study.test)
    val, test = usable[study.val].to_numpy(float), usable[study.test].to_numpy(float)
    return ArmSummary(
        arm=arm,
        planned=len(status),
        complete=int((status == COMPLETE).sum()),
        diverged=int((status == DIVERGED).sum()),
        stopped=int((status == STOPPED).sum()),
        seeds=tuple(int(seed) for seed in usable[SEED]),
        val_mean=float(val.mean()) if val.size else math.nan,
        test_mean=float(test.mean()) if test.size else math.nan,
        test_std=float(np.std(test, ddof=1)) if test.size > 1 else math.nan,
        test_interval=mean_interval(test) if test.size > 1 and np.ptp(test) > 1e-12 else None,
        collapse=_collapse(study, arm),
        seconds=float(usable[SECONDS].median()),
        hashes=tuple(usable[HASH]),
    )


def _collapse(study: Study, arm: Arm) -> Collapse | None:
    flagged = study.complete(arm, study.val, study.test, COLLAPSED)
    if flagged.empty:
        return None
    collapsed = tuple(int(seed) for seed in flagged.loc[flagged[COLLAPSED].astype(bool), SEED])
    control = reference_for(arm, study.arms, Kind.CONTROL)
    of_control = {seed: value for seed, value, _ in study.seed_values(control)} if control else {}
    differences = {seed: value - of_control[seed] for seed, value, _ in study.seed_values(arm) if seed in of_control}
    gaps = [abs(differences[seed]) for seed in collapsed if seed in differences]
    healthy = [difference for seed, difference in differences.items() if seed not in collapsed]
    return Collapse(
        seeds=collapsed,
        flagged=len(flagged),
        max_gap=max(gaps, default=None),
        healthy_mean=float(np.mean(healthy)) if healthy else None,
    )
