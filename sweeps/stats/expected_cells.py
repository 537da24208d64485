"""How many cells a race is expected to take before it runs, by simulating races of normal runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sweeps.stats.race import ALPHA, Ending, race


def expected_cells(
    k: int,
    *,
    cap: int,
    effects: Sequence[float],
    rng: np.random.Generator,
    margin: float = 1.0,
    alpha: float = ALPHA,
    studies: int = 400,
) -> tuple[float, float]:
    """Mean number of cells of a race, and the share that ends with a decision, for normal runs without collapse.

    Args:
        k: Arms.
        cap: Seeds at most.
        effects: True means of the arms in SDs of the paired differences; those that are not named are 0.
        rng: Generator.
        margin: In SDs.
        alpha: Error.
        studies: Simulated races.
    """
    means = np.zeros(k)
    means[: len(effects)] = effects[:k]
    x = (rng.normal(size=(studies, k, cap)) + rng.normal(size=(studies, 1, cap))) * np.sqrt(0.5) + means[:, None]
    made = race(x, margin=margin, alpha=alpha)
    return float(made.cells.mean()), float(1 - made.ended(Ending.NOT_ENOUGH_SEEDS).mean())
