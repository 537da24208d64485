"""Which arms a study compares with which."""

from __future__ import annotations

from typing import Any

import pytest

from sweeps.propose.settings import SearchSettings
from sweeps.questions import block_names, compared_pairs, counterpart, main_pair
from sweeps.records.factors import Scalar
from sweeps.records.plan_record import StudyHeader
from sweeps.study import Study
from sweeps.study_files import load_study
from vmp.core.errors import ConfigError

Arm = dict[str, Scalar]


def crossed(*prompts: str, **factors: list[Scalar]) -> list[Arm]:
    """Arms of every prompt; a control has no remedy and no lambda."""
    arms: list[Arm] = [{"prompt": prompt} for prompt in prompts]
    for name, values in factors.items():
        arms = [{**arm, name: value} for arm in arms for value in values]
    plain = [arm if arm["prompt"] == "vmp" else {**arm, "lambda": None, "remedy": None} for arm in arms]
    return [arm for i, arm in enumerate(plain) if arm not in plain[:i]]


def asked(arms: list[Arm], **question: Any) -> list[tuple[Arm, Arm]]:
    header = StudyHeader(name="s", margin=0.02, **question)
    return [(arms[i], arms[j]) for i, j in compared_pairs(arms, header)]


def test_without_a_word_each_arm_meets_the_control_of_its_own_settings() -> None:
    arms = crossed("none", "control", "vmp", sampling=["uniform", "random"])
    assert [(a["prompt"], b["prompt"], a["sampling"] == b["sampling"]) for a, b in asked(arms)] == [
        ("vmp", "control", True)
    ] * 2
    alone = crossed("none", "vmp", sampling=["uniform", "random"])
    assert [b["prompt"] for _, b in asked(alone)] == ["none"] * 2
    assert [b for _, b in asked([{"lambda": v} for v in (0, 1, 10)])] == [{"lambda": 0}] * 2


def test_a_reference_is_met_at_the_arm_s_own_other_settings() -> None:
    arms = crossed("control", "vmp", **{"lambda": [1, 10], "remedy": ["none", "relative", "closed"]})
    pairs = asked(arms, reference={"remedy": "none"})
    assert [(a["lambda"], b["lambda"], a["remedy"], b["remedy"]) for a, b in pairs] == [
        (v, v, remedy, "none") for v in (1, 10) for remedy in ("relative", "closed")
    ]
    only = asked(arms, reference={"remedy": "none", "lambda": 1})  # no other arm has lambda 1 by replacing both
    assert [(b["remedy"], b["lambda"]) for _, b in only] == [("none", 1)] * 5


def test_pairs_and_the_values_of_a_factor_are_compared_at_equal_settings() -> None:
    single = crossed("control", "vmp", sampling=["a", "b", "c"])
    pairs = asked(single, compare="sampling")  # controls are no candidates
    assert [(a["sampling"], b["sampling"]) for a, b in pairs] == [("b", "a"), ("c", "a"), ("c", "b")]
    arms = crossed("control", "vmp", sampling=["a", "b", "c"], **{"lambda": [0, 1]})
    # In a factorial the factor is compared by its effect, and each arm with its control.
    assert [b["prompt"] for _, b in asked(arms, compare=["sampling"])] == ["control"] * 6
    named = asked(arms, compare=[({"sampling": "c"}, {"sampling": "a"})])
    assert [(a["prompt"], a["lambda"]) for a, _ in named] == [("control", None), ("vmp", 0), ("vmp", 1)]


def test_a_reference_differs_in_nothing_but_its_prompt() -> None:
    arms = crossed("control", "vmp", sampling=["uniform", "segment"])
    last = arms[-1]
    assert counterpart(last, arms, "control") == arms.index(
        {**last, "prompt": "control", "lambda": None, "remedy": None}
    )
    assert counterpart(last, arms, "none") is None


@pytest.mark.parametrize(
    ("factors", "declared", "blocks"),
    [
        ({"backbone": ["slow", "x3d"], "lambda": [0, 1]}, None, ("backbone",)),
        ({"data.split_seed": [0, 1], "lambda": [0, 1]}, None, ("data.split_seed",)),
        ({"backbone": ["slow", "x3d"], "lambda": [0, 1]}, [], ()),
        ({"data.split_seed": [0, 1], "lambda": [0, 1]}, [], ("data.split_seed",)),
        ({"data.fold": ["1/2", "2/2"]}, None, ("data.fold",)),
        ({"data.split": [1, 2, 3], "backbone": ["slow", "x3d"]}, ["backbone"], ("data.split", "backbone")),
        ({"sampling": ["a", "b"], "lambda": [0, 1]}, ["sampling"], ("sampling",)),
    ],
)
def test_data_and_backbones_are_no_candidates(
    factors: dict[str, list[Scalar]], declared: list[str] | None, blocks: tuple[str, ...]
) -> None:
    assert block_names(crossed("vmp", **factors), list(factors), declared) == blocks


def test_a_study_of_backbones_alone_compares_backbones() -> None:
    assert block_names(crossed("none", backbone=["slow", "x3d"]), ["prompt", "backbone"], None) == ()
    both = crossed("control", "vmp", backbone=["slow", "x3d"])
    assert block_names(both, ["prompt", "backbone"], None) == ("backbone",)


@pytest.mark.parametrize(
    ("pairs", "ranking", "main"),
    [
        ([(1, 0), (2, 0)], [2, 1], (2, 0)),
        ([(1, 0), (2, 0)], [0, 2, 1], (2, 0)),  # the reference is best: the best other one with it
        ([(1, 0), (2, 0), (2, 1)], [1, 2, 0], (1, 2)),  # all with each other: the best with the second, turned round
        ([], [0, 1], None),
    ],
)
def test_the_headline_s_comparison(
    pairs: list[tuple[int, int]], ranking: list[int], main: tuple[int, int] | None
) -> None:
    assert main_pair(pairs, ranking) == main


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"reference": {"lambda": 7}}, "is none of the arms"),
        ({"reference": {"lambda": 0}, "compare": "lambda"}, "give one of them"),
        ({"compare": "lamda"}, "did you mean 'lambda'"),
        ({"blocks": ["data.kind"]}, "blocks and compare name factors"),
        ({"compare": [[{"lambda": 0}, {"lambda": 7}]]}, "agree in all other factors"),
    ],
)
def test_a_comparison_that_no_two_arms_can_make_is_refused(question: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=message):
        Study(name="s", factors={"prompt": ("control", "vmp"), "lambda": (0, 1)}, **question)


def test_the_built_in_studies_say_what_they_compare() -> None:
    assert load_study("motion").reference == {"motion": "frame_difference"}
    assert load_study("collapse").reference == {"remedy": "none"}
    assert load_study("sampling").compare == "sampling"


def test_arms_that_were_tested_on_different_videos_are_never_compared() -> None:
    assert asked([{"data.fold": fold} for fold in ("1/2", "2/2")]) == []
    arms: list[Arm] = [{"data.fold": fold, "sampling": name} for fold in ("1/2", "2/2") for name in ("a", "b")]
    assert [(a["sampling"], b["sampling"], a["data.fold"] == b["data.fold"]) for a, b in asked(arms)] == [
        ("b", "a", True)
    ] * 2
    factors: dict[str, tuple[Scalar, ...]] = {"prompt": ("control", "vmp"), "data.split_seed": (0, 1)}
    with pytest.raises(ValueError, match="one division is not better than another"):
        Study(name="s", factors=factors, compare="data.split_seed")
    with pytest.raises(ValueError, match="none is a candidate; run a grid"):
        Study(name="s", factors=factors, search=SearchSettings(arms=3))
