"""Published values of the two parameters, by name: starting points, and the anchors of a lambda study.

Chen, Wang, Koniusz, Gedeon, "Motion meets Attention: Video Motion Prompts", ACML 2024 (arXiv 2407.03179).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files

from vmp.core.choices import lookup
from vmp.core.power import attention_of, shift_and_derivative, slope_and_derivative

SOURCE = "Chen, Wang, Koniusz, Gedeon, Motion meets Attention: Video Motion Prompts, ACML 2024, arXiv 2407.03179"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """m and n of a layer; slope a in (9.09, 50], shift b in (-0.6, 0.6) and the attention at rest follow."""

    m: float
    n: float

    @property
    def slope(self) -> float:
        return slope_and_derivative(self.m)[0]

    @property
    def shift(self) -> float:
        return shift_and_derivative(self.n)[0]

    @property
    def attention_at_zero(self) -> float:
        """A where nothing changes, in (0, 1)."""
        return attention_of(0.0, self.slope, self.shift)


@dataclass(frozen=True, kw_only=True)
class Preset(Pair):
    """Published m and n. where: what they were learnt on, or whose default."""

    where: str


@dataclass(frozen=True, kw_only=True)
class LambdaAnchor(Pair):
    """m and n that were learnt on FineGym with a given lambda."""

    lambda_: float


PRESETS: dict[str, Preset] = {
    "authors_code": Preset(m=0.1, n=0.0, where="start in the first author's later code"),
    "hmdb51_drink": Preset(m=0.2646, n=-0.6615, where="learnt on HMDB-51, drink"),
    "mpii_cooking2_whip": Preset(m=0.257, n=0.053, where="learnt on MPII Cooking 2, whip"),
    "ucf_crime_explosion": Preset(m=0.8916, n=-0.2543, where="learnt on UCF-Crime, explosion"),
    "finegym_balance_beam": Preset(m=1.05, n=-2.67, where="learnt on FineGym, balance beam"),
}


def preset(name: str) -> Preset:
    """The published parameters under `name`; raises `InputError` with the known names."""
    return lookup(PRESETS, name, "preset")


def finegym_lambda_table() -> tuple[LambdaAnchor, ...]:
    """m and n learnt on FineGym for nine lambdas from 0 to 10, in order; the source stands in the file's head."""
    text = files("vmp.core").joinpath("finegym_lambda.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(LambdaAnchor(lambda_=float(r["lambda"]), m=float(r["m"]), n=float(r["n"])) for r in rows)
