"""When a race looks at its arms, and at which level it tests at each look."""

from __future__ import annotations

import functools
import itertools

import numpy as np
from scipy import special

from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.stepdown import Floats

LOOKS = (3, 4, 5, 6, 8, 10, 13, 17, 22, 28, 36)
_GROWTH = 1.28  # of the looks beyond the last one


def looks_until(cap: int) -> tuple[int, ...]:
    """The looks of a race of at most `cap` seeds; the last one is at the cap.

    Raises:
        ValueError: Below 3 seeds.
    """
    if cap < MIN_SEEDS:
        raise ValueError(f"a race takes at least {MIN_SEEDS} seeds, got {cap}")
    looks = list(LOOKS)
    while looks[-1] < cap:
        looks.append(round(looks[-1] * _GROWTH))
    return (*(look for look in looks if look < cap), cap)


@functools.cache
def level_of_look(looks: tuple[int, ...], error: float) -> float:
    """One-sided level of every look such that a normal comparison errs with probability `error` over all of them."""

    def excess(z: float) -> float:
        return _crossing(looks, z) - error

    if len(looks) == 1:
        return error
    from scipy import optimize  # slow to import, and only a race needs it

    strict, loose = (float(special.ndtri(level)) for level in (error / len(looks), error))
    return float(special.ndtr(optimize.brentq(excess, strict - 0.1, loose + 0.1, xtol=1e-4)))


def _crossing(looks: tuple[int, ...], z: float) -> float:
    """Probability that a standardised random walk falls below `z` at any of the looks, by integrating its density."""
    grid = np.linspace(z, 8.0, 241)
    weights = np.full(grid.size, grid[1] - grid[0])
    weights[[0, -1]] /= 2
    density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    for before, now in itertools.pairwise(looks):
        correlation = np.sqrt(before / now)
        sd = np.sqrt(1 - before / now)
        kernel = np.exp(-(((grid[:, None] - correlation * grid) / sd) ** 2) / 2) / (sd * np.sqrt(2 * np.pi))
        density = kernel @ (weights * density)
    return float(1 - weights @ density)


def look_levels(looks: tuple[int, ...], alpha: float, k: int) -> Floats:
    """`level_of_look` of a comparison that is one of m, at index m; index 0 is that of 1."""
    return np.array([level_of_look(looks, alpha / max(m, 1)) for m in range(max(k, 3))])
