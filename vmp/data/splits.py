"""Carving validation and test splits: groups stay whole, classes stay balanced as far as groups allow.

Clips cut from one recording share background and actors; a split that separates them measures memory, not motion.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vmp.core.errors import InputError
from vmp.core.seeding import generator
from vmp.data.base import SplitName

_WORDS: dict[str, SplitName] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}


def split_word(text: str) -> SplitName | None:
    """The split that a folder or a field names, whatever its case and form: ``Training``, ``val_set``, ``test2017``."""
    word = re.sub(r"[\W\d_]", "", text.casefold())
    for ending in ("", "set", "split", "data", "videos", "clips"):
        if word.endswith(ending) and (found := _WORDS.get(word.removesuffix(ending))):
            return found
    return None


def without_test(given: Sequence[SplitName | None]) -> tuple[list[SplitName | None], str | None]:
    """Splits that say train and val and never test (Kinetics' layout): val becomes test, and a sentence says so."""
    names = {*given}
    if names != {"train", "val"}:
        return list(given), None
    sentence = (
        "there are training and validation videos and none for testing: the published validation videos serve as test, "
        "and validation is carved from train by group"
    )
    return ["test" if split == "val" else split for split in given], sentence


def complete_splits(
    given: Sequence[SplitName | None],
    labels: Sequence[int],
    groups: Sequence[str | None],
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    where: str,
    official: bool = False,
) -> list[SplitName]:
    """The split of every video: the given ones where there are any, and what they lack carved by group.

    Nothing given: test and val are carved. Given without any val: val is carved from train. `val_fraction` is the share
    of the videos outside test. `official` keeps a published split even where it separates a group.

    Raises:
        InputError: A given split separates a group, train or test stays empty, or `carve` cannot fill a split.
    """
    if any(split is None for split in given):
        fractions: dict[SplitName, float] = {"test": test_fraction, "val": val_fraction * (1 - test_fraction)}
        return carve(labels, groups, fractions, seed=seed, where=where)
    splits = [split for split in given if split is not None]
    if not official:
        check_groups(groups, splits, where)
    if "train" not in splits:
        raise InputError(f"{where}: no video belongs to the split 'train'")
    if "val" in splits or val_fraction == 0:
        return splits
    inside = [i for i, split in enumerate(splits) if split == "train"]
    carved = carve(
        [labels[i] for i in inside], [groups[i] for i in inside], {"val": val_fraction}, seed=seed, where=where
    )
    for i, split in zip(inside, carved, strict=True):
        splits[i] = split
    return splits


def carve(
    labels: Sequence[int],
    groups: Sequence[str | None],
    fractions: dict[SplitName, float],
    *,
    seed: int,
    where: str,
) -> list[SplitName]:
    """A split for every video: ``train`` and the named others, by group.

    The same labels, groups, fractions and seed give the same split. Groups are visited in a random order and each goes
    where it brings the class counts nearest to their targets; the best of several orders wins.

    Args:
        labels: Class of each video, counted from 0.
        groups: Source of each video; None (unknown source) goes to train.
        fractions: Wanted share of all videos for ``val`` and / or ``test``; the rest is train.
        seed: Of the study, not of a cell: all arms and seeds share the split.
        where: File or folder, for messages.

    Raises:
        InputError: Fractions out of range, or too few groups to fill every wanted split.
    """
    wanted: dict[SplitName, float] = {name: share for name, share in fractions.items() if share > 0}
    if any(share < 0 for share in fractions.values()) or sum(wanted.values()) >= 1:
        raise InputError(f"{where}: split fractions {fractions} must be >= 0 and leave something for train (sum < 1)")
    result: list[SplitName] = ["train"] * len(labels)
    names = sorted({g for g in groups if g is not None})
    if not wanted or not labels:
        return result
    if len(names) < len(wanted) + (None not in groups):
        raise InputError(
            f"{where}: {len(names)} groups cannot fill train, {' and '.join(wanted)}; "
            f"groups never straddle a split: use more sources or set the fraction of a split to 0"
        )
    counts = _class_counts(labels, groups, names)
    totals = np.bincount(np.asarray(labels), minlength=counts.shape[1]).astype(float)
    shares = np.array([1 - sum(wanted.values()), *wanted.values()])
    targets = shares[:, None] * totals[None, :]
    fixed = totals - counts.sum(axis=0)
    assignment = _best_assignment(counts, targets, fixed, seed)
    split_names: list[SplitName] = ["train", *wanted]
    chosen = {name: split_names[assignment[i]] for i, name in enumerate(names)}
    for i, group in enumerate(groups):
        if group is not None:
            result[i] = chosen[group]
    return result


def fold_number(fold: str) -> tuple[int, int]:
    """``(number, of)`` of a fold as settings write it, ``2/5``. Raises ValueError for no fold of 2 or more."""
    number, of = (int(part) for part in fold.split("/"))
    if not (1 <= number <= of and of >= 2):
        raise ValueError(f"fold {fold} must be one of 1/{of} to {of}/{of}, of at least 2 folds")
    return number, of


def fold_splits(
    labels: Sequence[int],
    groups: Sequence[str | None],
    fold: str,
    *,
    val_fraction: float,
    seed: int,
    where: str,
) -> list[SplitName]:
    """The split of every video where fold `fold` is the test split: every group is tested in exactly one fold.

    Groups are divided among the folds as `carve` divides them, with equal targets; validation is carved from the
    others. Folds are numbered by the first name of a group in them, so that as many folds as groups leave out one
    group each, in the order of their names. Videos of unknown source are in no fold, and in train.

    Args:
        labels, groups, seed, where: As of `carve`.
        fold: ``2/5``: the second of five.
        val_fraction: Share of the videos outside the fold that becomes validation.

    Raises:
        InputError: Fewer groups than folds, or too few outside the fold to carve from.
    """
    number, of = fold_number(fold)
    names = sorted({g for g in groups if g is not None})
    if len(names) < of:
        raise InputError(
            f"{where}: {len(names)} groups cannot fill {of} folds; ask for at most as many folds as groups"
        )
    counts = _class_counts(labels, groups, names)
    targets = np.repeat(counts.sum(axis=0)[None, :] / of, of, axis=0)
    assignment = _best_assignment(counts, targets, np.zeros(counts.shape[1]), seed)
    order = list(dict.fromkeys(assignment))  # by the first name of a group
    tested = {name for name, part in zip(names, assignment, strict=True) if order.index(part) == number - 1}
    result: list[SplitName] = ["test" if group in tested else "train" for group in groups]
    inside = [i for i, split in enumerate(result) if split == "train"]
    carved = carve(
        [labels[i] for i in inside], [groups[i] for i in inside], {"val": val_fraction}, seed=seed, where=where
    )
    for i, split in zip(inside, carved, strict=True):
        result[i] = split
    return result


def check_groups(groups: Sequence[str | None], splits: Sequence[SplitName], where: str) -> None:
    """Refuse a given split that separates a group.

    Raises:
        InputError: Names the first such group and its splits.
    """
    seen: dict[str, SplitName] = {}
    for group, split in zip(groups, splits, strict=True):
        if group is not None and seen.setdefault(group, split) != split:
            raise InputError(
                f"{where}: group {group!r} occurs in {seen[group]} and in {split}; "
                "a group must stay in one split: correct the split column, or drop it to have the split carved"
            )


def _class_counts(labels: Sequence[int], groups: Sequence[str | None], names: list[str]) -> NDArray[np.float64]:
    rows = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), max(labels) + 1))
    for label, group in zip(labels, groups, strict=True):
        if group is not None:
            counts[rows[group], label] += 1
    return counts


def _best_assignment(
    counts: NDArray[np.float64], targets: NDArray[np.float64], fixed: NDArray[np.float64], seed: int
) -> list[int]:
    """Greedy assignment of groups (rows of `counts`) to splits (rows of `targets`), best of several random orders."""
    rng = generator(seed, "split")
    scale = np.maximum(targets, 1.0)
    best: tuple[float, list[int]] | None = None
    for _ in range(int(np.clip(20_000 // len(counts), 1, 64))):
        filled = np.zeros_like(targets)
        filled[0] = fixed
        choice = [0] * len(counts)
        for row in rng.permutation(len(counts)):
            gain = (((filled + counts[row] - targets) ** 2 - (filled - targets) ** 2) / scale).sum(axis=1)
            split = int(np.argmin(gain))
            choice[row] = split
            filled[split] += counts[row]
        _fill_empty(choice, filled, counts, targets)
        loss = float((((filled - targets) ** 2) / scale).sum())
        if best is None or loss < best[0]:
            best = (loss, choice)
    assert best is not None
    return best[1]


def _fill_empty(
    choice: list[int], filled: NDArray[np.float64], counts: NDArray[np.float64], targets: NDArray[np.float64]
) -> None:
    """Give every split that stayed empty (a small fraction, large groups) the group that it distorts least."""
    scale = np.maximum(targets, 1.0)
    for split in range(len(targets)):
        if filled[split].sum() > 0:
            continue
        spare = [row for row in range(len(counts)) if filled[choice[row]].sum() > counts[row].sum()]
        row = min(spare, key=lambda row: (((counts[row] - targets[split]) ** 2) / scale[split]).sum())
        filled[choice[row]] -= counts[row]
        filled[split] += counts[row]
        choice[row] = split
