"""The published sigmoid in plain numbers: slope and shift of the parameters m and n, and back.

    A = 1 / (1 + exp(-a (D - b))),   a = 5 / (0.45 |tanh m| + 0.1),   b = 0.6 tanh n

Chen, Wang, Koniusz, Gedeon, "Motion meets Attention: Video Motion Prompts", ACML 2024. The same for tensors is in
`vmp.layer.functional`.
"""

from __future__ import annotations

import math

from vmp.core.errors import InputError

SLOPE_RANGE = (5 / 0.55, 50.0)  # open at the lower end; 50 is m = 0
SHIFT_LIMIT = 0.6


def slope_and_derivative(m: float) -> tuple[float, float]:
    """a and d a / d m as numbers, for kernels that differentiate themselves."""
    t = math.tanh(m)
    slope = 5.0 / (0.45 * abs(t) + 0.1)
    sign = (m > 0) - (m < 0)
    return slope, -0.09 * slope * slope * sign * (1.0 - t * t)


def shift_and_derivative(n: float) -> tuple[float, float]:
    """b and d b / d n as numbers."""
    t = math.tanh(n)
    return SHIFT_LIMIT * t, SHIFT_LIMIT * (1.0 - t * t)


def m_from_slope(slope: float) -> float:
    """The m >= 0 whose slope is `slope`, in (9.0909, 50]. Raises `InputError` outside that range."""
    if not SLOPE_RANGE[0] < slope <= SLOPE_RANGE[1]:
        raise InputError(f"slope {slope} cannot be reached: a = 5 / (0.45 |tanh m| + 0.1) lies in (9.0909, 50].")
    return math.atanh((5.0 / slope - 0.1) / 0.45)


def n_from_shift(shift: float) -> float:
    """The n whose shift is `shift`, in (-0.6, 0.6). Raises `InputError` outside that range."""
    if not -SHIFT_LIMIT < shift < SHIFT_LIMIT:
        raise InputError(f"shift {shift} cannot be reached: b = 0.6 tanh n lies in (-0.6, 0.6).")
    return math.atanh(shift / SHIFT_LIMIT)


def attention_of(difference: float, slope: float, shift: float) -> float:
    """A of one frame difference in [-1, 1], in (0, 1); cannot overflow."""
    return 0.5 * (1.0 + math.tanh(0.5 * slope * (difference - shift)))
