"""Choosing a value for a new data set: by a statistic of its videos, or by one constant, tried on the set left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweeps.stats.signflip import sign_flip_p
from sweeps.stats.stepdown import Floats, holm

MIN_SETS = 3


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule ``place in the list of values = intercept + slope * log(statistic)``, rounded to a place that exists.

    Attributes:
        intercept, slope: Fitted on all data sets.
        regret: For each data set what the rule fitted on the others loses on it against its own best value, (b,).
        constant_regret: What the best constant of the others loses on it, (b,).
        p: Of the difference of both by sign flips over data sets, adjusted for all statistics tried.
    """

    intercept: float
    slope: float
    regret: Floats
    constant_regret: Floats
    p: float

    @property
    def is_better(self) -> bool:
        """Whether it is shown to lose less than a constant."""
        return bool(self.p <= 0.05 and self.regret.mean() < self.constant_regret.mean())


def rules(statistics: npt.ArrayLike, chosen_on: npt.ArrayLike, reported: npt.ArrayLike) -> tuple[Rule, ...]:
    """One rule for each statistic, tried by leaving out one data set at a time.

    Args:
        statistics: (k, b), above 0: k statistics of b >= 3 data sets.
        chosen_on: (b, v) mean accuracies to choose by, values in their order.
        reported: (b, v) mean accuracies to measure losses by.
    """
    logs = np.log(np.asarray(statistics, dtype=np.float64))
    chosen, test = np.asarray(chosen_on, dtype=np.float64), np.asarray(reported, dtype=np.float64)
    sets = np.arange(len(chosen))
    losses = test.max(axis=1, keepdims=True) - test
    constants = np.array([losses[i, _constant(chosen[sets != i])] for i in sets])
    made, ps = [], []
    for log in logs:
        regret = np.array(
            [losses[i, _place(*_fit(log[sets != i], chosen[sets != i]), log[i], chosen.shape[1])] for i in sets]
        )
        difference = constants - regret
        ps.append(1.0 if np.allclose(difference, 0) else float(sign_flip_p(difference)))
        made.append((*_fit(log, chosen), regret))
    return tuple(
        Rule(intercept=intercept, slope=slope, regret=regret, constant_regret=constants, p=float(p))
        for (intercept, slope, regret), p in zip(made, holm(ps), strict=True)
    )


def _constant(chosen: Floats) -> int:
    """The value with the highest mean over data sets, each measured from its own best."""
    return int(np.argmax((chosen - chosen.max(axis=1, keepdims=True)).mean(axis=0)))


def _fit(log: Floats, chosen: Floats) -> tuple[float, float]:
    """Least squares of the best place on the logarithm of the statistic; flat where that does not vary."""
    best = chosen.argmax(axis=1).astype(np.float64)
    centered = log - log.mean()
    slope = float(centered @ best / (centered @ centered)) if centered @ centered > 1e-12 else 0.0
    return float(best.mean() - slope * log.mean()), slope


def _place(intercept: float, slope: float, log: float, values: int) -> int:
    return int(np.clip(np.floor(intercept + slope * log + 0.5), 0, values - 1))
