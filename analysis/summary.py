"""Each arm on its own: how many seeds it has, its means, its collapsed seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arms import Arm
from analysis.outcome import Contrast
from analysis.stats.intervals import Interval, mean_interval
from analysis.table import ARM, COLLAPSED, COMPLETE, DIVERGED, HASH, SECONDS, SEED, STATUS, Study


@dataclass(frozen=True, kw_only=True)
class Collapse:
    """Seeds of an arm whose attention became practically constant, and how they compare with the control.

    Attributes:
        seeds: The collapsed ones.
        judged: Number of complete cells that carry the flag.
        largest_gap: Largest absolute within-seed test difference of a collapsed seed to the control, or ``None``.
        rest_mean: Mean within-seed difference of the seeds that did not collapse, or ``None``.
    """

    seeds: tuple[int, ...]
    judged: int
    largest_gap: float | None
    rest_mean: float | None


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """One arm's cells in numbers; accuracies are fractions in [0, 1], NaN where no cell is complete.

    Attributes:
        arm: The arm.
        planned, complete, diverged: Cells. What is neither complete nor diverged is missing or failed.
        seeds: Seeds with both validation and test accuracy.
        val_mean, test_mean: Means over `seeds`.
        val_sd, test_sd: Sample standard deviations; NaN below 2 seeds.
        test_interval: 95% interval of the test mean over seeds; ``None`` below 2 seeds or without any
            spread. Not for comparing arms.
        collapse: Which seeds collapsed; ``None`` where the flag does not apply.
        seconds: Median time of a cell, NaN where none says. Compare arms of one engine and one number of workers only.
        hashes: Hashes of the cells behind the means.
    """

    arm: Arm
    planned: int
    complete: int
    diverged: int
    seeds: tuple[int, ...]
    val_mean: float
    val_sd: float
    test_mean: float
    test_sd: float
    test_interval: Interval | None
    collapse: Collapse | None
    seconds: float
    hashes: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Every planned seed has its numbers."""
        return len(self.seeds) == self.planned


def summarise(study: Study, arm: Arm, against_control: Contrast | None = None) -> ArmSummary:
    """Summarise one arm; `against_control` (test) lets it say how collapsed seeds compare with the control."""
    cells = study.cells[study.cells[ARM] == arm.label]
    usable = cells[(cells[STATUS] == COMPLETE) & cells[study.val].notna() & cells[study.test].notna()]
    val, test = usable[study.val].to_numpy(float), usable[study.test].to_numpy(float)
    flagged = usable[usable[COLLAPSED].notna()]
    collapse = None
    if len(flagged):
        collapsed = tuple(int(s) for s in flagged.loc[flagged[COLLAPSED].astype(bool), SEED])
        collapse = _collapse(collapsed, len(flagged), against_control)
    return ArmSummary(
        arm=arm,
        planned=len(cells),
        complete=int((cells[STATUS] == COMPLETE).sum()),
        diverged=int((cells[STATUS] == DIVERGED).sum()),
        seeds=tuple(int(s) for s in usable[SEED]),
        val_mean=float(val.mean()) if val.size else math.nan,
        val_sd=float(np.std(val, ddof=1)) if val.size > 1 else math.nan,
        test_mean=float(test.mean()) if test.size else math.nan,
        test_sd=float(np.std(test, ddof=1)) if test.size > 1 else math.nan,
        test_interval=mean_interval(test) if test.size > 1 and np.ptp(test) > 1e-12 else None,
        collapse=collapse,
        seconds=float(usable[SECONDS].median()),
        hashes=tuple(usable[HASH]),
    )


def _collapse(collapsed: Sequence[int], judged: int, contrast: Contrast | None) -> Collapse:
    by_seed = dict(zip(contrast.seeds, contrast.differences, strict=True)) if contrast else {}
    inside = [abs(by_seed[seed]) for seed in collapsed if seed in by_seed]
    rest = [difference for seed, difference in by_seed.items() if seed not in collapsed]
    return Collapse(
        seeds=tuple(collapsed),
        judged=judged,
        largest_gap=max(inside) if inside else None,
        rest_mean=float(np.mean(rest)) if rest else None,
    )
