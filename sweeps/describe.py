"""Arms and cells in words, for every line of output."""

from __future__ import annotations

from collections.abc import Mapping

from sweeps.records.factors import Scalar
from vmp.core.config import shown


def describe_factors(factors: Mapping[str, Scalar]) -> str:
    """``prompt=vmp lambda=0.1``, without the factors that do not apply to the arm."""
    parts = [f"{name}={_described(value)}" for name, value in factors.items() if value is not None]
    return " ".join(parts) or "the plain settings"


def describe_cell(factors: Mapping[str, Scalar], seed: int) -> str:
    """``prompt=vmp lambda=0.1 seed=0``."""
    return f"{describe_factors(factors)} seed={seed}"


def _described(value: Scalar) -> str:
    if isinstance(value, bool):
        return shown(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
