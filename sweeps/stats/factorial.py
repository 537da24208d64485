"""What each factor of a factorial does by itself: its effect over the other factors, with the seed as the block.

Values are an array with an axis for each factor and the seeds last. An effect is computed within each seed and becomes
one number per seed, so a paired t test over seeds holds whatever the runs of one seed share. Rates of collapse are
values too (0 and 1). Effects are decided as one family by `sweeps.stats.claims.claims`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sweeps.stats.stepdown import Floats


def main_effect(values: npt.ArrayLike, axis: int, levels: Sequence[int], against: Sequence[int]) -> Floats:
    """Mean of some levels of a factor minus the mean of others, averaged over all other factors, by seed.

    Args:
        values: (levels of factor 0, levels of factor 1, ..., n seeds); NaN for a missing run.
        axis: The factor.
        levels, against: Indices of its levels, e.g. those of n >= 0.3 against those of n <= -0.3.

    Returns:
        (n,) differences. In each seed the average is over the settings of the other factors for which every level
        concerned has its run, so that both sides always average the same settings; NaN where there is none.

    Raises:
        ValueError: When a level is on both sides, or a side is empty.
    """
    if not levels or not against or set(levels) & set(against):
        raise ValueError(f"levels {list(levels)} against {list(against)}: two groups without a common level are needed")
    return _mean_by_seed(by_setting(values, axis, levels, against))


def interaction(
    values: npt.ArrayLike,
    first: tuple[int, int, int],
    second: tuple[int, int, int],
) -> Floats:
    """How much the effect of one factor depends on another: the difference of differences, by seed.

    Args:
        values: As in `main_effect`.
        first, second: (axis, level, level to compare it with) of either factor.

    Returns:
        (n,): (effect of `first` at the level of `second`) - (the same at the level it is compared with), averaged over
        the other factors where all four runs exist.

    Raises:
        ValueError: When both are the same factor.
    """
    if first[0] == second[0]:
        raise ValueError(f"axis {first[0]} is named twice: an interaction is between two factors")
    moved = np.moveaxis(np.asarray(values, dtype=np.float64), (first[0], second[0]), (0, 1))
    (_, a, b), (_, c, d) = first, second
    return _mean_by_seed((moved[a, c] - moved[b, c]) - (moved[a, d] - moved[b, d]))


def by_setting(values: npt.ArrayLike, axis: int, levels: Sequence[int], against: Sequence[int]) -> Floats:
    """The effect of `main_effect` at each setting of the other factors, (their levels in order..., n)."""
    moved = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
    # A mean with NaN is NaN: a setting counts where every level concerned has its run.
    return np.asarray(moved[list(levels)].mean(axis=0) - moved[list(against)].mean(axis=0), dtype=np.float64)


def _mean_by_seed(difference: Floats) -> Floats:
    flat = difference.reshape(-1, difference.shape[-1])
    known = ~np.isnan(flat)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, flat, 0.0).sum(axis=0) / known.sum(axis=0), dtype=np.float64)
