"""In which order a run takes its cells, and when it ends before the plan does. No part of any cell's identity."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweeps.plan import Task
from sweeps.records.factors import arm_key
from vmp.core.errors import InputError

_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


class LimitReached(Exception):
    """The run has used what it was given; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one run may use.

    Attributes:
        max_cells: Cells to compute; None for all.
        budget: Seconds; running cells are then interrupted and go on from their checkpoints the next time.
        cell_timeout: Seconds for a cell; a longer one is killed and recorded as failed.
        seeds_first: Take the first seed of every arm before the second of any, so that arms are comparable early.
    """

    max_cells: int | None = None
    budget: float | None = None
    cell_timeout: float | None = None
    seeds_first: bool = False


def parse_seconds(text: str, flag: str) -> float:
    """``90``, ``90s``, ``45min``, ``2h``, ``1h30m`` in seconds. Raises InputError that names `flag`."""
    plain = text.strip().lower().replace(" ", "")
    parts = re.findall(r"(\d+(?:\.\d+)?)(min|[smhd])", plain)
    if plain and "".join(number + unit for number, unit in parts) == plain:
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        seconds = float(plain) if re.fullmatch(r"\d+(\.\d+)?", plain) else 0.0
    if not seconds > 0:
        raise InputError(f"{flag} must be a time such as 90s, 45min, 2h or 1h30m, got {text!r}")
    return seconds


def in_order(tasks: Sequence[Task], seconds: Mapping[str, float], *, seeds_first: bool) -> list[Task]:
    """Tasks in the order in which they are begun: long cells first, so that none begins when the others end.

    Args:
        tasks: In the plan's order.
        seconds: Measured cost of an arm's cells, by the name of the arm (`arm_key`); arms without one take the mean.
        seeds_first: Seeds before cost: see `Limits`.
    """
    mean = sum(seconds.values()) / len(seconds) if seconds else 0.0
    place = {seed: i for i, seed in enumerate(dict.fromkeys(task.seed for task in tasks))}

    def key(task: Task) -> tuple[int, float]:
        return (place[task.seed] if seeds_first else 0, -seconds.get(arm_key(task.factors), mean))

    return sorted(tasks, key=key)
