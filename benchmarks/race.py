"""Errors and cells of the race over paired seeds, by seeded simulation, beside what it replaces.

    python benchmarks/race.py [--studies 2000]

A study has 9 arms, unless the row says otherwise, and up to 36 seeds; half of an arm's variance is the seed's, which
all arms share. The margin is one standard deviation (SD) of a paired difference. An error is: the truly best arm
dropped; in a family of equal arms, a given one dropped (the worst kind of arm of the family) or a winner named; arms
that differ by the margin or more called equal.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from sweeps.stats.looks import LOOKS
from sweeps.stats.race import Ending, Races, race
from sweeps.stats.stepdown import Bools, Floats

K, CAP = 9, LOOKS[-1]
SD = 0.014  # as in results/reference/lambda where nothing collapses
DROP = 0.15
FIRST = np.eye(K)[0]
UNLIKE = np.array([3.0 if i % 2 else 1.0 for i in range(K)])
FIVE = np.array([0.0] * 4 + [1.0] * 5)
CURVE = -((np.arange(K) - 4.0) ** 2)  # an optimum in the middle


@dataclass(frozen=True, kw_only=True)
class Family:
    """How the arms of a study are.

    Attributes:
        mean: True means over all runs, collapsed ones included, in SDs.
        sd: Of each arm over seeds, in SDs.
        rates: Rate of collapse of each arm, flagged; None where runs cannot collapse.
        shared: Correlation of two arms within a seed.
        clips: Size of the set that accuracies are counted on.
        missing: Share of the runs that failed.
        draw: Standardised noise of the arms, normal unless given.
        arms: Number of arms.
        held: Whether the family is held to 5%.
    """

    mean: npt.ArrayLike = 0.0
    sd: npt.ArrayLike = 1.0
    rates: npt.ArrayLike | None = None
    shared: float = 0.5
    clips: int | None = None
    missing: float = 0.0
    draw: Callable[[np.random.Generator, tuple[int, ...]], Floats] | None = None
    arms: int = K
    held: bool = True

    def sample(self, rng: np.random.Generator, studies: int) -> tuple[Floats, Floats | None]:
        """Accuracies (studies, arms, seeds), and which runs collapsed."""
        shape = (studies, self.arms, CAP)
        own = self.draw(rng, shape) if self.draw else rng.normal(size=shape)
        noise = np.sqrt(1 - self.shared) * own * self.column(self.sd) + np.sqrt(self.shared) * rng.normal(
            size=(studies, 1, CAP)
        )
        x, collapsed = 0.7 + SD * (self.column(self.mean) + noise), None
        if self.rates is not None:
            collapsed = (rng.random(shape) < self.column(self.rates)).astype(np.float64)
            x = x + DROP * (self.column(self.rates) - collapsed)
        if self.clips:
            x = np.round(x * self.clips) / self.clips
        return np.where(rng.random(shape) < self.missing, np.nan, x) if self.missing else x, collapsed

    def column(self, values: Any) -> Floats:
        """A setting of each arm, (arms, 1)."""
        return np.asarray(np.broadcast_to(np.asarray(values, dtype=np.float64), (self.arms,))[:, None])

    def kinds(self) -> npt.NDArray[np.int64]:
        """Arms of one kind share a number."""
        settings = np.concatenate(
            [self.column(self.mean), self.column(self.sd), self.column(0.0 if self.rates is None else self.rates)],
            axis=1,
        )
        return np.unique(settings, axis=0, return_inverse=True)[1].ravel()


def student(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Heavy tails: Student's t with 3 degrees of freedom, of variance 1."""
    return rng.standard_t(3, size=shape) / np.sqrt(3)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Skewed to the left: an exponential turned around, of mean 0 and variance 1."""
    return 1 - rng.exponential(size=shape)


EQUAL = {
    "all equal": Family(),
    "all equal, runs could collapse": Family(rates=0.0),
    "arms independent of the seed": Family(shared=0.0),
    "std of arms 1:3": Family(sd=UNLIKE),
    "one noisy arm 2:1": Family(sd=1 + FIRST),
    "one noisy arm 3:1": Family(sd=1 + 2 * FIRST),
    "one noisy arm 10:1": Family(sd=1 + 9 * FIRST),
    "one quiet arm 1:4": Family(sd=1 - 0.75 * FIRST),
    "one run in 20 failed": Family(missing=0.05),
    "ties: 50 clips": Family(clips=50),
    "ties: 300 clips": Family(clips=300),
    "heavy tails (t, 3 df)": Family(draw=student),
    "skewed": Family(draw=skewed),
    "collapse p = 0.4": Family(rates=0.4),
    "collapse p = 3/7": Family(rates=3 / 7),
    "collapse p = 0.1": Family(rates=0.1),
    "a clean arm, eight collapse at 0.1": Family(rates=0.1 * (1 - FIRST)),
    "a clean arm, eight collapse at 0.3": Family(rates=0.3 * (1 - FIRST)),
    "half collapse at 0.3": Family(rates=0.3 * (UNLIKE > 1)),
    "two arms": Family(arms=2),
    "two arms, std 1:3": Family(arms=2, sd=UNLIKE[:2]),
    "two arms, collapse p = 0.4": Family(arms=2, rates=0.4),
    "twenty arms": Family(arms=20),
    "eight clean, one collapses at 0.1": Family(rates=0.1 * FIRST, held=False),
}
"""Every arm has the same mean over all runs. The last: until it collapses for the first time, nothing warns of it."""

UNEQUAL = {
    "one arm +1 SD": Family(mean=FIRST),
    "one arm +2 SD": Family(mean=2 * FIRST),
    "one arm +1 SD, five collapse always": Family(mean=FIRST - DROP / SD * FIVE, rates=FIVE),
    "one arm +1 SD, five collapse at 0.9": Family(mean=FIRST - 0.9 * DROP / SD * FIVE, rates=0.9 * FIVE),
    "smooth curve, 1 SD within 2 steps": Family(mean=CURVE / 4),
    "smooth curve, 1 SD within 4 steps": Family(mean=CURVE / 16),
    "smooth curve, std 1:3": Family(mean=CURVE / 4, sd=UNLIKE),
    "half the arms a margin below": Family(mean=-1.0 * (UNLIKE > 1)),
    "one arm a margin below": Family(mean=-FIRST),
    "a clean arm +0.5 SD, eight collapse at 0.1": Family(mean=0.5 * FIRST, rates=0.1 * (1 - FIRST)),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One family: shares of races, and mean cells.

    Attributes:
        name: Of the family.
        family: The family.
        equal: Whether all of its arms have the same mean.
        dropped: Share of races that dropped the best arm, or one given arm of equal ones.
        winner: Share that named a winner.
        false_equal: Share that called arms equal which differ by the margin or more.
        decided: Share that did not end at the cap.
        cells: Mean cells.
        seconds: For all races.
    """

    name: str
    family: Family
    equal: bool
    dropped: float
    winner: float
    false_equal: float
    decided: float
    cells: float
    seconds: float

    @property
    def error(self) -> float:
        """The largest of the errors that this family can show."""
        return max(self.dropped, self.false_equal, self.winner if self.equal else 0.0)


def measure(name: str, family: Family, equal: bool, rng: np.random.Generator, studies: int) -> Row:
    """Simulate one family."""
    x, collapsed = family.sample(rng, studies)
    start = time.perf_counter()
    made = race(x, margin=SD, collapsed=collapsed)
    seconds = time.perf_counter() - start
    means = family.column(family.mean)[:, 0]
    dropped = made.dropped_at > 0
    kinds = family.kinds()
    counted = range(kinds.max() + 1) if equal else {kinds[i] for i in np.flatnonzero(means == means.max())}
    return Row(
        name=name,
        family=family,
        equal=equal,
        dropped=max(float(dropped[:, kinds == kind].mean()) for kind in counted),
        winner=float(made.ended(Ending.BEST).mean()),
        false_equal=float(_called_equal(made, means).mean()),
        decided=float(1 - made.ended(Ending.NOT_ENOUGH_SEEDS).mean()),
        cells=float(made.cells.mean()),
        seconds=seconds,
    )


def _called_equal(made: Races, means: Floats) -> Bools:
    """Whether a race called arms equal to its leader that differ from it by the margin or more."""
    apart = np.abs(means[made.leader][:, None] - means) >= 1 - 1e-9
    claimed = made.ended(Ending.SET) | made.ended(Ending.NO_DIFFERENCE)
    return np.asarray(claimed & (apart & made.alive).any(axis=1))


def rows(studies: int, names: Sequence[str] = ()) -> list[Row]:
    """The whole table, or the families of these names; each family has its own generator."""
    families = [(name, family, True) for name, family in EQUAL.items()]
    families += [(name, family, False) for name, family in UNEQUAL.items()]
    return [
        measure(name, family, equal, np.random.default_rng([20261126, index]), studies)
        for index, (name, family, equal) in enumerate(families)
        if not names or name in names
    ]


def fixed_plan(family: Family, share: float, rng: np.random.Generator, studies: int) -> int:
    """Cells of the smallest grid in which a paired t test with Bonferroni shows the best arm above all others in
    `share` of the studies."""
    x, _ = family.sample(rng, studies)
    for n in range(3, CAP + 1):
        ahead = x[:, :1, :n] - x[:, 1:, :n]
        t = ahead.mean(axis=-1) / (ahead.std(axis=-1, ddof=1) / np.sqrt(n))
        if (special.stdtr(n - 1, -t) <= 0.05 / (K - 1)).all(axis=1).mean() >= share:
            return K * n
    return K * CAP


def wilcoxon(family: Family, rng: np.random.Generator, studies: int) -> tuple[float, float]:
    """What Optuna's pruner decides on equal arms, Wilcoxon at p < 0.1 against the best at every look: a given arm
    dropped, a winner named."""
    x, _ = family.sample(rng, studies)
    alive = np.ones((studies, K), dtype=bool)
    for look in LOOKS:
        for i in np.flatnonzero(alive.sum(axis=1) > 1):
            best = int(np.argmax(np.where(alive[i], x[i, :, :look].mean(axis=-1), -np.inf)))
            others = np.flatnonzero(alive[i] & (np.arange(K) != best))
            p = stats.wilcoxon(x[i, best, :look] - x[i, others, :look], axis=-1, alternative="greater").pvalue
            alive[i, others[p < 0.1]] = False
    return float((~alive).mean()), float((alive.sum(axis=1) == 1).mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each family, and what the race replaces."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    studies = parser.parse_args(arguments).studies
    table = rows(studies)
    print(f"{studies} races a family, {K} arms, at most {CAP} seeds; percent of races")
    print(f"{'family':<44}{'dropped':>9}{'winner':>9}{'false =':>9}{'decided':>9}{'cells':>8}{'ms/race':>9}")
    for row in table:
        tolerance = 3 * np.sqrt(0.05 * 0.95 / studies)
        mark = "" if row.error <= 0.05 else " not held to 5%" if not row.family.held else " !"
        mark += " beyond chance" if row.family.held and row.error > 0.05 + tolerance else ""
        shares = "".join(f"{100 * share:>9.1f}" for share in (row.dropped, row.winner, row.false_equal, row.decided))
        print(f"{row.name:<44}{shares}{row.cells:>8.1f}{1000 * row.seconds / studies:>9.2f}{mark}")
    print("\nfixed plan, paired t, Bonferroni, that shows the best arm as often as the race:")
    by_name = {row.name: row for row in table}
    for name in list(UNEQUAL)[:3]:
        row = by_name[name]
        fixed = fixed_plan(row.family, row.winner, np.random.default_rng([20261126, 999]), studies)
        print(f"  {name:<42} {fixed:>4} cells; the race takes {row.cells:.0f}, {row.cells / fixed:.0%}")
    few = min(studies, 300)
    dropped, winner = wilcoxon(EQUAL["all equal"], np.random.default_rng([20261126, 998]), few)
    print(
        f"Wilcoxon at p < 0.1, all equal, {few} races: a given arm dropped {dropped:.0%}, a winner named {winner:.0%}"
    )


if __name__ == "__main__":
    main()
