"""The numbers the authors published that a study can be drawn against; there are few, and none is invented here.

Source: Chen, Wang, Koniusz, Gedeon, "Motion meets Attention: Video Motion Prompts", arXiv 2407.03179, ACML 2024
(PMLR 260:591-606): the (m, n) learnt on FineGym for each lambda. Slope and shift follow from the paper's own
equations. The paper's accuracy tables were not available to us, so accuracies have no published column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

SOURCE = "FineGym, Chen et al. 2024 (arXiv 2407.03179)"
NOT_AVAILABLE = "not available"

_FINEGYM = {
    0.0: (1.69, -0.26),
    0.1: (1.80, -0.26),
    0.5: (0.86, -2.13),
    1.0: (1.02, -2.32),
    1.5: (1.10, -2.45),
    2.0: (1.01, -2.60),
    2.5: (1.06, -2.67),
    5.0: (1.30, -2.94),
    10.0: (1.28, -3.27),
}


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """Learnt layer parameters published for one lambda on FineGym."""

    lambda_: float
    m: float
    n: float

    @property
    def slope(self) -> float:
        """a = 5 / (0.45 |tanh m| + 0.1), in (9.09, 50]."""
        return 5 / (0.45 * abs(math.tanh(self.m)) + 0.1)

    @property
    def shift(self) -> float:
        """b = 0.6 tanh n, in (-0.6, 0.6)."""
        return 0.6 * math.tanh(self.n)

    @property
    def attention_at_zero(self) -> float:
        """A at D = 0, in (0, 1)."""
        return 1 / (1 + math.exp(self.slope * self.shift))


def anchors_for(lambdas: Iterable[float]) -> tuple[Anchor, ...]:
    """The published anchors among `lambdas`, by rising lambda."""
    wanted = set(lambdas)
    return tuple(Anchor(lambda_=v, m=m, n=n) for v, (m, n) in _FINEGYM.items() if v in wanted)
