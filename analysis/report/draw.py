"""Draw the figures of a report, by two processes where there are two processors."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from analysis.figures.figure import ReportFigure

MIN_FIGURES = 4  # fewer are drawn before a second process has begun
_TOKEN = 2  # bytes of a figure's number


def save_figures(figures: Sequence[ReportFigure], folder: Path, meanwhile: Callable[[], None]) -> None:
    """Write every figure into `folder` as SVG and PNG; who draws which one changes no byte.

    A copy of this process takes the next figure whenever it is free, as this one does after `meanwhile`. What the copy
    fails to draw is drawn here, so that its error is raised here.
    """
    if not _may_fork() or not MIN_FIGURES <= len(figures) < 256**_TOKEN // 8:
        meanwhile()
        for figure in figures:
            figure.save(folder)
        return
    queue, end = os.pipe()
    try:
        longest_first = sorted(range(len(figures)), key=lambda number: -figures[number].panels)
        os.write(end, b"".join(number.to_bytes(_TOKEN, "big") for number in longest_first))
        os.close(end)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # numpy's threads, which hold no lock while they wait
            child = os.fork()
        if child == 0:
            _draw_and_exit(figures, queue, folder)
        drawn = set()
        try:
            meanwhile()
            for number in _taken(queue):
                figures[number].save(folder)
                drawn.add(number)
        finally:
            _, status = os.waitpid(child, 0)
    finally:
        os.close(queue)
    if status:
        for number in sorted(set(range(len(figures))) - drawn):
            figures[number].save(folder)


def _may_fork() -> bool:
    """Whether a copy of this process is safe and worth it: Linux, no other thread of Python, two processors."""
    return sys.platform == "linux" and threading.active_count() == 1 and len(os.sched_getaffinity(0)) > 1


def _taken(queue: int) -> Iterator[int]:
    """The numbers that nobody has taken yet, each to one process."""
    while token := os.read(queue, _TOKEN):
        yield int.from_bytes(token, "big")


def _draw_and_exit(figures: Sequence[ReportFigure], queue: int, folder: Path) -> None:
    """The copy's work; it ends here, without what its parent would do at its end."""
    status = 1
    try:
        for number in _taken(queue):
            figures[number].save(folder)
        status = 0
    finally:
        os._exit(status)
