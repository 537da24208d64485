"""How often an effect on the rate of collapse is claimed that is none, and how often a real one is, by simulation.

    python benchmarks/rates.py [--studies 500]

A study has k effects, each with two sides; both sides run n seeds in 4 settings of other factors, or on divisions of
the data. Any of the k p values of `sweeps.stats.rates` at most 5% is a claim. Only flags are drawn: runs that collapse
by themselves, seeds or divisions that do so in all of their runs, on both sides alike or on each side by itself.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sweeps.stats.collapse import rate
from sweeps.stats.rates import Sided, compare_collapse_rates
from sweeps.stats.stepdown import Bools, Floats
from vmp.core.seeding import generator

EFFECTS, SEEDS = (1, 4), (3, 5, 10)


@dataclass(frozen=True, kw_only=True)
class Design:
    """What the runs of a seed are over: settings of other factors, or divisions of the data; test over training."""

    name: str
    parts: int
    overlap: float | None = None


DESIGNS = (
    Design(name="4 settings", parts=4),
    Design(name="3 splits", parts=3, overlap=3 / 7),
    Design(name="5 folds", parts=5, overlap=1 / 4),
    Design(name="10 splits", parts=10, overlap=3 / 7),
)


def _mixed(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """A rate of 0.9 or 0.1, by a coin."""
    return np.where(rng.random(shape) < 0.5, 0.9, 0.1)


Draw = Callable[[np.random.Generator, int, int, int, int], Floats | float]
NULLS: dict[str, Draw] = {  # rates of (studies, k, sides, parts, seeds), to be broadcast
    "runs at 0.3": lambda rng, s, k, j, n: 0.3,
    "runs at 0.05": lambda rng, s, k, j, n: 0.05,
    "a seed in all of its runs, both sides": lambda rng, s, k, j, n: _mixed(rng, (s, k, 1, 1, n)),
    "a seed in all of its runs, each side": lambda rng, s, k, j, n: _mixed(rng, (s, k, 2, 1, n)),
    "the same without exception": lambda rng, s, k, j, n: 1.0 * (rng.random((s, k, 2, 1, n)) < 0.5),
}
OF_DIVISIONS: dict[str, Draw] = {  # settings of other factors are no sample, so there these are effects
    "a division in all of its runs, each side": lambda rng, s, k, j, n: _mixed(rng, (s, k, 2, j, 1)),
    "a division without exception, each side": lambda rng, s, k, j, n: (rng.random((s, k, 2, j, 1)) < 0.5).astype(
        float
    ),
}
UNGUARDED: dict[str, Draw] = {
    "a seed on one of the sides, by a coin": lambda rng, s, k, j, n: _one_side(rng.random((s, k, 1, 1, n)) < 0.5),
}
POWER: dict[str, Draw] = {
    "power: 0.9 against 0.1": lambda rng, s, k, j, n: np.array([0.1, 0.9])[:, None, None],
    "power: 0.5 against none": lambda rng, s, k, j, n: np.array([0.0, 0.5])[:, None, None],
    "power: all against none": lambda rng, s, k, j, n: np.array([0.0, 1.0])[:, None, None],
}


def _one_side(coin: Bools) -> Floats:
    return np.where(np.concatenate([coin, ~coin], axis=2), 0.9, 0.1)


def claimed(family: str, design: Design, effects: int, seeds: int, studies: int) -> float:
    """The share of studies in which any effect on the rate is claimed."""
    draw = (NULLS | OF_DIVISIONS | UNGUARDED | POWER)[family]
    rng = generator(0, "rates", family, design.name, effects, seeds)
    shape = (studies, effects, 2, design.parts, seeds)
    hit = rng.random(shape) < draw(rng, studies, effects, design.parts, seeds)
    return float(np.mean([_is_claimed(one, design) for one in hit]))


def families(design: Design) -> dict[str, bool]:
    """The families of a design, and whether each is held to 5%."""
    held = NULLS if design.overlap is None else NULLS | OF_DIVISIONS
    return dict.fromkeys(held, True) | dict.fromkeys(UNGUARDED | POWER, False)


def _is_claimed(hit: Bools, design: Design) -> bool:
    """Whether any of the effects (k, 2, parts, n) is."""
    runs = hit[0, 0].size
    by_part = hit[:, 1].astype(np.float64) - hit[:, 0]
    differences = by_part if design.overlap is not None else by_part.mean(axis=1, keepdims=True)
    effects = [
        Sided(differences=d, subject=rate(int(one[1].sum()), runs), against=rate(int(one[0].sum()), runs))
        for d, one in zip(differences, hit, strict=True)
    ]
    return bool((compare_collapse_rates(effects, design.overlap) <= 0.05).any())


def main() -> None:
    """Print a row for each family and design, a column for each number of effects and seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=500, help="simulated studies for each figure")
    studies = parser.parse_args().studies
    start, missed = time.perf_counter(), 0
    limit = 0.05 + 3 * float(np.sqrt(0.05 * 0.95 / studies))
    print(f"Percent of {studies} studies with any claim; ! beyond 5% by three standard errors of the simulation")
    print(f"{'':<56}" + "".join(f"{f'k={k}, n={n}':>12}" for k in EFFECTS for n in SEEDS))
    for design in DESIGNS:
        for family, is_held in families(design).items():
            shares = [claimed(family, design, k, n, studies) for k in EFFECTS for n in SEEDS]
            beyond = [is_held and share > limit for share in shares]
            missed += sum(beyond)
            cells = (f"{100 * share:.1f}{' !' if bad else ''}" for share, bad in zip(shares, beyond, strict=True))
            print(f"{f'{design.name}: {family}':<56}" + "".join(f"{cell:>12}" for cell in cells), flush=True)
    print(f"{missed} figures beyond 5%; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
