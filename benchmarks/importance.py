"""How often a factor without effect is above its noise floor, how often a real one is, and what importances cost.

    python benchmarks/importance.py [--studies 1000] [--quick] [--times]

Seeded simulation of factorials (3 x 2 x 4 arms over n seeds) and of searches (60 arms over n seeds, six factors). The
last factor never has an effect; the others do, and in each family something hurts. A floor is at 5%, so 5% is what is
promised. Times: 1,000 cells of 8 factors with 200 resamplings, beside Optuna's fANOVA on the same numbers, once.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sweeps.stats.importance import importance
from sweeps.stats.importance_base import Importance

Draw = Callable[[npt.NDArray[np.int64], int, np.random.Generator], npt.NDArray[np.float64]]
FACTORIAL = np.array(list(itertools.product(range(3), range(2), range(4), range(3))))
SD, DROP, TINY = 0.014, 0.15, 1e-9
DESIGNS = {"factorial": (3, 5, 7), "search": (1, 5), "closing in": (5,)}  # design -> numbers of seeds


def noise(codes: npt.NDArray[np.int64], n: int, rng: np.random.Generator, sd: float = SD) -> npt.NDArray[np.float64]:
    """Outcomes that share half of their variance within a seed."""
    return sd * (rng.normal(size=(len(codes), n)) + rng.normal(size=n)) / 2**0.5


def no_effect(codes: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Noise alone."""
    return noise(codes, n, rng)


def effects(codes: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The first two factors add up to five SD, and interact."""
    a, b = (codes[:, i] / max(1, codes[:, i].max()) for i in (0, 1))
    return (3 * SD * a + 2 * SD * a * b)[:, None] + noise(codes, n, rng)


def collapse(codes: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Runs collapse in 40% at the lower half of the first factor."""
    low = codes[:, 0] <= codes[:, 0].max() / 2
    return noise(codes, n, rng) - DROP * (rng.random((len(codes), n)) < 0.4 * low[:, None])


def rare_collapse(codes: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Any run collapses in 10%."""
    return noise(codes, n, rng) - DROP * (rng.random((len(codes), n)) < 0.1)


def unequal(codes: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """SDs of 1:3, by the first factor."""
    return noise(codes, n, rng) * np.where(codes[:, :1] > codes[:, 0].max() / 2, 3, 1)


def unequal_in_itself(codes: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """SDs of 1:3, by the factor that has no effect on the mean."""
    return noise(codes, n, rng) * np.where(codes[:, -1:] > codes[:, -1].max() / 2, 3, 1)


def missing(codes: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A tenth of the runs is missing, and one arm."""
    values = np.where(rng.random((len(codes), n)) < 0.1, np.nan, effects(codes, n, rng))
    values[rng.integers(len(codes))] = np.nan
    return values


def ties(codes: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Accuracies on 50 test clips."""
    return np.round((0.7 + effects(codes, n, rng)) * 50) / 50


FAMILIES: dict[str, Draw] = {
    "no effect at all": no_effect,
    "effects, interaction": effects,
    "collapse 40% in a part": collapse,
    "collapse 10% anywhere": rare_collapse,
    "SD 1:3 by another": unequal,
    "SD 1:3 by itself": unequal_in_itself,
    "missing runs, an arm": missing,
    "ties": ties,
}


# The families in which the noiseless means differ.
COVERED = ("effects, interaction", "collapse 40% in a part", "missing runs, an arm", "ties")
COVERED_SEEDS = (3, 5, 7, 15)


def search(rng: np.random.Generator, k: int = 60, *, closes_in: bool = False) -> npt.NDArray[np.int64]:
    """Arms of six factors, five of numbers and one of three names; a search that closes in narrows all of them."""
    x, names = rng.random((k, 5)), rng.integers(0, 3, size=k)
    if closes_in:
        width = np.linspace(1, 0.15, k)[:, None]
        x = (1 - width) * np.append(0.8, rng.random(4)) + width * x
        names = np.where(rng.random(k) < width[:, 0], names, rng.integers(3))
    ranks = np.argsort(np.argsort(x, axis=0), axis=0)
    return np.column_stack([ranks[:, :4], names, ranks[:, 4]])


ORDERED = [True, True, True, True, False, True]


def analyze(codes: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> Importance:
    """The importances of a factorial, or of a search with its `ORDERED` factors; intervals are not looked at."""
    is_ordered = ORDERED if codes.shape[1] == len(ORDERED) else [True] * codes.shape[1]
    return importance(codes, values, is_ordered, resamplings=2)


def shares_above(draw: Draw, design: str, n: int, studies: int, seed: int = 0) -> tuple[float, float]:
    """How often the first factor, and the last one, are above their floor."""
    rng, above = np.random.default_rng(seed), []
    for _ in range(studies):
        codes = FACTORIAL if design == "factorial" else search(rng, closes_in=design == "closing in")
        is_above = analyze(codes, draw(codes, n, rng)).is_above
        above.append((is_above[0], is_above[-1]))
    first, last = np.mean(above, axis=0)
    return float(first), float(last)


def coverage(draw: Draw, n: int, studies: int) -> tuple[float, float]:
    """How often the intervals hold the shares of the noiseless means, the worst factor; the first one's mean width."""
    rng, hits, widths = np.random.default_rng(1), [], []
    truth = draw(FACTORIAL, 400_000 // len(FACTORIAL), np.random.default_rng(2))
    share = importance(FACTORIAL, truth, [True] * 4, resamplings=2).share
    for _ in range(studies):
        made = importance(FACTORIAL, draw(FACTORIAL, n, rng), [True] * 4)
        hits.append((made.low <= share + TINY) & (share - TINY <= made.high))
        widths.append(made.high[0] - made.low[0])
    return float(np.mean(hits, axis=0).min()), float(np.mean(widths))


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of `work`."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def optuna_fanova(codes: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> Callable[[], object]:
    """Optuna's fANOVA of the arms' means, ready to be run."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    names = [f"f{i}" for i in range(codes.shape[1])]
    ranges = {
        name: optuna.distributions.FloatDistribution(0, float(column.max()))
        for name, column in zip(names, codes.T, strict=True)
    }
    for row, value in zip(codes, values.mean(axis=1), strict=True):
        params = dict(zip(names, map(float, row), strict=True))
        study.add_trial(optuna.create_trial(params=params, distributions=ranges, value=float(value)))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return lambda: optuna.importance.get_param_importances(study, evaluator=evaluator)


def print_rates(studies: int) -> None:
    """Print how often factors are above their noise floor."""
    print(f"above the noise floor, of {studies} studies: the factor without effect (the first factor)")
    print(f"{'family':<26}" + "".join(f"{f'{design}, n = {n}':>24}" for design in DESIGNS for n in DESIGNS[design]))
    for name, draw in FAMILIES.items():
        cells = [shares_above(draw, design, n, studies) for design in DESIGNS for n in DESIGNS[design]]
        print(f"{name:<26}" + "".join(f"{f'{last:.1%} ({first:.0%})':>24}" for first, last in cells), flush=True)


def print_coverage(studies: int) -> None:
    """Print how often intervals hold the shares of the noiseless means."""
    print(
        f"share of {studies} studies in which the interval holds the share, the worst factor (mean width of the first)"
    )
    print(f"{'family':<26}" + "".join(f"{f'n = {n}':>18}" for n in COVERED_SEEDS))
    for name in COVERED:
        made = [coverage(FAMILIES[name], n, studies) for n in COVERED_SEEDS]
        print(f"{name:<26}" + "".join(f"{f'{hit:.1%} ({width:.2f})':>18}" for hit, width in made), flush=True)


def print_times() -> None:
    """Print what importances of 1,000 cells cost, beside Optuna's fANOVA."""
    rng = np.random.default_rng(0)
    designs = (
        ("search, 200 arms x 5 seeds", np.argsort(rng.random((200, 8)), axis=0), 5),
        ("search, 1,000 arms x 1 seed", np.argsort(rng.random((1000, 8)), axis=0), 1),
        ("factorial, 256 arms x 4 seeds", np.array(list(itertools.product(*[range(2)] * 8))), 4),
    )
    print(f"{'1,000 cells x 8 factors':<36}{'here, 200 resamplings':>24}{'Optuna fANOVA, once':>24}")
    for title, codes, n in designs:
        values = effects(codes, n, rng)
        own = min(seconds(lambda c=codes, v=values: importance(c, v, [True] * 8)) for _ in range(3))
        try:
            theirs = f"{seconds(optuna_fanova(codes, values)):.2f} s"
        except ImportError:
            theirs = "needs scikit-learn"  # which nothing else here does
        print(f"{title:<36}{own:>22.2f} s{theirs:>24}", flush=True)


def main() -> None:
    """Print the times, and unless they are asked for alone the tables of coverage and of rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="a tenth of the studies")
    parser.add_argument("--times", action="store_true", help="the times alone")
    options = parser.parse_args()
    studies = options.studies // (10 if options.quick else 1)
    print_times()
    if not options.times:
        print_coverage(studies)
        print_rates(studies)


if __name__ == "__main__":
    main()
