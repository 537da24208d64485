"""How busy a search keeps its workers, and what proposing an arm costs as the search grows.

Simulated on the proposer that a sweep uses, with cells of random length and no training, so that the figures are of the
scheduling alone. ``python benchmarks/search.py [--arms 2000] [--workers 6] [--seeds 2]``
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import time
from collections.abc import Callable
from statistics import median

import optuna

from sweeps.propose.arm_search import ArmSearch, CellResult, Step
from sweeps.propose.settings import SearchSettings

SPACE = {
    "lambda": optuna.distributions.FloatDistribution(0.001, 100, log=True),
    "m": optuna.distributions.FloatDistribution(0, 2),
    "sampling": optuna.distributions.CategoricalDistribution(["uniform", "dense", "segment"]),
}


def score(step: Step, seed: int) -> float:
    """A known best at lambda 1, with noise that the arm and the seed decide."""
    noise = random.Random(f"{step.arm}/{seed}").gauss(0, 0.02)
    return 0.8 - 0.1 * abs(math.log10(step.params["lambda"])) - 0.05 * abs(step.params["m"] - 1) + noise


def busy_share(settings: SearchSettings, seeds: int, workers: int, seconds: Callable[[], float]) -> tuple[float, float]:
    """Share of the workers' time that is work, and the best arm's mean; steps and results in the order of a sweep."""
    search = ArmSearch(settings, SPACE, seeds)
    rounds: list[tuple[Step | None, set[int]]] = []
    waiting: list[tuple[int, int]] = []  # round, seed
    running: list[tuple[float, int, int]] = []  # end, round, seed
    now = work = 0.0
    oldest = 0
    while True:
        while True:  # results of one step, then the next step
            if len(rounds) - oldest == settings.in_flight:
                step, pending = rounds[oldest]
                if pending:
                    break
                if step is not None:
                    search.tell(step, [CellResult("complete", score(step, s)) for s in range(step.first, step.last)])
                oldest += 1
            step = search.ask()
            places = set(range(step.first, step.last)) if step else set()
            rounds.append((step, places))
            waiting += [(len(rounds) - 1, place) for place in sorted(places)]
            if len(rounds) - oldest == settings.in_flight and not any(step for step, _ in rounds[oldest:]):
                values = search.values
                return work / (now * workers), max(values.values())
        while waiting and len(running) < workers:
            length = seconds()
            work += length
            heapq.heappush(running, (now + length, *waiting.pop(0)))
        now, number, place = heapq.heappop(running)
        rounds[number][1].discard(place)


def busy_share_in_rounds(arms: int, size: int, seeds: int, workers: int, seconds: Callable[[], float]) -> float:
    """The same for rounds of `size` arms that end together, as searches were run before: the baseline."""
    now = work = 0.0
    while arms > 0:
        ends = [0.0] * workers
        for _ in range(min(size, arms) * seeds):
            length = seconds()
            work += length
            heapq.heapreplace(ends, ends[0] + length)
        now, arms = now + max(ends), arms - size
    return work / (now * workers)


def seconds_of_proposals(method: str, arms: int) -> list[float]:
    """Seconds to propose each arm, all results before it known."""
    search = ArmSearch(SearchSettings(method=method, arms=arms, in_flight=1), SPACE, 2)
    seconds = []
    while True:
        started = time.perf_counter()
        step = search.ask()
        seconds.append(time.perf_counter() - started)
        if step is None:
            return seconds[:-1]
        search.tell(step, [CellResult("complete", score(step, seed)) for seed in range(2)])


def main() -> None:
    """Print how busy workers are, and what a proposal costs as a search grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arms", type=int, default=2000, help="arms of the longest search")
    parser.add_argument("--workers", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    workers, seeds = arguments.workers, arguments.seeds

    print(f"busy share of {workers} workers, {seeds} seeds, 48 arms (TPE), cells of 1 s and of 0.5 to 2 s:")
    for name, draw in (("equal", lambda rng: 1.0), ("unequal", lambda rng: rng.uniform(0.5, 2.0))):
        for label, planned in (("rounds of one arm", 1), ("rounds for these workers", workers)):
            rng = random.Random(0)
            size = math.ceil(planned / seeds)
            share = busy_share_in_rounds(48, size, seeds, workers, lambda rng=rng, draw=draw: draw(rng))
            print(f"  {name:<8} {label:<28} {share:6.1%}")
        for in_flight in (4, 8):
            rng = random.Random(0)
            settings = SearchSettings(arms=48, in_flight=in_flight)
            share, best = busy_share(settings, seeds, workers, lambda rng=rng, draw=draw: draw(rng))
            print(f"  {name:<8} {f'in order, in_flight {in_flight}':<28} {share:6.1%}   best arm {best:.3f}")

    print("milliseconds to propose an arm (median of 10), over the number of arms before it:")
    for method in ("random", "tpe"):
        seconds = seconds_of_proposals(method, arguments.arms)
        shown = [n for n in (100, 500, 1000, 2000) if n <= arguments.arms]
        at = {n: 1000 * median(seconds[n - 10 : n]) for n in shown}
        print(f"  {method:<8} " + "  ".join(f"{n}: {value:.1f}" for n, value in at.items()), end="")
        last = shown[-1]
        print(f"   {last} over {shown[0]}: {at[last] / at[shown[0]]:.1f}x, linear is {last / shown[0]:.0f}x")


if __name__ == "__main__":
    main()
