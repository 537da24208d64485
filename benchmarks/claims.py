"""Error rates and power of the procedure behind every claim, by seeded simulation, beside the procedure of 0.1.0.

    python benchmarks/claims.py [--studies 20000] [--quick]

A study has k arms and one reference over n paired seeds; half of an arm's variance is the seed's, which all arms and
the reference share. An arm is chosen on validation, whose noise correlates with that of test at 0.9. "Old" is release
0.1.0: Bonferroni t intervals for better and worse, an unadjusted 90% t interval within the margin for equal, the choice
among arms with every seed. A rate is of studies: of any row of their tables, or of the chosen arm where it says so.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from sweeps.stats.choice import best_of, may_be_best
from sweeps.stats.decisions import Decisions, Verdict, decide, moments
from sweeps.stats.planner import power
from sweeps.stats.stepdown import Bools, Floats

SD = 0.014  # of an arm over seeds, as in results/reference/lambda where nothing collapses; also of a paired difference
DROP = 0.15
MARGIN = 0.01
ARMS, SEEDS = (4, 9), (3, 5, 7, 10)


@dataclass(frozen=True, kw_only=True)
class Studies:
    """Simulated studies: accuracies around 0, (studies, k, n), NaN for a missing run."""

    test: Floats
    val: Floats
    reference: Floats  # (studies, 1, n)
    collapsed: Bools | None
    truth: Floats  # true mean difference of each arm to the reference, (k,) or (studies, k)

    @property
    def differences(self) -> Floats:
        return self.test - self.reference


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: shares of studies, and the floor that the new one must keep."""

    what: str
    family: str
    k: int
    n: int
    old: float
    new: float
    chosen: float = float("nan")
    max_: float = 1.0
    min_: float = 0.0

    @property
    def holds(self) -> bool:
        return self.min_ <= self.new <= self.max_


def simulate(
    rng: np.random.Generator,
    studies: int,
    k: int,
    n: int,
    *,
    mean: Floats | float = 0.0,
    sd: Sequence[float] | float = SD,
    reference_sd: float = SD,
    rates: Sequence[float] | float | None = None,
    clips: int | None = None,
    missing: bool = False,
) -> Studies:
    """Draw studies.

    Args:
        mean: True mean of each arm minus the reference's.
        sd, reference_sd: Of a healthy arm and of the reference over seeds.
        rates: Rate of collapse of each arm; the healthy runs are better by rate * DROP, so that `mean` stays the mean.
        clips: Size of the test set that accuracies are counted on.
        missing: Whether one run of each study is missing at random.
    """
    arm_sd = np.broadcast_to(np.asarray(sd, dtype=float), (k,))[:, None]
    seed = rng.normal(size=(studies, 1, n)) * np.sqrt(0.5)
    own = rng.normal(size=(studies, k, n))
    again = 0.9 * own + np.sqrt(1 - 0.9**2) * rng.normal(size=own.shape)
    level = np.broadcast_to(np.asarray(mean, dtype=float), (studies, k))[..., None]
    shift: Floats | float = 0.0
    collapsed = None
    if rates is not None:
        p = np.broadcast_to(np.asarray(rates, dtype=float), (k,))[:, None]
        collapsed = rng.random((studies, k, n)) < p
        shift = DROP * (p - collapsed)
    test = level + shift + arm_sd * (seed + np.sqrt(0.5) * own)
    val = level + shift + arm_sd * (seed + np.sqrt(0.5) * again)
    reference = reference_sd * (seed + np.sqrt(0.5) * rng.normal(size=(studies, 1, n)))
    if clips:
        test, val, reference = (np.round((0.7 + a) * clips) / clips for a in (test, val, reference))
    if missing:
        lost = np.arange(k * n) == rng.integers(0, k * n, size=(studies, 1))
        test, val = (np.where(lost.reshape(studies, k, n), np.nan, a) for a in (test, val))
    truth = np.broadcast_to(np.asarray(mean, dtype=float), (studies, k))
    return Studies(test=test, val=val, reference=reference, collapsed=collapsed, truth=truth)


@dataclass(frozen=True, kw_only=True)
class Old:
    """What release 0.1.0 decides: arrays (studies, k), and the chosen arm."""

    better: Bools
    worse: Bools
    equal: Bools
    low: Floats
    high: Floats
    alone: tuple[Floats, Floats]
    chosen: np.ndarray


def decide_old(s: Studies) -> Old:
    """The procedure of 0.1.0 in a few lines."""
    n, mean, sd = moments(s.differences)
    judged = n >= 2
    error, df = sd / np.sqrt(n), np.maximum(n - 1.0, 1.0)
    varies = judged & (error > 0)

    def half(level: Floats | float) -> Floats:
        return np.asarray(np.where(varies, -special.stdtrit(df, level) * error, np.nan))

    family = judged.sum(axis=-1, keepdims=True)
    band, ninety, single = half(0.025 / family), half(0.05), half(0.025)
    equal = (mean - ninety > -MARGIN) & (mean + ninety < MARGIN)
    complete = ~np.isnan(s.val).any(axis=-1)
    means = np.where(complete, np.nan_to_num(s.val).mean(axis=-1), -np.inf)
    return Old(better=(mean - band > 0) & ~equal, worse=(mean + band < 0) & ~equal, equal=equal, low=mean - band,
               high=mean + band, alone=(mean - single, mean + single), chosen=np.argmax(means, axis=-1))  # fmt: skip


def decide_new(s: Studies) -> Decisions:
    return decide(s.differences, margin=MARGIN, collapsed=s.collapsed)


def of(chosen: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """The flag of each study's chosen arm; False where no arm was chosen."""
    picked = np.take_along_axis(flags, np.maximum(chosen, 0)[:, None], axis=1)[:, 0]
    return picked & (chosen >= 0)


def alternating(k: int) -> list[float]:
    return [SD if i % 2 else 3 * SD for i in range(k)]


NULLS: dict[str, Callable[[int], dict[str, object]]] = {
    "normal": lambda k: {},
    "std of arms 1:3": lambda k: {"sd": alternating(k)},
    "noisy reference 3:1": lambda k: {"reference_sd": 3 * SD},
    "one run missing": lambda k: {"missing": True},
    "ties: 50 test clips": lambda k: {"clips": 50},
    "collapse, p = 3/7": lambda k: {"rates": 3 / 7},
    "collapse, p = 1/10": lambda k: {"rates": 1 / 10},
    "collapse, half the arms 0.3": lambda k: {"rates": [0.3 if i < k // 2 else 0.0 for i in range(k)]},
}
ADVERSARY = "collapse, one arm 1/10"  # an arm that no other warns of: stated, not held


def false_better(rng: np.random.Generator, studies: int, k: int, n: int) -> Iterator[Row]:
    """Every arm has the reference's mean: any "better" is false."""
    families = NULLS | {ADVERSARY: lambda k: {"rates": [0.1] + [0.0] * (k - 1)}}
    for family, settings in families.items():
        s = simulate(rng, studies, k, n, **settings(k))  # type: ignore[arg-type]
        new, old = decide_new(s).are(Verdict.BETTER), decide_old(s)
        yield Row(what="false better, any row", family=family, k=k, n=n, old=float(old.better.any(axis=1).mean()),
                  new=float(new.any(axis=1).mean()), max_=1.0 if family == ADVERSARY else 0.05)  # fmt: skip
        yield Row(what="false better, chosen arm", family=family, k=k, n=n, old=float(of(old.chosen, old.better).mean()),
                  new=float(of(best_of(s.val), new).mean()), max_=1.0 if family == ADVERSARY else 0.05)  # fmt: skip


def false_equal(rng: np.random.Generator, studies: int, k: int, n: int) -> Iterator[Row]:
    """Every arm lies at the margin: any "equal" is false. Over several ratios of SD to margin, the worst."""
    signs = MARGIN * np.where(np.arange(k) % 2, 1.0, -1.0)
    for family, settings in {
        "at the margin": lambda k: {},
        "at the margin, alternating sides": lambda k: {"mean": signs},
        "at the margin, std 1:3": lambda k: {"std": True},
        "at the margin, one run missing": lambda k: {"missing": True},
    }.items():
        worst_old = worst_new = chosen = 0.0
        for ratio in (0.2, 0.4, 0.7, 1.0):
            given = dict(settings(k))
            sds = ratio * MARGIN * (np.array(alternating(k)) / SD if given.pop("std", False) else np.ones(k))
            mean = given.pop("mean", MARGIN)
            s = simulate(rng, studies, k, n, mean=mean, sd=sds, reference_sd=ratio * MARGIN, **given)  # type: ignore[arg-type]
            new, old = decide_new(s).are(Verdict.EQUAL), decide_old(s).equal
            worst_old = max(worst_old, float(old.any(axis=1).mean()))
            worst_new = max(worst_new, float(new.any(axis=1).mean()))
            chosen = max(chosen, float(of(best_of(s.val), new).mean()))
        yield Row(what="false equal, any row", family=family, k=k, n=n, old=worst_old, new=worst_new, chosen=chosen, max_=0.05)  # fmt: skip


def coverage(rng: np.random.Generator, studies: int, k: int, n: int) -> Iterator[Row]:
    """All intervals of a family hold their true differences; so does the chosen arm's."""
    for family, settings in {
        "normal, equal": {},
        "normal, +1 SD": {"mean": SD},
        "one null, others +10 SD": {"mean": np.array([0.0] + [10 * SD] * (k - 1))},
        "std of arms 1:3": {"sd": alternating(k)},
        "noisy reference 3:1": {"reference_sd": 3 * SD},
        "one run missing": {"missing": True},
    }.items():
        s = simulate(rng, studies, k, n, **settings)  # type: ignore[arg-type]
        new, old = decide_new(s), decide_old(s)
        # An end at 0 is no part of its interval where the direction is established.
        up, down = (new.p <= 0.05) & (new.mean > 0), (new.p <= 0.05) & (new.mean < 0)
        inside = (new.low <= s.truth) & (s.truth <= new.high) & ~(up & (s.truth <= 0)) & ~(down & (s.truth >= 0))
        unjudged = np.isnan(new.low)
        within = (old.low <= s.truth) & (s.truth <= old.high)
        yield Row(what="simultaneous coverage", family=family, k=k, n=n,
                  old=float((within | np.isnan(old.low)).all(axis=1).mean()),
                  new=float((inside | unjudged).all(axis=1).mean()), min_=0.95)  # fmt: skip
        alone = (old.alone[0] <= s.truth) & (s.truth <= old.alone[1])
        chosen = best_of(s.val)
        held = np.take_along_axis(inside | unjudged, np.maximum(chosen, 0)[:, None], axis=1)[chosen >= 0]
        if len(held):
            yield Row(what="coverage, chosen arm", family=family, k=k, n=n, old=float(of(old.chosen, alone).mean()),
                      new=float(held.mean()), min_=0.93)  # fmt: skip


def power_rows(rng: np.random.Generator, studies: int, k: int, n: int) -> Iterator[Row]:
    """All arms are better by one SD of the paired difference: is the chosen one shown to be?"""
    floor = 0.43 if (k, n) == (9, 7) else 0.0
    for family, rates in {"normal, +1 SD": None, "the same, runs flagged, none collapsed": 0.0}.items():
        s = simulate(rng, studies, k, n, mean=SD, rates=rates)
        old = decide_old(s)
        new = of(best_of(s.val), decide_new(s).are(Verdict.BETTER))
        yield Row(what="power, chosen arm", family=family, k=k, n=n, old=float(of(old.chosen, old.better).mean()),
                  new=float(new.mean()), min_=floor if rates is None else 0.0)  # fmt: skip
    # n fresh seeds, one comparison, no choice: exact.
    yield Row(
        what="power, fresh-seed confirmation",
        family="normal, +1 SD",
        k=k,
        n=n,
        old=float("nan"),
        new=float(power(n, 1.0)),
    )


def selection(rng: np.random.Generator, studies: int, k: int, n: int) -> Iterator[Row]:
    """Arms with random true means: is the best in the set that may hold it, also with a cell missing?"""
    for family, gap, sd in (("means N(0, 1 SD)", SD, SD), ("means N(0, 1 SD), std 1:3", SD, alternating(k)), ("all but equal", 0.05 * SD, SD)):  # fmt: skip
        means = rng.normal(size=(studies, k)) * gap
        s = simulate(rng, studies, k, n, mean=means, sd=sd)
        best = means.argmax(axis=1)
        possible = may_be_best(s.val)
        yield Row(what="set holds the true best", family=family, k=k, n=n, old=float("nan"), new=float(of(best, possible).mean()), min_=0.95)  # fmt: skip
        if n == min(SEEDS):
            continue  # one of three seeds missing leaves two shared ones: no choice is made
        lost = (np.arange(k * n) == rng.integers(0, k * n, size=(studies, 1))).reshape(studies, k, n)
        holed = np.where(lost, np.nan, s.val)
        complete = ~lost.any(axis=-1)
        old = np.argmax(np.where(complete, np.nan_to_num(holed).mean(axis=-1), -np.inf), axis=-1)
        yield Row(what="choice with a run missing is in the set", family=family, k=k, n=n,
                  old=float(of(old, possible).mean()), new=float(of(best_of(holed), possible).mean()), min_=0.95)  # fmt: skip
    s = simulate(rng, studies, k, n, mean=np.array([SD / 2] + [0.0] * (k - 1)), rates=[0.0] + [0.1] * (k - 1))
    possible = may_be_best(s.val, collapsed=s.collapsed)
    yield Row(what="set holds the true best", family="a clean arm among collapsers (1/10)", k=k, n=n,
              old=float(may_be_best(s.val)[:, 0].mean()), new=float(possible[:, 0].mean()), min_=0.95)  # fmt: skip


PARTS = (false_better, false_equal, coverage, power_rows, selection)


def rows(studies: int, seeds: Sequence[int] = SEEDS, arms: Sequence[int] = ARMS) -> list[Row]:
    """The whole table; the generator of each part depends on nothing but the part."""
    table = []
    for index, part in enumerate(PARTS):
        rng = np.random.default_rng([20261125, index])
        table += [row for k in arms for n in seeds for row in part(rng, studies, k, n)]
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what is old, new and required for each family, one column for each number of seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--studies", type=int, default=20_000, help="simulated studies for each figure")
    parser.add_argument("--quick", action="store_true", help="400 studies, 3 and 7 seeds")
    options = parser.parse_args(arguments)
    seeds, studies = ((3, 7), 400) if options.quick else (SEEDS, options.studies)
    start = time.perf_counter()
    table = rows(studies, seeds)
    print(f"{studies} studies for each figure; percent; old -> new; ! where a floor is missed")
    heads = "".join(f"{f'n = {n}':>17}" for n in seeds)
    for what in dict.fromkeys(row.what for row in table):
        print(f"\n{what:<46} k{heads}")
        lines = dict.fromkeys((row.family, row.k) for row in table if row.what == what)
        for family, k in lines:
            cells = {row.n: row for row in table if (row.what, row.family, row.k) == (what, family, k)}
            print(f"  {family:<42}{k:>4}" + "".join(_cell(cells.get(n)) for n in seeds))
    missed = [row for row in table if not row.holds]
    print(f"\n{len(table)} figures, {len(missed)} beyond their floor; {time.perf_counter() - start:.0f} s")


def _cell(row: Row | None) -> str:
    if row is None:
        return f"{'-':>17}"
    old = "-" if np.isnan(row.old) else f"{100 * row.old:.1f}"
    return f"{old + ' -> ' + f'{100 * row.new:.1f}' + ('' if row.holds else ' !'):>17}"


if __name__ == "__main__":
    main()
