"""The factors of a cell: values that a study varies, and when two cells are the same arm."""

from __future__ import annotations

import math
from collections.abc import Mapping

from vmp.core.fingerprint import canonical_json

Scalar = bool | int | float | str | None
Factors = Mapping[str, Scalar]
"""An arm by the values of its factors."""


def is_number(value: Scalar) -> bool:
    """Whether a factor's value is a finite number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def arm_key(factors: Factors) -> str:
    """What makes two cells the same arm: equal factors, however they are ordered."""
    return canonical_json(dict(factors))


def contradict(recorded: Factors, planned: Factors) -> bool:
    """Whether a factor has two values. One that only the plan or only the record names was added or dropped since."""
    if str(recorded) == str(planned):  # as for nearly every cell, and found in a tenth of the time
        return False
    both = [name for name in recorded if recorded[name] is not None and planned.get(name) is not None]
    return arm_key({name: recorded[name] for name in both}) != arm_key({name: planned[name] for name in both})
