"""How often a verdict over divisions of one data set is false, with training sets that really overlap.

    python benchmarks/divisions.py [--studies 2000]

A study draws clips from a population, divides them (folds, repeated splits, groups left out) and trains arms and their
reference on every division with every seed. An arm is a nearest-mean classifier on features of its own, seen through a
random projection that its seed draws, the same one in every division; all features are alike, so that all arms are
equally good and every claim of better or worse is false. Where a family makes arms unlike (spread, collapse),
differences are centred on their mean over all studies. Four procedures decide the same numbers, all with the same
step-down: ours (`sweeps.stats.divisions`), the same with every collapsed run counted for itself (where runs collapse),
the same without the seeds' part of the error and without any guard against collapse (Nadeau and Bengio's alone),
Student's t over divisions, and Student's t over seeds, which is about these divisions alone.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import numpy as np

from sweeps.stats.collapse import UNSEEN_DROP, Runs
from sweeps.stats.decisions import Decisions, Verdict, decide
from sweeps.stats.divisions import Divided
from sweeps.stats.means import moments
from sweeps.stats.stepdown import Bools, Floats
from vmp.core.seeding import generator

MARGIN = 1e-9  # nothing is equal within it


@dataclass(frozen=True, kw_only=True)
class Design:
    """One family of studies.

    Attributes:
        name: In words.
        clips: Drawn from the population.
        divide: "folds", "splits" (30% tested) or "groups" (one of J is left out; groups have levels of their own).
        divisions, seeds, arms: J, R and k.
        settings: Of other factors, over which each difference is averaged: arms are then levels of a factor.
        features: Of the reference and of each arm; more of them are weaker each.
        projected: Dimensions that a seed's projection keeps; few make seeds differ.
        collapse: Rate at which a run of an arm collapses. by_seed: In all divisions at once.
        loss: Of a collapsed run; None for a fall to chance.
        unequal: Whether the first group has half of the clips, and the others the rest.
        missing: Cells without a run, of each study.
        gain: Added to every arm.
    """

    name: str
    clips: int = 120
    divide: str = "folds"
    divisions: int = 5
    seeds: int = 3
    arms: int = 1
    settings: int = 1
    features: tuple[int, ...] = ()
    projected: int = 4
    collapse: float = 0.0
    by_seed: bool = False
    loss: float | None = None
    unequal: bool = False
    missing: int = 0
    gain: float = 0.0

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.features or (10,) * (self.arms + 1)) * self.settings


def tested(design: Design, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which clips each division tests, (J, clips)."""
    n, j = design.clips, design.divisions
    if design.divide == "groups":
        return np.asarray(groups[None] == np.arange(j)[:, None])
    if design.divide == "folds":
        return np.asarray((rng.permutation(n) % j)[None] == np.arange(j)[:, None])
    return np.stack([rng.permutation(n) < round(0.3 * n) for _ in range(j)])


def accuracies(design: Design, rng: np.random.Generator) -> Floats:
    """One study's accuracies, (settings, 1 + k, J, R), the reference first."""
    n = design.clips
    labels = np.arange(n) % 2
    groups = np.arange(n) // 2 % design.divisions
    if design.unequal:  # pairs of both classes, so that every division trains on both
        groups = np.where(np.arange(n) // 2 % 2, 0, 1 + np.arange(n) // 4 % (design.divisions - 1))
    test = tested(design, groups, rng)
    train = ~test
    sides = np.stack([labels == 0, labels == 1])
    weights = (sides[:, None] & train[None]).astype(float)
    weights /= weights.sum(axis=-1, keepdims=True)
    made = np.empty((len(design.widths), design.divisions, design.seeds))
    for a, width in enumerate(design.widths):
        x = rng.normal(size=(n, width)) + np.where(labels, 0.5, -0.5)[:, None] * np.sqrt(6 / width) * 0.8
        if design.divide == "groups":
            x += 0.4 * rng.normal(size=(design.divisions, width))[groups]
        zero, one = weights @ x  # the classes' means of each division, (J, width)
        seen = rng.normal(size=(design.seeds, width, design.projected))
        normal = np.einsum("rwp,rvp,jv->jrw", seen, seen, one - zero)
        side = np.einsum("nw,jrw->jrn", x, normal) > np.einsum("jw,jrw->jr", (one + zero) / 2, normal)[..., None]
        hits = (side == labels.astype(bool)) & test[:, None]
        made[a] = hits.sum(axis=-1) / test.sum(axis=-1)[:, None]
    return made.reshape(design.settings, -1, design.divisions, design.seeds)


@dataclass(frozen=True, kw_only=True)
class Studies:
    """Differences to the reference, (studies, k, J, R), NaN for a missing cell; which runs collapsed; n2 / n1."""

    differences: Floats
    collapsed: Bools | None
    overlap: float


def draw(design: Design, studies: int, seed: int = 0) -> Studies:
    """Draw the studies of a design; the same seed draws the same ones."""
    rng = generator(seed, "divisions", design.name, design.arms)
    values = np.stack([accuracies(design, rng) for _ in range(studies)])
    arms, collapsed = values[:, :, 1:], None
    if design.collapse:
        shape = arms.shape if not design.by_seed else (len(arms), 1, design.arms, 1, design.seeds)
        hit = np.broadcast_to(rng.random(shape) < design.collapse, arms.shape)
        arms = np.where(hit, 0.5 if design.loss is None else arms - design.loss, arms)
        collapsed = hit.any(axis=1)  # several runs of a seed in one division count once
    d = (arms - values[:, :, :1]).mean(axis=1)
    if design.features or design.collapse:
        d = d - d.mean(axis=(0, 2, 3), keepdims=True)
    d = d + design.gain
    for _ in range(design.missing):
        for one in d:
            one[rng.integers(d.shape[1]), rng.integers(d.shape[2]), rng.integers(d.shape[3])] = np.nan
    share = 0.3 if design.divide == "splits" else 1 / design.divisions
    return Studies(differences=d, collapsed=collapsed, overlap=share / (1 - share))


def singly(runs: Runs) -> Runs:
    """The same runs, each counted as a seed of its own."""
    shape = (*runs.differences.shape[:-2], -1, 1)
    return Runs(differences=runs.differences.reshape(shape), collapsed=runs.collapsed.reshape(shape))


def procedures(studies: Studies) -> dict[str, Decisions]:
    """What each procedure decides."""
    d = studies.differences
    of_seed, of_division = moments(d.swapaxes(2, 3))[1], moments(d)[1]
    averaged = np.repeat(of_division[..., None], d.shape[3], axis=3)
    runs = None
    if studies.collapsed is not None:
        runs = Runs(differences=d, collapsed=studies.collapsed.astype(float), seeds_last=True)
    ours = Divided(differences=d, overlap=studies.overlap)
    return {
        "ours": decide(ours, margin=MARGIN, collapsed=runs),
        "runs": decide(ours, margin=MARGIN, collapsed=runs and singly(runs)),
        "videos": decide(Divided(differences=averaged, overlap=studies.overlap), margin=MARGIN),
        "divisions": decide(of_division, margin=MARGIN),
        "seeds": decide(of_seed, margin=MARGIN),
    }


def designs() -> list[Design]:
    """The families: those that are well-behaved, those that hurt, and what a true gain of 10 points gives."""
    plain = [
        Design(name="5 folds", divisions=5),
        Design(name="5 folds", divisions=5, arms=4),
        Design(name="10 folds", divisions=10, arms=4),
        Design(name="3 splits, as official ones", divide="splits", divisions=3),
        Design(name="3 splits, as official ones", divide="splits", divisions=3, arms=4),
        Design(name="10 repeated splits", divide="splits", divisions=10, arms=4),
        Design(name="30 repeated splits", divide="splits", divisions=30, arms=4),
        Design(name="8 groups, one left out each", divide="groups", divisions=8, arms=4),
        Design(name="8 groups of unequal size", divide="groups", divisions=8, arms=4, unequal=True),
    ]
    hard = []
    for divide, divisions in (("splits", 3), ("folds", 5), ("splits", 10)):
        at = Design(name="", divide=divide, divisions=divisions, arms=4)
        name = f"{divisions} {divide}"
        hard += [
            replace(at, name=f"{name}, seeds alike in effect", projected=200),
            replace(at, name=f"{name}, seeds that decide", projected=1),
            replace(at, name=f"{name}, 10 seeds", seeds=10),
            replace(at, name=f"{name}, unequal spread", features=(10, 2, 4, 20, 60)),
            replace(at, name=f"{name}, ties: 40 clips", clips=40),
            replace(at, name=f"{name}, a cell missing", missing=1),
            replace(at, name=f"{name}, 3 cells missing", missing=3),
            replace(at, name=f"{name}, collapse of 20% of cells", collapse=0.2),
            replace(at, name=f"{name}, collapse of 20% of seeds", collapse=0.2, by_seed=True),
            replace(at, name=f"{name}, effects over 2 settings", settings=2),
            replace(at, name=f"{name}, the same, unequal spread", settings=2, features=(10, 2, 4, 20, 60)),
            replace(at, name=f"{name}, the same, collapse of 20% of cells", settings=2, collapse=0.2),
            replace(at, name=f"{name}, the same, collapse of 20% of seeds", settings=2, collapse=0.2, by_seed=True),
            replace(at, name=f"{name}, 10 points better (power)", projected=200, gain=0.1),
        ]
    many = Design(name="", divide="splits", clips=1500, divisions=10, arms=4, projected=200, by_seed=True)
    name = "10 splits of 1,500, collapse of"
    hard += [
        replace(many, name=f"{name} 10%, 15 points", collapse=0.1, loss=UNSEEN_DROP),
        replace(many, name=f"{name} 20%, 15 points", collapse=0.2, loss=UNSEEN_DROP),
        replace(many, name=f"{name} 20%, 15 points", collapse=0.2, loss=UNSEEN_DROP, seeds=10),
        replace(many, name=f"{name} 10% to chance", collapse=0.1),
    ]
    return plain + hard


def shares(design: Design, studies: int) -> dict[str, float]:
    """By procedure: the share of studies with any claim of better or worse; of better, where arms are better."""
    claims = (Verdict.BETTER,) if design.gain else (Verdict.BETTER, Verdict.WORSE)
    decided = procedures(draw(design, studies))
    return {name: float(one.are(*claims).any(axis=-1).mean()) for name, one in decided.items()}


def main() -> None:
    """Print a row for each family."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies of each family")
    studies = parser.parse_args().studies
    print(f"Share of {studies} studies with any claim of better or worse; but for power, all are false.")
    columns = f"{'ours':>7} {'by runs':>8} {'videos alone':>13} {'t, divisions':>13} {'t, seeds':>9}"
    print(f"{'':<50} {'arms':>4} {'seeds':>5} {columns}")
    for design in designs():
        share = shares(design, studies)
        by_runs = f"{share['runs']:.1%}" if design.collapse else "-"
        print(
            f"{design.name:<50} {design.arms:>4} {design.seeds:>5} {share['ours']:>7.1%} {by_runs:>8}"
            f" {share['videos']:>13.1%} {share['divisions']:>13.1%} {share['seeds']:>9.1%}"
        )


if __name__ == "__main__":
    main()
