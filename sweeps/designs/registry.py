"""Everything that `design` in a study file can name."""

from __future__ import annotations

from typing import Annotated

from sweeps.designs.ablation import Ablation
from sweeps.designs.base import Design
from sweeps.designs.drawn import LatinHypercube, RandomDraw, Sobol
from sweeps.designs.full_factorial import Grid
from sweeps.designs.one_at_a_time import OneAtATime
from vmp.core.config import Choice

DESIGNS: dict[str, type[Design]] = {
    "grid": Grid,
    "one_at_a_time": OneAtATime,
    "ablation": Ablation,
    "random": RandomDraw,
    "latin_hypercube": LatinHypercube,
    "sobol": Sobol,
}
DesignConfig = Annotated[Design, Choice(DESIGNS, "design", default="grid")]
"""The field of a study that chooses its design."""
