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
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from sweeps.stats.choice import best_of, may_be_best, winners_curse
from sweeps.stats.collapse import Runs
from sweeps.stats.decisions import Decisions, Verdict, decide
from sweeps.stats.means import moments
from sweeps.stats.planner import power
from sweeps.stats.stepdown import Bools, Floats

SD = 0.014  # of an arm over seeds, as in results/reference/lambda where nothing collapses; also of a paired difference
DROP = 0.15
MARGIN = 0.01
ARMS, SEEDS = (4, 9), (3, 5, 7, 10)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of the table, and the floor that the new one must keep."""

    what: str
    family: str
    k: int
    n: int
    studies: int
    old: float
    new: float
    max_: float = 1.0
    min_: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether the floor holds, as far as a simulation can tell: within three of its standard errors."""
        error = np.sqrt(max(self.new * (1 - self.new), 0.0025) / self.studies)
        return bool(self.min_ - 3 * error <= self.new <= self.max_ + 3 * error)


@dataclass(frozen=True, kw_only=True)
class Studies:
    """Simulated studies: accuracies, (studies, k, n), NaN for a missing run; the reference (studies, 1, n)."""

    test: Floats
    val: Floats
    reference: Floats
    collapsed: Bools | None
    truth: Floats  # true mean difference of each arm to the reference, (studies, k)

    @property
    def differences(self) -> Floats:
        return self.test - self.reference

    def decide(self) -> Decisions:
        return decide(self.differences, margin=MARGIN, collapsed=self.collapsed)


@dataclass(frozen=True, kw_only=True)
class Design:
    """How many studies of which size are drawn."""

    rng: np.random.Generator
    studies: int
    k: int
    n: int

    def draw(
        self,
        *,
        mean: npt.ArrayLike = 0.0,
        sd: npt.ArrayLike = SD,
        reference_sd: float = SD,
        rates: npt.ArrayLike | None = None,
        by_seed: float = 0.0,
        clips: int | None = None,
        missing: bool = False,
    ) -> Studies:
        """Draw studies.

        Args:
            mean: True mean of each arm minus the reference's.
            sd, reference_sd: Of a healthy arm and of the reference over seeds.
            rates: Rate of collapse of each arm; healthy runs are better by rate * DROP, so that `mean` stays the mean.
            by_seed: Share of the runs that collapse where their seed does, in every arm; others do so by themselves.
            clips: Size of the test set that accuracies are counted on.
            missing: Whether one run of each study is missing at random.
        """
        rng, shape = self.rng, (self.studies, self.k, self.n)
        arm_sd = np.broadcast_to(sd, (self.k,))[:, None] * np.sqrt(0.5)
        seed, own = rng.normal(size=(self.studies, 1, self.n)), rng.normal(size=shape)
        again = 0.9 * own + np.sqrt(1 - 0.9**2) * rng.normal(size=shape)
        truth = np.broadcast_to(np.asarray(mean, dtype=np.float64), shape[:2])
        level: Floats = truth[..., None]
        collapsed = None
        if rates is not None:
            p = np.broadcast_to(rates, (self.k,))[:, None]
            collapsed = rng.random(shape) < p
            if by_seed:
                of_seed = rng.random((self.studies, 1, self.n)) < p
                collapsed = np.where(rng.random(shape) < by_seed, of_seed, collapsed)
            level = level + DROP * (p - collapsed)
        test, val = level + arm_sd * (seed + own), level + arm_sd * (seed + again)
        reference = reference_sd * np.sqrt(0.5) * (seed + rng.normal(size=seed.shape))
        if clips:
            test, val, reference = (np.round((0.7 + a) * clips) / clips for a in (test, val, reference))
        if missing:
            lost = self.one_run()
            test, val = np.where(lost, np.nan, test), np.where(lost, np.nan, val)
        return Studies(test=test, val=val, reference=reference, collapsed=collapsed, truth=truth)

    def one_run(self) -> Bools:
        """One run of each study at random, (studies, k, n)."""
        cells = self.k * self.n
        picked = np.arange(cells) == self.rng.integers(0, cells, size=(self.studies, 1))
        return np.asarray(picked.reshape(self.studies, self.k, self.n))

    def row(self, what: str, family: str, old: npt.ArrayLike, new: npt.ArrayLike, **floor: float) -> Row:
        """A figure: the mean of `old` and of `new` over studies."""
        before, now = float(np.asarray(old).mean()), float(np.asarray(new).mean())
        return Row(what=what, family=family, k=self.k, n=self.n, studies=self.studies, old=before, new=now, **floor)

    @property
    def alternating(self) -> list[float]:
        """SDs 1:3 over the arms."""
        return [SD if i % 2 else 3 * SD for i in range(self.k)]


@dataclass(frozen=True, kw_only=True)
class Old:
    """What release 0.1.0 decides, (studies, k), and the arm that it chooses, (studies,)."""

    better: Bools
    equal: Bools
    low: Floats
    high: Floats
    alone: Floats  # half the width of the unadjusted interval
    chosen: npt.NDArray[np.int64]


def decide_old(s: Studies) -> Old:
    """The procedure of 0.1.0 in a few lines."""
    n, mean, sd = moments(s.differences)
    varies = (n >= 2) & (sd > 0)
    df, error = np.maximum(n - 1.0, 1.0), sd / np.sqrt(n)

    def half(level: npt.ArrayLike) -> Floats:
        return np.asarray(np.where(varies, -special.stdtrit(df, level) * error, np.nan))

    half_width, ninety = half(0.025 / (n >= 2).sum(axis=-1, keepdims=True)), half(0.05)
    low, high = mean - half_width, mean + half_width
    equal = (mean - ninety > -MARGIN) & (mean + ninety < MARGIN)
    return Old(better=(low > 0) & ~equal, equal=equal, low=low, high=high, alone=half(0.025),
               chosen=best_complete(s.val))  # fmt: skip


def best_complete(val: Floats) -> npt.NDArray[np.int64]:
    """The old choice: an arm with a missing run cannot be chosen."""
    complete = ~np.isnan(val).any(axis=-1)
    return np.argmax(np.where(complete, np.nan_to_num(val).mean(axis=-1), -np.inf), axis=-1)


def of_chosen(chosen: npt.NDArray[np.int64], flags: Bools) -> Bools:
    """The flag of each study's chosen arm; False where no arm was chosen."""
    return np.take_along_axis(flags, np.maximum(chosen, 0)[:, None], axis=1)[:, 0] & (chosen >= 0)


NULLS: dict[str, Callable[[Design], dict[str, Any]]] = {
    "normal": lambda d: {},
    "std of arms 1:3": lambda d: {"sd": d.alternating},
    "noisy reference 3:1": lambda d: {"reference_sd": 3 * SD},
    "one run missing": lambda d: {"missing": True},
    "ties: 50 test clips": lambda d: {"clips": 50},
    "collapse, p = 3/7": lambda d: {"rates": 3 / 7},
    "collapse, p = 1/10": lambda d: {"rates": 1 / 10},
    "collapse, p = 1/10, half of it by seed": lambda d: {"rates": 1 / 10, "by_seed": 0.5},
    "collapse, p = 1/10, a seed in every arm": lambda d: {"rates": 1 / 10, "by_seed": 1.0},
    "collapse, half the arms 0.3": lambda d: {"rates": [0.3 if i < d.k // 2 else 0.0 for i in range(d.k)]},
    "collapse, one arm 1/10": lambda d: {"rates": [0.1] + [0.0] * (d.k - 1)},
}
# While no run has collapsed, arms are taken as alike, and to collapse by themselves. These do not, and nothing warns of
# it: stated, not held to 5%.
UNLIKE = (
    "collapse, p = 1/10, half of it by seed", "collapse, p = 1/10, a seed in every arm",
    "collapse, half the arms 0.3", "collapse, one arm 1/10",
)  # fmt: skip


def false_better(design: Design) -> Iterator[Row]:
    """Every arm has the reference's mean: any "better" is false."""
    for family, settings in NULLS.items():
        s = design.draw(**settings(design))
        new, old = s.decide().are(Verdict.BETTER), decide_old(s)
        max_ = 1.0 if family in UNLIKE else 0.05
        chosen = of_chosen(best_of(s.val), new)
        yield design.row("false better, any row", family, old.better.any(axis=1), new.any(axis=1), max_=max_)
        yield design.row("false better, chosen arm", family, of_chosen(old.chosen, old.better), chosen, max_=max_)


def false_equal(design: Design) -> Iterator[Row]:
    """Every arm lies at the margin: any "equal" is false. Over several ratios of SD to margin, the worst."""
    sides = MARGIN * np.where(np.arange(design.k) % 2, 1.0, -1.0)
    families: dict[str, dict[str, Any]] = {
        "at the margin": {"mean": MARGIN},
        "at the margin, alternating sides": {"mean": sides},
        "at the margin, std of arms 1:3": {"mean": MARGIN, "sd": np.array(design.alternating) / SD},
        "at the margin, one run missing": {"mean": MARGIN, "missing": True},
        "healthy runs equal, collapse, p = 1/10": {"mean": -0.1 * DROP, "rates": 0.1},
    }
    for family, settings in families.items():
        pairs = []
        for ratio in (0.2, 0.4, 0.7, 1.0):
            unit = ratio * MARGIN
            s = design.draw(**settings | {"sd": settings.get("sd", 1.0) * unit, "reference_sd": unit})
            pairs.append((decide_old(s).equal.any(axis=1), s.decide().are(Verdict.EQUAL).any(axis=1)))
        old, new = (max((pair[i] for pair in pairs), key=np.mean) for i in (0, 1))
        yield design.row("false equal, any row", family, old, new, max_=0.05)
    s = design.draw(mean=MARGIN * np.eye(design.k)[0], sd=MARGIN / 2)
    best = best_of(s.val)[:, None]
    others = np.where((np.arange(design.k) != best)[..., None], s.test, np.nan)
    equal = decide(others - np.take_along_axis(s.test, best[..., None], axis=1), margin=MARGIN).are(Verdict.EQUAL)
    wrong = np.abs(s.truth - np.take_along_axis(s.truth, best, axis=1)) > 0
    family = "to the arm chosen on validation, which may be wrong"
    yield design.row("false equal, any row", family, np.nan, (equal & wrong).any(axis=1), max_=0.05)


def coverage(design: Design) -> Iterator[Row]:
    """All intervals of a family hold their true differences; so does the chosen arm's."""
    families: dict[str, dict[str, Any]] = {
        "normal, equal": {},
        "normal, +1 SD": {"mean": SD},
        "one null, the others +10 SD": {"mean": [0.0] + [10 * SD] * (design.k - 1)},
        "std of arms 1:3": {"sd": design.alternating},
        "noisy reference 3:1": {"reference_sd": 3 * SD},
        "one run missing": {"missing": True},
    }
    for family, settings in families.items():
        s = design.draw(**settings)
        new, old = s.decide(), decide_old(s)
        # An end at 0 is no part of its interval where the direction is established.
        wrong_side = (new.p <= 0.05) & (np.sign(new.mean) != np.sign(s.truth))
        held = ((new.low <= s.truth) & (s.truth <= new.high) & ~wrong_side) | np.isnan(new.low)
        old_held = ((old.low <= s.truth) & (s.truth <= old.high)) | np.isnan(old.low)
        yield design.row("simultaneous coverage", family, old_held.all(axis=1), held.all(axis=1), min_=0.95)
        alone = np.abs(moments(s.differences)[1] - s.truth) <= old.alone
        chosen = best_of(s.val)
        if (chosen >= 0).any():
            new_held = of_chosen(chosen, held)[chosen >= 0]
            yield design.row("coverage, chosen arm", family, of_chosen(old.chosen, alone), new_held, min_=0.93)


def power_of_verdicts(design: Design) -> Iterator[Row]:
    """All arms are better by one SD of the paired difference: is the chosen one shown to be?"""
    for family, rates in {"normal, +1 SD": None, "the same, runs flagged, none collapsed": 0.0}.items():
        s = design.draw(mean=SD, rates=rates)
        old, new = decide_old(s), s.decide().are(Verdict.BETTER)
        min_ = 0.43 if rates is None and (design.k, design.n) == (9, 7) else 0.0
        yield design.row(
            "power, chosen arm", family, of_chosen(old.chosen, old.better), of_chosen(best_of(s.val), new), min_=min_
        )
    # n fresh seeds and one comparison without a choice; exact.
    yield design.row("power, fresh-seed confirmation", "normal, +1 SD", np.nan, power(design.n, 1.0))


def selection(design: Design) -> Iterator[Row]:
    """Is the true best in the set that may hold it? Is a choice with a run missing in the set of the complete study?"""
    families: dict[str, tuple[float, npt.ArrayLike]] = {
        "means N(0, 1 SD)": (SD, SD),
        "means N(0, 1 SD), std of arms 1:3": (SD, design.alternating),
        "means N(0, SD / 20)": (SD / 20, SD),
    }
    for family, (gap, sd) in families.items():
        means = design.rng.normal(size=(design.studies, design.k)) * gap
        s = design.draw(mean=means, sd=sd)
        possible = may_be_best(s.val)
        held = of_chosen(means.argmax(axis=1), possible)
        yield design.row("the set holds the true best", family, np.nan, held, min_=0.95)
        if design.n > 3:  # one of three seeds missing leaves two that are shared, and no choice is made
            val = np.where(design.one_run(), np.nan, s.val)
            old, new = of_chosen(best_complete(val), possible), of_chosen(best_of(val), possible)
            yield design.row("choice with a run missing is in the set", family, old, new, min_=0.95)
    first = np.eye(design.k)[0]
    s = design.draw(mean=first * SD / 2, rates=0.1 * (1 - first))
    by_mean, by_both = may_be_best(s.val)[:, 0], may_be_best(s.val, collapsed=s.collapsed)[:, 0]
    family = "a clean arm among collapsers (mean alone -> and rate)"
    yield design.row("the set holds the true best", family, by_mean, by_both, min_=0.95)


def curse(design: Design) -> Iterator[Row]:
    """By how much the chosen arm's difference flatters it, in SDs: the truth and the mean estimate."""
    few = Design(rng=design.rng, studies=min(design.studies, 400), k=design.k, n=design.n)  # one study at a time
    for family, gap in {"equal arms": 0.0, "means N(0, 1 SD)": SD}.items():
        s = few.draw(mean=few.rng.normal(size=(few.studies, few.k)) * gap)
        excess = s.differences.mean(axis=-1) - s.truth
        truth = np.take_along_axis(excess, best_of(s.val)[:, None], axis=1)
        estimates = [winners_curse(s.val[i], s.differences[i], few.rng, 300) for i in range(few.studies)]
        yield few.row("winner's curse in SDs: true -> estimated", family, truth / SD, np.array(estimates) / SD)


SETTINGS = 4  # of the other factors, over which an effect is averaged


def guarded_effects(design: Design) -> Iterator[Row]:
    """Effects over four settings whose subject collapses at times; old: each run counts as a seed of its own."""
    rng, shape = design.rng, (design.studies, design.k, design.n, SETTINGS)
    noise = SD * (rng.normal(size=shape) + rng.normal(size=(*shape[:3], 1)))
    whole = rng.random(size=(design.studies, 1, design.n, 1))  # a seed collapses in all settings of all factors alike
    draws = {"each run by itself": rng.random(size=shape), "a seed in all its settings": np.broadcast_to(whole, shape)}
    for rate_ in (0.1, 0.2):
        for family, uniform in draws.items():
            collapsed = (uniform < rate_).astype(np.float64)
            by_seed, singly = _of_effects(noise + DROP * (rate_ - collapsed), collapsed)
            what = "false better, effect over settings"
            yield design.row(what, f"{family}, p = {rate_}", singly, by_seed, max_=0.05)
    by_seed, singly = _of_effects(noise + 0.08, np.zeros(shape))
    yield design.row("power, effect over settings", "+8 points, none collapsed", singly, by_seed)


def shared_runs(design: Design) -> Iterator[Row]:
    """k comparisons about the same runs, which collapse: as many arms against one reference, one arm on k strata.

    Arms and reference have one mean. The old column takes each comparison for runs of its own.
    """
    rng, shape = design.rng, (design.studies, design.k, design.n)
    of_seed, alone = rng.normal(size=(design.studies, 1, design.n)), rng.normal(size=(design.studies, 1, design.n))
    noise = SD * np.sqrt(0.5)
    for rate_ in (0.1, 0.3):
        hit = np.broadcast_to(rng.random((design.studies, 1, design.n)) < rate_, shape)
        level = DROP * (rate_ - hit)
        arms, reference = noise * (of_seed + rng.normal(size=shape)), noise * (of_seed + alone) + level
        yield _shared_row(
            design, "false worse than a reference", f"that collapses at {rate_}", arms - reference, hit, -1
        )
        strata = noise * (of_seed + rng.normal(size=shape)) + level - noise * (of_seed + rng.normal(size=shape))
        yield _shared_row(design, "false better, one arm on k strata", f"that collapses at {rate_}", strata, hit, 1)
    healthy = noise * (rng.normal(size=shape) - rng.normal(size=shape))
    for gain in (5, 8):
        what, family = "power, one arm on k strata", f"+{gain} points, none collapsed"
        yield _shared_row(design, what, family, healthy + gain / 100, np.zeros(shape, dtype=bool), 1)


def _shared_row(design: Design, what: str, family: str, differences: Floats, hit: Bools, sign: int) -> Row:
    """Whether any comparison is called better (`sign` 1), or worse: runs as they are, and as if each had its own."""
    shown = []
    for same in (None, (0,) * design.k):
        runs = Runs(differences=differences[..., None], collapsed=hit.astype(np.float64)[..., None], same=same)
        flags = {"collapsed" if sign > 0 else "reference_collapsed": runs}
        made = decide(differences, margin=MARGIN, **flags)
        shown.append(made.are(Verdict.BETTER if sign > 0 else Verdict.WORSE).any(axis=1))
    return design.row(what, family, shown[0], shown[1], max_=1.0 if what.startswith("power") else 0.05)


def _of_effects(differences: Floats, collapsed: Floats) -> tuple[Bools, Bools]:
    """Whether any effect is called better: seeds counted once, and each run by itself."""
    flat = (*differences.shape[:2], -1, 1)
    each = Runs(differences=differences.reshape(flat), collapsed=collapsed.reshape(flat))
    shown = (
        decide(differences.mean(axis=-1), margin=MARGIN, collapsed=runs).are(Verdict.BETTER).any(axis=1)
        for runs in (Runs(differences=differences, collapsed=collapsed), each)
    )
    by_seed, singly = shown
    return by_seed, singly


def factors(design: Design) -> Iterator[Row]:
    """k two-level factors over four settings each, without any effect on accuracy."""
    rng, n = design.rng, design.n
    seed = rng.normal(size=(design.studies, design.k, 1, 1, n))
    slope = rng.normal(size=(design.studies, design.k, 2, 1, n))  # a seed may favour one side in all settings alike
    own = rng.normal(size=(design.studies, design.k, 2, SETTINGS, n))
    for family, of_side in {"normal": 0.0, "a seed favours one side": 1.0}.items():
        values = SD * (seed + of_side * slope + own)
        made = decide(values[:, :, 1].mean(axis=2) - values[:, :, 0].mean(axis=2), margin=1e-9)
        shown = made.are(Verdict.BETTER, Verdict.WORSE).any(axis=1)
        yield design.row("false effect on accuracy", family, np.nan, shown, max_=0.05)


def interactions(design: Design) -> Iterator[Row]:
    """A 2 x 2 with an interaction of 5 points and an SD over seeds of 2, alone (the row of 4) or as one of 9."""
    family = 1 if design.k == min(ARMS) else design.k
    runs = 0.02 * np.sqrt(0.5) * design.rng.normal(size=(design.studies, family, 4, design.n))
    d = 2 * (runs[:, :, 0] + runs[:, :, 1] - runs[:, :, 2] - runs[:, :, 3]) / 2
    for name, size in {"none": 0.0, "5 points": 0.05}.items():
        made = decide(d + size * (np.arange(family) == 0)[:, None], margin=1e-9, limit=2.0)
        shown = made.are(Verdict.BETTER, Verdict.WORSE)
        what = "false interaction" if not size else "power, planted interaction"
        found = shown.any(axis=1) if not size else shown[:, 0]
        min_ = 0.8 if size and family == 1 and design.n == 7 else 0.0
        yield design.row(
            what, f"{name}, beside {family - 1} others", np.nan, found, max_=1.0 if size else 0.05, min_=min_
        )


PARTS = (
    false_better, false_equal, coverage, power_of_verdicts, selection, curse, factors, interactions, guarded_effects,
    shared_runs,
)  # fmt: skip


def rows(studies: int, seeds: Sequence[int] = SEEDS, arms: Sequence[int] = ARMS) -> list[Row]:
    """The whole table. Each part has its own generator, so that none depends on what another drew."""
    table: list[Row] = []
    for index, part in enumerate(PARTS):
        rng = np.random.default_rng([20261125, index])
        for k in arms:
            for n in seeds:
                table += part(Design(rng=rng, studies=studies, k=k, n=n))
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what is old, new and required for each family, a column for each number of seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=20_000, help="simulated studies for each figure")
    parser.add_argument("--quick", action="store_true", help="400 studies, 3 and 7 seeds")
    options = parser.parse_args(arguments)
    seeds, studies = ((3, 7), 400) if options.quick else (SEEDS, options.studies)
    start = time.perf_counter()
    table = rows(studies, seeds)
    print(f"{studies} studies for each figure; percent unless said; old -> new; ! where a floor is missed")
    for what in dict.fromkeys(row.what for row in table):
        print(f"\n{what:<58} k" + "".join(f"{f'n = {n}':>17}" for n in seeds))
        for family, k in dict.fromkeys((row.family, row.k) for row in table if row.what == what):
            cells = {row.n: row for row in table if (row.what, row.family, row.k) == (what, family, k)}
            print(f"  {family:<54}{k:>4}" + "".join(f"{_cell(cells.get(n)):>17}" for n in seeds))
    missed = sum(not row.holds for row in table)
    print(f"\n{len(table)} figures, {missed} beyond their floor; {time.perf_counter() - start:.0f} s")


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    old, new = (f"{a:.2f}" if "SDs" in row.what else f"{100 * a:.1f}" for a in (row.old, row.new))
    return ("" if np.isnan(row.old) else f"{old} -> ") + new + ("" if row.holds else " !")


if __name__ == "__main__":
    main()
