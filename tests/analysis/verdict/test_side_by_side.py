"""Two studies side by side: what changed is named, what moved is found, what did not is not claimed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.cli import report
from analysis.study.loading import load_study
from analysis.verdict.side_by_side import side_by_side
from analysis.words.side_by_side_sentences import side_by_side_lines
from sweeps.stats.decisions import Verdict
from sweeps.stats.unpaired import compare_unpaired
from tests.analysis.study_records import StudyModel, lambda_arms, write_study
from vmp.core.errors import InputError


def study(path: Path, effects: dict[float, float], **changes: Any) -> Path:
    write_study(path, StudyModel(**{"arms": lambda_arms(effects), "seeds": (0, 1, 2, 3, 4, 5), **changes}))
    return path


def lines(a: Path, b: Path) -> list[str]:
    first, second = load_study(a), load_study(b)
    return side_by_side_lines(first, second, side_by_side(first, second))


def test_a_study_beside_itself_has_moved_nowhere(tmp_path: Path) -> None:
    path = study(tmp_path / "a", {0: 0.0, 1: 0.05})
    said = lines(path, path)
    assert not [line for line in said if line.startswith("Changed")]
    assert said[2] == "Alike: arms, settings, seeds, data, code, search, margin and versions"
    assert said[-1] == "Moved beyond noise: none of 4 arms of both (paired within the seeds of both)"


def test_what_changed_and_what_moved_is_named(tmp_path: Path) -> None:
    a = study(tmp_path / "a", {0: 0.0, 1: 0.15}, epochs=12, draw=8, seed_sd=0.0, extra={"margin": 0.01})
    b = study(tmp_path / "b", {0: 0.0, 1: 0.02, 5: 0.0}, seeds=(0, 1, 2, 3, 4), seed_sd=0.0)
    said = lines(a, b)
    assert "Changed, settings: train.epochs: 12 in A, 8 in B" in said
    assert "Changed, arms: only in B: λ = 5" in said
    assert "Changed, seeds: only in A: 5" in said
    assert "Changed, margin: margin: 0.01 in A, 0.02 in B" in said
    made = side_by_side(load_study(a), load_study(b))
    moved = [arm.label for arm, c in zip(made.arms, made.paired, strict=True) if c.verdict is Verdict.BETTER]
    assert moved == ["λ = 1"]
    assert all(c.n == 5 and c.family == 4 for c in made.paired)
    assert said[-1].startswith("Moved beyond noise: 1 of 4 arms of both (paired")


def test_without_common_seeds_the_runs_are_not_paired(tmp_path: Path) -> None:
    a = study(tmp_path / "a", {0: 0.0, 1: 0.3}, seeds=tuple(range(6)), seed_sd=0.0)
    b = study(tmp_path / "b", {0: 0.0, 1: 0.0}, seeds=tuple(range(10, 18)), seed_sd=0.0)
    made = side_by_side(load_study(a), load_study(b))
    assert not made.paired
    assert [one.is_shown for one in made.unpaired] == [False, False, False, True]
    assert "not paired: not every arm has 3 seeds in common" in lines(a, b)[-1]


def test_numbers_of_other_kinds_are_not_compared(tmp_path: Path) -> None:
    a = study(tmp_path / "a", {1: 0.0})
    b = study(tmp_path / "b", {1: 0.0}, metric="mean_class")
    with pytest.raises(InputError, match="none of their numbers can be compared"):
        lines(a, b)


def test_what_could_mean_two_things_is_refused(tmp_path: Path) -> None:
    a = study(tmp_path / "a", {1: 0.0})
    b = study(tmp_path / "b", {1: 0.0})
    for arguments, message in (
        ([a, b, "--compare"], "two studies are compared by `vmp report DIR --against OTHER`"),
        ([a, "--compare", b, "lambda=1"], f"two studies are compared by `vmp report {a} --against {b}`"),
        ([a, "--against", "lambda=1"], "reads like an arm"),
        ([a, b, "--against", b], "name one of them"),
        ([a, "--against", b, "--compare", "lambda=1", "lambda=0"], "give one of them"),
        ([a, "--compare", "lambda=1", "prompt=control", "--json"], "has no JSON; give it without --json"),
        ([a, "--against", b, "--out", tmp_path / "c"], "writes no report; give it without --out"),
    ):
        assert message in str(CliRunner().invoke(report, [str(one) for one in arguments]).exception)


def test_tables_stand_side_by_side(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, gain in (("a", 0.0), ("b", 0.2)):
        rows = [(lr, run, 0.5 + gain * (lr == 0.1) + 0.01 * rng.normal()) for lr in (0.1, 0.2) for run in range(5)]
        pd.DataFrame(rows, columns=["lr", "run", "acc"]).to_csv(tmp_path / f"{name}.csv", index=False)
    arguments = ["b.csv", "--against", "a.csv", "--columns", "value=acc,seed=run,factors=lr"]
    done = CliRunner().invoke(report, [str(tmp_path / one) if one.endswith(".csv") else one for one in arguments])
    assert done.exit_code == 0, done.output
    assert "Moved beyond noise: 1 of 2 arms of both" in done.stdout
    assert "Alike: arms, seeds and margin\n" in done.stdout
    assert "does not record it: settings, data, code, search and versions\n" in done.stdout


def test_a_study_that_has_not_run_has_no_changed_settings(tmp_path: Path) -> None:
    a = study(tmp_path / "a", {0: 0.0, 1: 0.05})
    b = study(tmp_path / "b", {0: 0.0, 1: 0.05})
    for record in (b / "cells").iterdir():
        record.unlink()
    said = lines(a, b)
    assert not [line for line in said if line.startswith("Changed")]
    assert "Not compared, as A or B does not record it: settings and versions" in said


def test_independent_samples_show_no_false_difference_in_more_than_5_percent() -> None:
    """Families of 9 without any difference: unequal sizes and standard deviations, and runs that collapse."""
    rng = np.random.default_rng(5)
    draws = 400
    for n, m, ratio, collapse in ((3, 3, 4.0, 0.0), (3, 8, 0.25, 0.0), (8, 3, 1.0, 0.2), (5, 5, 4.0, 0.0)):
        wrong = 0
        for _ in range(draws):
            a, b = 0.02 * rng.normal(size=(9, n)), 0.02 * ratio * rng.normal(size=(9, m))
            a -= 0.3 * (rng.random(a.shape) < collapse)
            b -= 0.3 * (rng.random(b.shape) < collapse)
            wrong += any(one.is_shown for one in compare_unpaired(list(zip(a, b, strict=True))))
        assert wrong / draws <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / draws), (n, m, ratio, collapse)
