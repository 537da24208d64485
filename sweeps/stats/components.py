"""Components that are on or off: what each brings beside which others, and the path from one arm to another.

Arms are named by the set of components that are on in them. What is returned are units for `sweeps.stats.factorial`, so
every quantity becomes one number in each seed, with the seed as the block.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence

from sweeps.stats.factorial import Unit, difference, pair

Arms = Mapping[frozenset[int], int]
"""The components that are on, by number -> index of the arm."""


def is_complete(arms: Arms, components: int) -> bool:
    """Whether every set of components has its arm."""
    numbers = range(components)
    return all(frozenset(one) in arms for k in range(components + 1) for one in itertools.combinations(numbers, k))


def shapley(arms: Arms, component: int, components: int) -> Unit:
    """What a component brings, as the mean over all orders in which the components are switched on.

    The Shapley values of all components add up to the full arm minus the bare one. With two components they are the
    main effects.

    Raises:
        ValueError: When a set of components has no arm.
    """
    if not is_complete(arms, components):
        raise ValueError(f"Shapley values of {components} components take all {2**components} arms")
    others = [one for one in range(components) if one != component]
    unit: dict[int, float] = {}
    for size in range(components):
        weight = 1 / (components * math.comb(components - 1, size))
        for on in map(frozenset, itertools.combinations(others, size)):
            for arm, sign in ((arms[on | {component}], 1), (arms[on], -1)):
                unit[arm] = unit.get(arm, 0.0) + sign * weight
    return {arm: weight for arm, weight in unit.items() if weight}


def disagreement(bare: int, added: int, full: int, left_out: int) -> Unit:
    """What a component brings in the full arm minus what it brings in the bare one; empty where these are the same.

    Args:
        bare, full: Arms without any component and with all.
        added: The bare arm with the component.
        left_out: The full arm without it.
    """
    unit = difference(pair(full, left_out), pair(added, bare))
    return {arm: weight for arm, weight in unit.items() if weight}


def greedy_path(
    start: tuple[Hashable, ...], end: tuple[Hashable, ...], score: Mapping[tuple[Hashable, ...], float]
) -> list[int] | None:
    """The order in which to switch the factors of `start` to those of `end`, the largest score first.

    This is the ablation path of Fawcett and Hoos (2016).

    Args:
        start, end: The values of the factors.
        score: Of each setting, on validation; settings that were not run have none.

    Returns:
        Numbers of the factors that differ, in their order; the earliest of equals. None where no setting that was run
        leads on.
    """
    order: list[int] = []
    here = list(start)
    while remaining := [i for i in range(len(start)) if here[i] != end[i]]:
        ahead = {i: (*here[:i], end[i], *here[i + 1 :]) for i in remaining}
        known = [i for i in remaining if ahead[i] in score]
        if not known:
            return None
        best = max(known, key=lambda i: score[ahead[i]])
        here[best] = end[best]
        order.append(best)
    return order


def combined(units: Sequence[Unit]) -> tuple[tuple[int, float], ...]:
    """The weight of each arm over all units of a comparison: equal for comparisons that are the same."""
    total: dict[int, float] = {}
    for unit in units:
        for arm, weight in unit.items():
            total[arm] = total.get(arm, 0.0) + weight / len(units)
    return tuple(sorted((arm, round(weight, 12)) for arm, weight in total.items() if abs(weight) > 1e-12))
