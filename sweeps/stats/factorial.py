"""Comparisons of several arms at once, with the seed as the block: effects of factors, interactions, trends.

A comparison is a list of *units*: weights of arms that sum to 0, one unit for each setting of the other factors. Within
each seed it is the mean over all units, so both sides and all seeds average the same settings, and it becomes one
number per seed: a paired t test over seeds holds whatever the runs of one seed share. A seed without one of the runs
does not count: where settings differ in the effect, a mean over those that a seed happens to have is of something else
in each seed. Effects are decided as one family by `sweeps.stats.claims.claims`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sweeps.stats.stepdown import Floats

Unit = Mapping[int, float]
"""Index of an arm -> its weight: positive for the side that is compared, negative for what it is compared with."""


def pair(arm: int, reference: int) -> Unit:
    """One arm against another."""
    return {arm: 1.0, reference: -1.0}


def sides(arms: Sequence[int], against: Sequence[int]) -> Unit:
    """The mean of some arms against the mean of others.

    Raises:
        ValueError: When an arm is on both sides, or a side is empty.
    """
    if not arms or not against or set(arms) & set(against):
        raise ValueError(f"arms {list(arms)} against {list(against)}: two groups without a common arm are needed")
    return dict.fromkeys(arms, 1 / len(arms)) | dict.fromkeys(against, -1 / len(against))


def difference(first: Unit, second: Unit) -> Unit:
    """The unit `first` minus the unit `second`, e.g. an effect at one level of another factor minus at another."""
    return {arm: first.get(arm, 0.0) - second.get(arm, 0.0) for arm in {**first, **second}}


def trend(arms: Sequence[int]) -> Unit:
    """The change from the first to the last of `arms` along a least-squares line over their ranks, at least 2 arms."""
    x = np.arange(len(arms)) - (len(arms) - 1) / 2
    return dict(zip(arms, (x * (len(arms) - 1) / (x**2).sum()).tolist(), strict=True))


def halves(levels: int) -> tuple[list[int], list[int]]:
    """Indices of the lower and the upper half of ordered levels, without the middle one of an odd number."""
    return list(range(levels // 2)), list(range(levels - levels // 2, levels))


def by_seed(values: npt.ArrayLike, units: Sequence[Unit]) -> Floats:
    """The comparison within each seed.

    Args:
        values: Arms by seeds, (k, n); NaN for a missing run.
        units: Its units.

    Returns:
        (n,); NaN where a run of some unit is missing.
    """
    a = np.asarray(values, dtype=np.float64)
    return np.asarray(np.stack([_unit(a, unit) for unit in units]).mean(axis=0), dtype=np.float64)


def single_runs(values: npt.ArrayLike, units: Sequence[Unit], sign: int = 1) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The single runs on one side of a comparison, each against the mean of the other side in its unit and seed.

    Args:
        values: As in `by_seed`.
        units: Its units.
        sign: 1 for the runs of the positive side, -1 for those of the other.

    Returns:
        Positive - negative side for each run, (n, r); NaN in seeds without some run. The arm of each column, (r,).
    """
    a = np.asarray(values, dtype=np.float64)
    complete = ~np.isnan(by_seed(a, units))
    columns, arms = [], []
    for unit in units:
        other = {arm: weight for arm, weight in unit.items() if weight * sign < 0}
        mean = _unit(a, other) / sum(abs(weight) for weight in other.values())
        for arm, weight in unit.items():
            if weight * sign > 0:
                columns.append(np.where(complete, mean + sign * a[arm], np.nan))
                arms.append(arm)
    return np.stack(columns, axis=-1), np.asarray(arms)


def with_runs(values: npt.ArrayLike, units: Sequence[Unit]) -> list[Unit]:
    """The units that some seed has; `values` as in `by_seed`."""
    a = np.asarray(values, dtype=np.float64)
    return [unit for unit in units if not np.isnan(_unit(a, unit)).all()]


def _unit(values: Floats, unit: Unit) -> Floats:
    total: Floats = sum((weight * values[arm] for arm, weight in unit.items()), np.zeros(values.shape[1]))
    return total
