"""How often a verdict over divisions of one data set is false, with training sets that really overlap.

    python benchmarks/divisions.py [--studies 2000]

Each study draws a finite sample of two classes from a population, divides it (folds, or repeated random divisions) and
trains classifiers (nearest class mean) on every division: four arms and a reference, each on features of its own that
are equally good in the population, so every claim that one is better or worse is false. Seeds draw half of an arm's
features. Three procedures decide the same numbers: ours (`sweeps.stats.divisions`), the same without the correction,
and over seeds with the divisions averaged, as if these were the only ones. Seeds matter little here: what a seed does
alike in every division is not among the families, and none of the three sees it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sweeps.stats.decisions import Verdict, decide
from sweeps.stats.divisions import over_seeds, overlap_of
from sweeps.stats.stepdown import Floats
from vmp.core.seeding import generator

ARMS, SEEDS, FEATURES = 4, 5, 8
MARGIN = 0.02


@dataclass(frozen=True)
class Family:
    """How a study divides its sample, and what happens to its cells.

    Attributes:
        name: In words.
        sample: Videos. divisions: J. test: Share of test videos; None for folds.
        spoil: What is done to the accuracies (arms, J, seeds); None for nothing.
    """

    name: str
    sample: int
    divisions: int
    test: float | None
    spoil: Callable[[Floats, np.random.Generator], Floats] | None = None


def collapse(accuracies: Floats, rng: np.random.Generator) -> Floats:
    """One run in five ends at chance, in every arm alike."""
    return np.where(rng.random(accuracies.shape) < 0.2, 0.5, accuracies)


def unequal(accuracies: Floats, rng: np.random.Generator) -> Floats:
    """Runs of the first two arms vary by six points more."""
    noise = 0.06 * rng.standard_normal(accuracies.shape)
    noise[2:] = 0.0
    return accuracies + noise


def missing(accuracies: Floats, rng: np.random.Generator) -> Floats:
    """One run in five is missing."""
    return np.where(rng.random(accuracies.shape) < 0.2, np.nan, accuracies)


FAMILIES = (
    Family("3 official splits, 70/30", 200, 3, 0.3),
    Family("5 folds", 200, 5, None),
    Family("10 folds", 200, 10, None),
    Family("10 random divisions, 80/20", 200, 10, 0.2),
    Family("30 random divisions, 70/30", 200, 30, 0.3),
    Family("5 folds, tests of 8 (ties)", 40, 5, None),
    Family("5 folds, unequal spread", 200, 5, None, unequal),
    Family("5 folds, collapse", 200, 5, None, collapse),
    Family("10 folds, missing cells", 200, 10, None, missing),
)


def test_sets(family: Family, rng: np.random.Generator) -> np.ndarray:
    """Whether each video is tested, (J, sample)."""
    masks = np.zeros((family.divisions, family.sample), dtype=bool)
    order = rng.permutation(family.sample)
    for j in range(family.divisions):
        if family.test is None:
            masks[j, order[j :: family.divisions]] = True
        else:
            masks[j, rng.permutation(family.sample)[: round(family.test * family.sample)]] = True
    return masks


def accuracies_of(family: Family, rng: np.random.Generator, gain: float = 0.0) -> tuple[Floats, float]:
    """Accuracies (1 + ARMS, J, seeds) of one study, the reference first, and its n2 / n1.

    Args:
        family: The family.
        rng: Everything is drawn from it.
        gain: Makes the features of the last arm better by so much; 0 where all arms are equal.
    """
    labels = np.arange(family.sample) % 2
    arms = ARMS + 1
    x = rng.standard_normal((family.sample, arms, FEATURES)) + 0.35 * (2 * labels - 1)[:, None, None]
    x[:, -1] += gain * (2 * labels - 1)[:, None]
    tested = test_sets(family, rng)
    used = np.argsort(rng.random((arms, SEEDS, FEATURES)), axis=-1) < FEATURES // 2
    made = np.empty((arms, family.divisions, SEEDS))
    for j, test in enumerate(tested):
        means = np.stack([x[~test & (labels == c)].mean(0) for c in (0, 1)])  # (2, arms, features)
        direction = means[1] - means[0]
        scores = (x[test] - means.mean(0)) * direction  # (tested, arms, features)
        says = np.einsum("naf,asf->asn", scores, used) > 0
        made[:, j] = (says == (labels[test] == 1)).mean(-1)
    if family.spoil is not None:
        made = family.spoil(made, rng)
    return made, overlap_of((~tested).sum(1), tested.sum(1))


def claims_of(family: Family, studies: int, gain: float = 0.0, seed: int = 0) -> dict[str, tuple[float, float]]:
    """By procedure: the share of studies with a claim on arms that are equal, and with "better" for the last one."""
    rng = generator(seed, "divisions", family.name)
    counts: dict[str, np.ndarray] = {"corrected": np.zeros(2), "uncorrected": np.zeros(2), "over seeds": np.zeros(2)}
    for _ in range(studies):
        made, overlap = accuracies_of(family, rng, gain)
        differences = made[1:] - made[:1]
        by_seed = np.moveaxis(differences, -1, 1)
        tried = {
            "corrected": (over_seeds(differences), overlap),
            "uncorrected": (over_seeds(differences), 0.0),
            "over seeds": (over_seeds(by_seed), 0.0),
        }
        for name, (rows, of_error) in tried.items():
            decided = decide(rows, margin=MARGIN, overlap=of_error)
            shown = decided.are(Verdict.BETTER, Verdict.WORSE)
            equal = shown[:-1] if gain else shown
            counts[name] += [equal.any(), decided.are(Verdict.BETTER)[-1]]
    return {name: (count[0] / studies, count[1] / studies) for name, count in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies of each family")
    studies = parser.parse_args().studies
    print(f"{studies} studies each, {ARMS} arms against a reference, {SEEDS} seeds in each division")
    print(f"{'':<30} {'false claims: corrected':>24} {'uncorrected':>12} {'over seeds':>11}   power: corrected")
    for family in FAMILIES:
        null, power = claims_of(family, studies), claims_of(family, max(studies // 4, 1), gain=0.35)
        shares = [null[name][0] for name in ("corrected", "uncorrected", "over seeds")]
        print(
            f"{family.name:<30} {shares[0]:>24.1%} {shares[1]:>12.1%} {shares[2]:>11.1%}   {power['corrected'][1]:.0%}"
        )


if __name__ == "__main__":
    main()
