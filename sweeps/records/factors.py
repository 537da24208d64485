"""The factors of a cell: values that a study varies, and when two cells are the same arm."""

from __future__ import annotations

from collections.abc import Mapping

from vmp.core.fingerprint import canonical_json

Scalar = bool | int | float | str | None


def arm_key(factors: Mapping[str, Scalar]) -> str:
    """What makes two cells the same arm: equal factors, however they are ordered."""
    return canonical_json(dict(factors))


def contradict(recorded: Mapping[str, Scalar], planned: Mapping[str, Scalar]) -> bool:
    """Whether a factor has two values. One that only the plan or only the record names was added or dropped since."""
    if str(recorded) == str(planned):  # as for nearly every cell, and found in a tenth of the time
        return False
    both = [name for name in recorded if recorded[name] is not None and planned.get(name) is not None]
    return arm_key({name: recorded[name] for name in both}) != arm_key({name: planned[name] for name in both})
