"""Folds and splits of one data set: the unit of the verdict, whose error allows for the training videos they share."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.words.headline import answer, beside_headline, headline
from tests.analysis.study_records import ArmModel
from tests.analysis.verdict.concluded import conclude_on, words_of


def divided(effects: dict[str, float], **blocks: object) -> list[ArmModel]:
    """Control and layer in each fold, the layer's effect by fold; further factors as they are given."""
    return [
        ArmModel({"prompt": prompt, "data.fold": fold, **blocks}, effect=effect * (prompt == "vmp"))  # type: ignore[dict-item]
        for fold, effect in effects.items()
        for prompt in ("control", "vmp")
    ]


def test_folds_of_one_data_set_are_the_unit_and_share_training_videos(tmp_path: Path) -> None:
    folds = {f"{i}/5": 0.08 + 0.02 * (i - 3) for i in range(1, 6)}
    conclusions = conclude_on(tmp_path, divided(folds), cell_sd=0.004)
    assert conclusions.over_blocks is not None
    main = conclusions.over_blocks.main
    assert main is not None
    differences = np.array(main.differences)
    evidence = conclusions.evidence
    each = [c for verdict in conclusions.verdicts for c in verdict.contrasts]
    by_seed = np.array([c.differences for c in each]).mean(axis=0)  # 5 folds, 5 seeds
    between = (1 / 5 + 600 / 800) * differences.var(ddof=1)  # test over training videos of the records
    within = by_seed.var(ddof=1) / 5
    df = (between + within) ** 2 / (between**2 / 4 + within**2 / 4)
    assert main.n == 5
    assert main.p_alone == pytest.approx(2 * stats.t(df).sf(differences.mean() / math.sqrt(between + within)))
    assert differences.tolist() == pytest.approx([c.mean for c in each]), "the mean over seeds of each fold"
    assert set(evidence.without_one(main)) == {f"{i}/5" for i in range(1, 6)}
    assert "over 5 divisions, " in headline(conclusions).text.lower()
    assert "5 divisions of the videos, each the mean of 5 seeds" in headline(conclusions).text
    assert "(Nadeau and Bengio, 2003: test over training videos 0.75)" in words_of(conclusions)
    assert "do not allow for the draw of others" not in words_of(conclusions)
    stable = beside_headline(conclusions)
    assert stable is not None
    assert stable.topic == "Leave one division out"
    assert not math.isnan(each[0].p_sign_flip)
    assert math.isnan(main.p_sign_flip)


def test_factors_that_a_study_names_lead_over_folds_too(tmp_path: Path) -> None:
    """An effect over folds is the mean of those within each, and allows for the training videos that they share."""
    folds = [f"{i}/5" for i in range(1, 6)]
    arms = [ArmModel({"prompt": "control", "m": None, "n": None, "data.fold": fold}) for fold in folds] + [
        ArmModel({"prompt": "vmp", "m": m, "n": n, "data.fold": fold}, effect=0.1 * (n > 0))
        for fold in folds
        for m in (0.1, 1.0)
        for n in (-0.3, 0.3)
    ]
    conclusions = conclude_on(tmp_path, arms, cell_sd=0.004, extra={"compare": ["m", "n"]})
    over = conclusions.over_blocks
    assert over is not None
    found = {effect.factor.name if effect.factor else "layer": effect.contrast for effect in over.effects}
    assert {name: (c.n, c.unit, c.family) for name, c in found.items()} == {
        "m": (5, "division", 2),
        "n": (5, "division", 2),
        "layer": (5, "division", 1),
    }
    of_folds = [e.contrast for v in conclusions.verdicts for e in v.effects if e.factor and e.factor.name == "n"]
    assert found["n"].differences == pytest.approx([c.mean for c in of_folds])
    differences = np.array(found["n"].differences)
    between = (1 / 5 + 600 / 800) * differences.var(ddof=1)  # test over training videos of the records
    within = np.array([c.differences for c in of_folds]).mean(axis=0).var(ddof=1) / 5
    df = (between + within) ** 2 / (between**2 / 4 + within**2 / 4)
    assert found["n"].p_alone == pytest.approx(2 * stats.t(df).sf(differences.mean() / math.sqrt(between + within)))
    assert headline(conclusions).text.startswith("Over 5 divisions, of m and n, n matters: n = 0.3 against n = -0.3, ")
    assert answer(conclusions) is found["n"]
    assert "Over 5 divisions, m = 1 against m = 0.1, averaged over n: " in words_of(conclusions)


def test_backbones_are_averaged_within_folds_and_other_data_are_not(tmp_path: Path) -> None:
    folds = {f"{i}/3": 0.05 + 0.01 * i for i in range(1, 4)}
    both = [*divided(folds, backbone="a"), *divided(folds, backbone="b")]
    over = conclude_on(tmp_path / "backbones", both).over_blocks
    assert over is not None
    assert over.main is not None
    assert over.main.sides.divisions is not None
    assert (over.main.n, over.main.sides.divisions.of_unit) == (3, (0, 1, 2, 0, 1, 2))
    several = [*divided(folds, **{"data.path": "a.csv"}), *divided(folds, **{"data.path": "b.csv"})]
    conclusions = conclude_on(tmp_path / "data", several)
    assert conclusions.over_blocks is not None
    assert all(c.sides.divisions is None for c in conclusions.over_blocks.contrasts)
    assert "do not allow for the draw of others (blocks differ in more of the data" in words_of(conclusions)


def test_a_fold_without_any_pair_is_no_division_of_the_comparison(tmp_path: Path) -> None:
    arms = divided({f"{i}/4": 0.05 + 0.01 * i for i in range(1, 5)})
    arms[1] = dataclasses.replace(arms[1], missing=frozenset(range(5)))
    arms[3] = dataclasses.replace(arms[3], missing=frozenset({0, 1}), collapsed=frozenset({2}))
    conclusions = conclude_on(tmp_path, arms)
    over = conclusions.over_blocks
    assert over is not None
    (contrast,) = over.contrasts
    assert contrast.n == 3
    assert "over 3 of 4 divisions" in words_of(conclusions)
    assert contrast.collapse is not None
    assert (contrast.collapse.rate.count, contrast.collapse.rate.n) == (1, 5), "seeds, of which one collapsed somewhere"
