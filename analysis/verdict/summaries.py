"""Each arm on its own: how many seeds it has, its means, and how its runs ended: healthy, collapsed or diverged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.study.arms import Arm
from analysis.study.cells import COMPLETE, DIVERGED, STOPPED
from sweeps.stats.collapse import Rate, rate
from sweeps.stats.intervals import Interval, t_interval
from sweeps.stats.stepdown import Floats


@dataclass(frozen=True, kw_only=True)
class Endings:
    """How the runs of an arm that can collapse or diverge have ended; accuracies are fractions, NaN without runs.

    Attributes:
        rate: Collapsed and diverged ones of all.
        seeds: The collapsed ones.
        diverged: Number of the diverged ones.
        healthy_mean, collapsed_mean: Test accuracies.
        max_gap: Largest absolute difference on test of a collapsed run to the control of its seed; None without one.
    """

    rate: Rate
    seeds: tuple[int, ...]
    diverged: int
    healthy_mean: float
    collapsed_mean: float
    max_gap: float | None


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """One arm's cells in numbers; accuracies are fractions in [0, 1], NaN where no cell is complete.

    Attributes:
        arm: The arm.
        planned, complete, diverged, stopped: Cells. All others are missing or failed.
        seeds: Seeds with a reported accuracy, and with one on validation where the study has any.
        val_mean, test_mean: Means over `seeds`: of the runs that survived, where some diverged.
        test_std: Sample standard deviation; NaN below 2 seeds.
        test_interval: 95% interval of the test mean over seeds; None below 3 seeds or where all are equal. Not for
            comparing arms.
        endings: None where its runs cannot collapse and none diverged.
        seconds: Median time of a cell but the first of each worker, NaN where none says. Compare arms of one engine and
            one number of workers only.
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
    endings: Endings | None
    seconds: float
    hashes: tuple[str, ...]

    @property
    def has_collapse(self) -> bool:
        return bool(self.endings and self.endings.seeds)


def summarize(
    arm: Arm,
    seeds: Sequence[int],
    status: np.ndarray,
    val: np.ndarray | None,
    test: np.ndarray,
    collapsed: np.ndarray,
    seconds: np.ndarray,
    hashes: np.ndarray,
    *,
    of_control: Floats | None,
) -> ArmSummary:
    """Summarise one arm. Diverged, stopped, failed and missing cells are counted and stay out of every mean.

    Args:
        arm: The arm.
        seeds: The study's seeds, (n,).
        status, val, test, collapsed, seconds, hashes: Of its cells, (n,); None where none is planned. `val` itself is
            None where the study has no values to choose by.
        of_control: Test accuracies of its control, (n,), NaN where there is none.
    """
    tested = test.astype(float)
    values = np.full(len(seeds), np.nan) if val is None else val.astype(float)
    usable = (status == COMPLETE) & ~np.isnan(tested) & (~np.isnan(values) if val is not None else True)
    diverged = int((status == DIVERGED).sum())
    known = tested[usable]
    taken = seconds.astype(float)[usable]
    taken = taken[~np.isnan(taken)]
    return ArmSummary(
        arm=arm,
        planned=int((status != None).sum()),  # noqa: E711
        complete=int((status == COMPLETE).sum()),
        diverged=diverged,
        stopped=int((status == STOPPED).sum()),
        seeds=tuple(seed for seed, is_usable in zip(seeds, usable, strict=True) if is_usable),
        val_mean=float(values[usable].mean()) if known.size else math.nan,
        test_mean=float(known.mean()) if known.size else math.nan,
        test_std=float(np.std(known, ddof=1)) if known.size > 1 else math.nan,
        test_interval=t_interval(known, lowest=0.0, highest=1.0),
        endings=_endings(seeds, tested, (status == COMPLETE) & ~np.isnan(tested), collapsed, diverged, of_control),
        seconds=float(np.median(taken)) if taken.size else math.nan,
        hashes=tuple(str(one) for one in hashes[usable]),
    )


def _endings(
    seeds: Sequence[int],
    test: Floats,
    measured: np.ndarray,
    collapsed: np.ndarray,
    diverged: int,
    of_control: Floats | None,
) -> Endings | None:
    flagged = measured & np.array([flag is not None for flag in collapsed])
    if not flagged.any() and not diverged:
        return None
    ill = flagged & np.array([bool(flag) for flag in collapsed])
    gaps = np.empty(0) if of_control is None else np.abs(test - of_control)[ill]
    gaps = gaps[~np.isnan(gaps)]
    return Endings(
        rate=rate(int(ill.sum()) + diverged, int(flagged.sum() if flagged.any() else measured.sum()) + diverged),
        seeds=tuple(seed for seed, is_ill in zip(seeds, ill, strict=True) if is_ill),
        diverged=diverged,
        healthy_mean=_mean(test[measured & ~ill]),
        collapsed_mean=_mean(test[ill]),
        max_gap=float(gaps.max()) if gaps.size else None,
    )


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else math.nan
