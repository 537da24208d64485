"""``vmp report --compare``: any two arms, by their own comparison; ``--strict``: an exit code for holes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analysis.cli import report
from analysis.study.loading import load_study
from analysis.verdict.named_pairs import named_pairs
from analysis.words.phrases import limits
from sweeps.stats.claims import claims
from tests.analysis.study_records import ArmModel, StudyModel, write_study
from vmp.core.errors import InputError

ARMS = [
    ArmModel(factors={"prompt": "control", "lambda": None, "remedy": None}),
    *(
        ArmModel(factors={"prompt": "vmp", "lambda": weight, "remedy": remedy}, effect=effect)
        for weight in (1, 10)
        for remedy, effect in (("none", 0.0), ("closed_at_rest", 0.08))
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_study(tmp_path, StudyModel(arms=ARMS, seeds=(0, 1, 2, 3, 4)))
    return tmp_path


def test_arms_are_paired_by_what_they_share(folder: Path) -> None:
    pairs = named_pairs(load_study(folder), "remedy=closed_at_rest", "remedy=none")
    assert [(s.arms[0].factors["lambda"], s.references[0].factors["lambda"], setting) for s, setting in pairs] == [
        (1, 1, "prompt = vmp, λ = 1"),
        (10, 10, "prompt = vmp, λ = 10"),
    ]
    ((one, _),) = named_pairs(load_study(folder), "remedy=none,lambda=10", "remedy=none,lambda=1")
    assert (one.arms[0].factors["lambda"], one.references[0].factors["lambda"]) == (10, 1)


def test_the_sentence_holds_the_numbers_of_that_comparison(folder: Path) -> None:
    done = CliRunner().invoke(report, [str(folder), "--compare", "remedy=closed_at_rest", "remedy=none"])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    cells = load_study(folder).cells
    values = {
        key: group.sort_values("seed")["test_top1"].to_numpy()
        for key, group in cells.groupby(["factor.lambda", "factor.remedy"])
    }
    difference = values[1, "closed_at_rest"] - values[1, "none"]
    both = claims([values[v, "closed_at_rest"] - values[v, "none"] for v in (1, 10)], margin=0.02,
                  collapsed=np.zeros((2, 5)), reference_collapsed=np.zeros((2, 5)))  # fmt: skip
    interval = both[0].interval
    assert interval is not None
    assert f"{100 * difference.mean():+.1f} points on test" in lines[0]
    assert f"(95% interval {limits(interval)}, allowing for 2 comparisons)" in lines[0]
    assert {path.name for path in folder.iterdir()} == {"plan.json", "cells"}


@pytest.mark.parametrize(
    ("arm", "reference", "message"),
    [
        ("remdy=none", "remedy=none", "did you mean 'remedy'"),
        ("remedy=relative", "remedy=none", "remedy has the values none, closed_at_rest"),
        ("remedy", "remedy=none", "must be key=value, e.g. --compare lambda=0.1"),
        ("prompt=control", "remedy=none", "agree in all other factors"),
    ],
)
def test_what_cannot_be_compared_says_why(folder: Path, arm: str, reference: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        named_pairs(load_study(folder), arm, reference)


def test_strict_ends_with_3_where_a_planned_cell_is_not_measured(tmp_path: Path) -> None:
    for name, missing, code in (("holes", frozenset({2}), 3), ("complete", frozenset[int](), 0)):
        arms = [ARMS[0], ArmModel(factors=ARMS[1].factors, missing=missing)]
        write_study(tmp_path / name, StudyModel(arms=arms))
        done = CliRunner().invoke(report, [str(tmp_path / name), "--strict", "--json"])
        assert done.exit_code == code
        assert done.stdout.startswith("{")
