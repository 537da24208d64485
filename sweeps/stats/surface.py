"""A smooth surface through outcomes at points of two factors, chosen by how well it predicts points left out.

Tried are a plane, a plane with the product of both factors, a quadratic surface, and thin-plate splines of several
degrees of smoothing. All are linear in the outcomes, so the error at a point that is left out follows from the hat
matrix without fitting anew: residual / (1 - leverage).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweeps.stats.stepdown import Floats

MIN_POINTS = 6
SMOOTHING = (1e-3, 1e-2, 1e-1, 1.0)  # of the splines, for points scaled to the unit square
MAX_LEVERAGE = 1 - 1e-6
Basis = Callable[[Floats], Floats]

_BASES: dict[str, Basis] = {
    "a plane": lambda x: np.column_stack([np.ones(len(x)), x]),
    "a plane with an interaction": lambda x: np.column_stack([np.ones(len(x)), x, x.prod(axis=1)]),
    "a quadratic surface": lambda x: np.column_stack([np.ones(len(x)), x, x.prod(axis=1), x**2]),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Surface:
    """The surface that predicts best.

    Attributes:
        name: In words; empty where nothing predicts better than the mean of the other points.
        error: Root mean square error at points left out, in the outcome's unit.
        error_of_mean: The same of the mean of the other points.
        predict: From points (p, 2) to outcomes (p,).
    """

    name: str
    error: float
    error_of_mean: float
    predict: Callable[[npt.ArrayLike], Floats]


def surface(points: npt.ArrayLike, values: npt.ArrayLike) -> Surface:
    """Fit `values` (p,) at distinct `points` (p, 2).

    Raises:
        ValueError: Fewer than `MIN_POINTS` points, or all on one line.
    """
    x, y = np.asarray(points, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(x) < MIN_POINTS or np.linalg.matrix_rank(x - x.mean(axis=0)) < 2:
        raise ValueError(f"{len(x)} points: a surface takes {MIN_POINTS} that are not on one line")
    low, size = x.min(axis=0), np.ptp(x, axis=0)
    unit = (x - low) / size
    mean = float(y.mean())
    error_of_mean = float(np.sqrt((((y - mean) * len(y) / (len(y) - 1)) ** 2).mean()))
    best = Surface(name="", error=error_of_mean, error_of_mean=error_of_mean,
                   predict=lambda at: np.full(len(np.asarray(at)), mean))  # fmt: skip
    for name, smoother in _smoothers(unit):
        hat = smoother(unit)
        leverage = np.diag(hat)
        if leverage.max() > MAX_LEVERAGE:
            continue
        error = float(np.sqrt((((y - hat @ y) / (1 - leverage)) ** 2).mean()))
        if error < best.error * (1 - 1e-9):
            best = Surface(
                name=name, error=error, error_of_mean=error_of_mean, predict=_predictor(smoother, y, low, size)
            )
    return best


def _smoothers(unit: Floats) -> list[tuple[str, Callable[[Floats], Floats]]]:
    """(name, weights of the outcomes for a prediction at some points) of every surface that the points determine."""
    from scipy.interpolate import RBFInterpolator  # slow to import, and few studies have two numeric factors

    made: list[tuple[str, Callable[[Floats], Floats]]] = []
    for name, basis in _BASES.items():
        design = basis(unit)
        if np.linalg.matrix_rank(design) == design.shape[1]:
            inverse = np.linalg.pinv(design)
            made.append((name, lambda at, basis=basis, inverse=inverse: basis(at) @ inverse))  # type: ignore[misc]
    for smoothing in SMOOTHING:
        spline = RBFInterpolator(unit, np.eye(len(unit)), kernel="thin_plate_spline", smoothing=smoothing, degree=1)
        made.append(("a thin-plate spline", spline))
    return made


def _predictor(
    smoother: Callable[[Floats], Floats], values: Floats, low: Floats, size: Floats
) -> Callable[[npt.ArrayLike], Floats]:
    return lambda at: np.asarray(smoother((np.asarray(at, dtype=np.float64) - low) / size) @ values, dtype=np.float64)
