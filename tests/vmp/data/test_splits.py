"""Splits that are carved, and folds: groups stay whole, shares are kept, and each group is tested once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmp.data.tiny_sets import make_cuts
from vmp.core.errors import InputError
from vmp.data.splits import carve, fold_splits


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=6, max_size=40),
    classes=st.integers(1, 5),
    fractions=st.fixed_dictionaries({"test": st.floats(0.1, 0.4), "val": st.floats(0.1, 0.3)}),
    seed=st.integers(0, 3),
)
def test_carved_splits_keep_groups_whole(sizes: list[int], classes: int, fractions: dict, seed: int) -> None:
    groups = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)] + [None, None]
    labels = [i * 7 % classes for i in range(len(groups))]
    splits = carve(labels, groups, fractions, seed=seed, where="here")
    assert set(splits) == {"train", "val", "test"}
    assert splits[-2:] == ["train", "train"]
    for group in set(groups) - {None}:
        assert len({s for s, g in zip(splits, groups, strict=True) if g == group}) == 1
    for name, share in fractions.items():
        assert abs(splits.count(name) / len(splits) - share) <= max(sizes) / len(splits) + 0.1
    assert splits == carve(labels, groups, fractions, seed=seed, where="here")


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=8, max_size=30),
    classes=st.integers(1, 4),
    folds=st.integers(2, 6),
    seed=st.integers(0, 3),
)
def test_every_group_is_tested_in_exactly_one_fold(sizes: list[int], classes: int, folds: int, seed: int) -> None:
    groups = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)] + [None]
    labels = [i * 7 % classes for i in range(len(groups))]
    tested: list[str] = []
    for number in range(1, folds + 1):
        splits = fold_splits(labels, groups, f"{number}/{folds}", val_fraction=0.2, seed=seed, where="here")
        assert set(splits) == {"train", "val", "test"}
        assert splits[-1] == "train"
        for group in set(groups) - {None}:
            assert len({s for s, g in zip(splits, groups, strict=True) if g == group}) == 1
        share = splits.count("test") / len(splits)
        assert abs(share - 1 / folds) <= 2 * max(sizes) / len(splits)
        tested += sorted({g for g, s in zip(groups, splits, strict=True) if s == "test" and g})
    assert sorted(tested) == sorted(set(groups) - {None})


def test_as_many_folds_as_groups_leave_out_one_group_each(tmp_path: Path) -> None:
    config = make_cuts(tmp_path)
    for number in range(1, 7):
        data = dataclasses.replace(config, fold=f"{number}/6").load()
        assert {video.group for video in data.videos if video.split == "test"} == {f"{number - 1}.mp4"}
    with pytest.raises(InputError, match="6 groups cannot fill 7 folds"):
        dataclasses.replace(config, fold="1/7").load()
    with pytest.raises(ValueError, match="fold 3/2 must be one of 1/2 to 2/2"):
        dataclasses.replace(config, fold="3/2")
    text = (tmp_path / "cuts.csv").read_text().splitlines()
    (tmp_path / "cuts.csv").write_text("\n".join([text[0] + ",split", *(line + ",train" for line in text[1:])]))
    with pytest.raises(InputError, match="gives its own splits, and fold 1/6 asks for others; name a list without"):
        dataclasses.replace(config, fold="1/6").load()
