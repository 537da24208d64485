"""How a study stands, read from its records alone: no torch, no lock, also while a sweep is running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import filelock

from sweeps.record import Scalar, StudyFolder


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a study stands.

    Attributes:
        planned: Cells in the plan.
        complete, diverged, failed: Recorded cells by status.
        arms: Description of each arm -> counts by status, with ``missing``.
        reasons: ``(hash, arm and seed, reason)`` of each diverged or failed cell.
        running: Whether a sweep is at work in the folder now.
        ran: Cells that the call that made this computed.
    """

    planned: int
    complete: int
    diverged: int
    failed: int
    arms: dict[str, Counter[str]]
    reasons: tuple[tuple[str, str, str], ...]
    running: bool = False
    ran: int = 0

    @property
    def missing(self) -> int:
        return self.planned - self.complete - self.diverged - self.failed

    @property
    def exit_code(self) -> int:
        """0 when every planned cell is there and complete, else 3."""
        return 0 if self.complete == self.planned else 3

    def headline(self) -> str:
        """``27 of 35 cells complete; 1 diverged, 7 missing``."""
        others = ((self.diverged, "diverged"), (self.failed, "failed"), (self.missing, "missing"))
        rest = ", ".join(f"{count} {what}" for count, what in others if count)
        return f"{self.complete} of {self.planned} cells complete" + (f"; {rest}" if rest else "")

    def lines(self) -> list[str]:
        """The whole standing as text."""
        width = max(map(len, self.arms), default=0)
        order = ("complete", "diverged", "failed", "missing")
        lines = [
            f"  {arm:<{width}}  " + ", ".join(f"{counts[what]} {what}" for what in order if counts[what])
            for arm, counts in self.arms.items()
        ]
        lines += [f"  {cell} ({arm}): {reason}" for cell, arm, reason in self.reasons]
        now = "; a sweep is at work here now" if self.running else ""
        return [self.headline() + now, *lines]


def read_standing(folder: StudyFolder, *, ran: int = 0) -> Standing:
    """Count the planned cells of a study by status.

    Raises:
        RecordError: The folder holds no study, or a record is damaged.
    """
    plan = folder.read_plan()
    records = {record.hash: record for record in folder.records(plan)}
    arms: dict[str, Counter[str]] = {}
    for cell in plan.cells:
        status = records[cell.hash].status if cell.hash in records else "missing"
        arms.setdefault(describe_factors(cell.factors), Counter())[status] += 1
    total: Counter[str] = sum(arms.values(), Counter())
    reasons = tuple(
        (record.hash, f"{describe_factors(record.factors)} seed={record.seed}", record.reason or "")
        for record in records.values()
        if record.status != "complete"
    )
    return Standing(
        planned=len(plan.cells),
        complete=total["complete"],
        diverged=total["diverged"],
        failed=total["failed"],
        arms=arms,
        reasons=reasons,
        running=_is_locked(folder.path),
        ran=ran,
    )


def describe_factors(factors: Mapping[str, Scalar]) -> str:
    """``prompt=vmp lambda=0.1``; what does not apply to the arm is left out."""
    told = [
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in factors.items()
        if value is not None
    ]
    return " ".join(told) or "the plain settings"


def describe_seconds(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def lock_of(folder: Path) -> filelock.BaseFileLock:
    """The lock that a running sweep holds on its folder. The kernel frees it with the process, however that dies."""
    return filelock.FileLock(folder / ".lock")


def _is_locked(folder: Path) -> bool:
    if not (folder / ".lock").exists():
        return False
    try:
        with lock_of(folder).acquire(timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError:  # a folder that may only be read is nobody's workplace as far as we can tell
        return False
