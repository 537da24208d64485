"""Each arm on its own: how many seeds it has, its means, and how its runs ended: healthy, collapsed or diverged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.study.arms import Arm
from analysis.study.cells import ARM, COLLAPSED, COMPLETE, DIVERGED, HASH, SECONDS, SEED, STATUS, STOPPED, Study
from sweeps.questions import CONTROL, counterpart
from sweeps.stats.collapse import Rate, rate
from sweeps.stats.intervals import Interval, t_interval


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
        seeds: Seeds with both validation and test accuracy.
        val_mean, test_mean: Means over `seeds`: of the runs that survived, where some diverged.
        test_std: Sample standard deviation; NaN below 2 seeds.
        test_interval: 95% interval of the test mean over seeds; None below 3 seeds or where all are equal. Not for
            comparing arms.
        endings: None where its runs cannot collapse and none diverged.
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
    endings: Endings | None
    seconds: float
    hashes: tuple[str, ...]

    @property
    def has_collapse(self) -> bool:
        return bool(self.endings and self.endings.seeds)


def summarize(study: Study, arm: Arm) -> ArmSummary:
    """Summarise one arm. Diverged, stopped, failed and missing cells are counted and stay out of every mean."""
    status = study.cells.loc[study.cells[ARM] == arm.label, STATUS]
    usable = study.complete(arm, study.val, study.test)
    val, test = usable[study.val].to_numpy(float), usable[study.test].to_numpy(float)
    diverged = int((status == DIVERGED).sum())
    return ArmSummary(
        arm=arm,
        planned=len(status),
        complete=int((status == COMPLETE).sum()),
        diverged=diverged,
        stopped=int((status == STOPPED).sum()),
        seeds=tuple(int(seed) for seed in usable[SEED]),
        val_mean=float(val.mean()) if val.size else math.nan,
        test_mean=float(test.mean()) if test.size else math.nan,
        test_std=float(np.std(test, ddof=1)) if test.size > 1 else math.nan,
        test_interval=t_interval(test, lowest=0.0, highest=1.0),
        endings=_endings(study, arm, diverged),
        seconds=float(usable[SECONDS].median()),
        hashes=tuple(usable[HASH]),
    )


def _endings(study: Study, arm: Arm, diverged: int) -> Endings | None:
    runs = study.complete(arm, study.test)
    flagged = runs.dropna(subset=[COLLAPSED])
    if flagged.empty and not diverged:
        return None
    collapsed = flagged[flagged[COLLAPSED].astype(bool)]
    healthy = runs[~runs[SEED].isin(collapsed[SEED])]
    control = counterpart(arm.factors, [other.factors for other in study.arms], CONTROL)
    of_control = {} if control is None else {seed: v for seed, v, _ in study.seed_values(study.arms[control])}
    gaps = [
        abs(v - of_control[s]) for s, v in zip(collapsed[SEED], collapsed[study.test], strict=True) if s in of_control
    ]
    return Endings(
        rate=rate(len(collapsed) + diverged, (len(runs) if flagged.empty else len(flagged)) + diverged),
        seeds=tuple(int(seed) for seed in collapsed[SEED]),
        diverged=diverged,
        healthy_mean=float(healthy[study.test].mean()),
        collapsed_mean=float(collapsed[study.test].mean()),
        max_gap=max(gaps, default=None),
    )
