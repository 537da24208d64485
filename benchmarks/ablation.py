"""Interactions found and claimed falsely, and Shapley values, by seeded simulation of studies of components.

    python benchmarks/ablation.py [--studies 20000] [--quick]

A study crosses k components, each off or on, over n paired seeds. An accuracy is the arm's mean, what the seed does to
all arms, and what it does to this one, each with half of the variance; "own" in a family's name puts all of the
variance into the second, so that pairing gains nothing. Decided is what the report's section "Ablation" decides: a
component's effect in the full arm minus that in the bare one (all components one family), and Shapley values. In the
last family of collapse the rates interact and the means do not; it has no floor, as few seeds may show no collapse.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sweeps.stats.components import disagreement, shapley
from sweeps.stats.decisions import Decisions, decide
from sweeps.stats.factorial import Unit
from sweeps.stats.stepdown import Floats

RATES_INTERACT = "collapse 3/7 in one arm alone"
SD, MARGIN, PLANTED, DROP = 0.02, 0.02, 0.05, 0.15


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of the table with its floor: a rate of at most `max_`, or of at least `min_`."""

    what: str
    family: str
    k: int
    n: int
    studies: int
    rate: float
    max_: float = 1.0
    min_: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether the floor holds, as far as a simulation can tell: within three of its standard errors."""
        error = math.sqrt(max(self.rate * (1 - self.rate), 0.0025) / self.studies)
        return self.min_ - 3 * error <= self.rate <= self.max_ + 3 * error


@dataclass(frozen=True, kw_only=True)
class Studies:
    """How many studies of k components over n seeds are drawn."""

    rng: np.random.Generator
    studies: int
    k: int
    n: int

    @property
    def sets(self) -> list[frozenset[int]]:
        """The components that are on in each arm."""
        numbers = range(self.k)
        return [frozenset(one) for size in range(self.k + 1) for one in itertools.combinations(numbers, size)]

    def draw(self, mean: Floats, *, sd: Floats | float = SD, paired: float = 0.5, rate: Floats | float = 0.0) -> Floats:
        """Accuracies (studies, arms, n).

        Args:
            mean: Of each arm, collapses included.
            sd: Of each arm over seeds, without collapse.
            paired: Share of the variance that is the seed's.
            rate: Of collapse of each arm; a collapsed run loses `DROP`.
        """
        shape = self.studies, len(mean), self.n
        arm_sd, p = (np.broadcast_to(one, len(mean))[:, None] for one in (sd, rate))
        seed, own = self.rng.normal(size=(self.studies, 1, self.n)), self.rng.normal(size=shape)
        values = mean[:, None] + arm_sd * (math.sqrt(paired) * seed + math.sqrt(1 - paired) * own)
        return np.asarray(values + DROP * (p - (self.rng.random(shape) < p)), dtype=np.float64)

    def additive(self) -> Floats:
        """Means without interaction: the first component brings 4 points, the second 1, further ones none."""
        brings = [0.04, 0.01, *[0.0] * self.k][: self.k]
        return np.array([0.6 + sum(brings[i] for i in on) for on in self.sets])

    def interacting(self) -> Floats:
        """The same with `PLANTED` more where the first two are on."""
        return self.additive() + np.array([PLANTED * ({0, 1} <= on) for on in self.sets])

    def disagreements(self, values: Floats) -> Decisions:
        """Decide the family of the report: of two components their one interaction."""
        index = {on: i for i, on in enumerate(self.sets)}
        everything = frozenset(range(self.k))
        units = [
            disagreement(index[frozenset()], index[frozenset({i})], index[everything], index[everything - {i}])
            for i in range(self.k)
        ]
        return self._decide(values, units[:1] if self.k == 2 else units)

    def shapley(self, values: Floats) -> Decisions:
        index = {on: i for i, on in enumerate(self.sets)}
        return self._decide(values, [shapley(index, i, self.k) for i in range(self.k)])

    def true_shapley(self, mean: Floats) -> Floats:
        """By counting every order one by one."""
        index = {on: i for i, on in enumerate(self.sets)}
        totals = np.zeros(self.k)
        for order in itertools.permutations(range(self.k)):
            for place, i in enumerate(order):
                before = frozenset(order[:place])
                totals[i] += mean[index[before | {i}]] - mean[index[before]]
        return totals / math.factorial(self.k)

    def _decide(self, values: Floats, units: list[Unit]) -> Decisions:
        rows = [sum(weight * values[:, arm] for arm, weight in unit.items()) for unit in units]
        return decide(np.stack(rows, axis=1), margin=MARGIN, limit=2.0)


def rows(studies: int) -> Iterator[Row]:
    """Every figure, seeded."""
    for k, n in itertools.product((2, 3), (5, 7, 10)):
        s = Studies(rng=np.random.default_rng([k, n]), studies=studies, k=k, n=n)
        arms, first = len(s.sets), np.array([0 in on for on in s.sets])
        families: dict[str, Floats] = {
            "normal": s.draw(s.additive()),
            "normal, own": s.draw(s.additive(), paired=0.0),
            "unequal SD 1:4": s.draw(s.additive(), sd=np.where(first, 4 * SD, SD)),
            "one noisy arm": s.draw(s.additive(), sd=np.where(np.arange(arms) == 0, 4 * SD, SD)),
            "collapse 3/7 in all arms": s.draw(s.additive(), rate=3 / 7),
            "collapse 1/10 in all arms": s.draw(s.additive(), rate=0.1),
            "collapse 3/7 with the first": s.draw(s.additive(), rate=np.where(first, 3 / 7, 0.0)),
            RATES_INTERACT: s.draw(s.additive(), rate=np.where(np.arange(arms) == 0, 3 / 7, 0.0)),
            "accuracies of 100 clips": np.round(s.draw(s.additive()) * 100) / 100,
        }
        truth = s.true_shapley(s.additive())
        for name, values in families.items():
            made = s.disagreements(values)
            false = ((made.low > 0) | (made.high < 0) | (made.p <= 0.05)).any(axis=1).mean()
            floor = 1.0 if name == RATES_INTERACT else 0.05
            yield Row(what="interaction claimed that is none", family=name, k=k, n=n, studies=studies,
                      rate=float(false), max_=floor)  # fmt: skip
            found = s.shapley(values)
            missed = ((found.low > truth) | (found.high < truth)).any(axis=1).mean()
            yield Row(what="Shapley value outside its interval", family=name, k=k, n=n, studies=studies,
                      rate=float(missed), max_=floor)  # fmt: skip
    for n in (5, 7, 10):
        s = Studies(rng=np.random.default_rng(n), studies=studies, k=2, n=n)
        for name, paired in (("normal", 0.5), ("normal, own", 0.0)):
            made = s.disagreements(s.draw(s.interacting(), paired=paired))
            yield Row(what="planted interaction of 5 points found", family=name, k=2, n=n, studies=studies,
                      rate=float((made.p <= 0.05).mean()), min_=0.8 if n == 7 and paired else 0.0)  # fmt: skip


def main() -> bool:
    """Print the table; whether every floor holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--quick", action="store_true", help="2,000 studies each")
    options = parser.parse_args()
    start, holds = time.perf_counter(), True
    print(f"{'':<38} {'family':<28} {'k':>2} {'n':>3}  {'rate':>6}  floor")
    for row in rows(2_000 if options.quick else options.studies):
        floor = f">= {row.min_:.0%}" if row.min_ else f"<= {row.max_:.0%}" if row.max_ < 1 else ""
        miss = "" if row.holds else "  MISSED"
        print(f"{row.what:<38} {row.family:<28} {row.k:>2} {row.n:>3}  {row.rate:>6.2%}  {floor}{miss}")
        holds &= row.holds
    print(f"{time.perf_counter() - start:.0f} s")
    return holds


if __name__ == "__main__":
    raise SystemExit(not main())
