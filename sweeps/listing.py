"""What `vmp sweep list` says: the built-in studies with question, comparison, and cells in each size."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from sweeps.describe import describe_factors
from sweeps.designs.full_factorial import Grid
from sweeps.questions import asked_factors, compared_factors, compared_sides
from sweeps.study import Study
from sweeps.study_files import builtin_studies, load_study, study_sizes
from vmp.core.text import count, listing

_WIDTH = 100


@dataclass(frozen=True, kw_only=True)
class SizeListed:
    """One size of a study: its arms, its cells if each arm runs every seed, and what it takes."""

    name: str
    arms: int
    cells: int
    takes: str

    def line(self) -> str:
        """As text."""
        takes = f", {self.takes}" if self.takes else ""
        return f"  --size {self.name:<9}  {self.cells:>5} cells = {count(self.arms, 'arm')}{takes}"


@dataclass(frozen=True, kw_only=True)
class StudyListed:
    """A study as `vmp sweep list` shows it."""

    name: str
    question: str
    comparison: str
    sizes: tuple[SizeListed, ...]

    def text(self) -> str:
        """As text, several lines."""
        lines = textwrap.wrap(f"{self.name}: {self.question}", _WIDTH, subsequent_indent="  ")
        lines += textwrap.wrap(f"compared: {self.comparison}", _WIDTH, initial_indent="  ", subsequent_indent="    ")
        return "\n".join([*lines, *(size.line() for size in self.sizes)])

    def to_json(self) -> dict[str, Any]:
        """As `vmp sweep list --json` prints it."""
        return {
            "study": self.name,
            "question": self.question,
            "comparison": self.comparison,
            "sizes": [vars(size) for size in self.sizes],
        }


def list_studies() -> list[StudyListed]:
    """The built-in studies, in the order of their names; reads no data."""
    listed = []
    for name in builtin_studies():
        study = load_study(name)
        listed.append(
            StudyListed(
                name=name,
                question=study.question,
                comparison=comparison_of(study),
                sizes=tuple(_sized(name, size, one.takes) for size, one in study_sizes(name).items()),
            )
        )
    return listed


def _sized(name: str, size: str, takes: str) -> SizeListed:
    study = load_study(name, size=size)
    arms = sum(1 for _ in study.made_arms())
    return SizeListed(name=size, arms=arms, cells=arms * len(study.seeds), takes=takes)


def comparison_of(study: Study) -> str:
    """What a study compares, in a few words."""
    if compared_factors(study):
        return f"the values of {listing(compared_factors(study))} with each other, at the same other settings"
    if study.compare is not None:
        pairs = [
            f"{describe_factors(first)} with {describe_factors(second)}" for first, second in compared_sides(study)
        ]
        return listing(pairs)
    if study.reference is not None:
        others = " at its own other settings" if set(asked_factors(study)) != set(study.factors) else ""
        return f"each arm with {describe_factors(study.reference)}{others}"
    if not isinstance(study.design, Grid):
        return "each arm with the base, the bare or the full arm that the design changes"
    return "each prompted arm with the control of its own other settings"
