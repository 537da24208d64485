"""Factorials: the effect of each factor comes first, interactions are named, and settings of one kind are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from analysis.words.headline import answer, headline
from sweeps.stats.decisions import Verdict
from tests.analysis.study_records import STARTS, ArmModel
from tests.analysis.verdict.concluded import conclude_on, words_of


def test_any_ordered_factor_is_a_curve_with_a_trend(tmp_path: Path) -> None:
    arms = [ArmModel({"prompt": "control", "train.epochs": None})]
    arms += [ArmModel({"prompt": "vmp", "train.epochs": e}, effect=0.03 * i) for i, e in enumerate((4, 8, 16))]
    conclusions = conclude_on(tmp_path, arms, seeds=range(8))
    verdict = conclusions.verdicts[0]
    assert verdict.axis is not None
    assert (verdict.axis.name, [value for value, _, _ in verdict.points]) == ("train.epochs", [4, 8, 16])
    test = conclusions.study.cells.pivot(index="seed", columns="arm", values="test_top1")
    assert verdict.trend is not None
    assert verdict.trend.mean == pytest.approx((test["train.epochs = 16"] - test["train.epochs = 4"]).mean())
    assert "it rises" in words_of(conclusions)
    assert "(smallest train.epochs)" in words_of(conclusions)


def test_in_a_factorial_the_effect_of_each_factor_comes_first(tmp_path: Path) -> None:
    """As `init` ships, 3 seeds: no single arm is shown to beat the control, the sign of the shift is."""
    conclusions = conclude_on(tmp_path, STARTS, seeds=(0, 1, 2), cell_sd=0.03)
    verdict = conclusions.verdicts[0]
    text = headline(conclusions).text
    assert text.startswith(
        "Of m, n and λ, n matters: n = 0.3 and 0.6 against n = -0.6 and -0.3, averaged over m and λ: +"
    )
    assert "better; 0 of 24 runs collapsed against 24 of 24" in text
    effect = next(e for e in verdict.effects if e.factor and e.factor.name == "n")
    cells = conclusions.study.cells[conclusions.study.cells["kind"] == "vmp"]
    high, low = (
        cells[cells["factor.n"].isin(some)].groupby("seed")["test_top1"].mean() for some in ((0.3, 0.6), (-0.6, -0.3))
    )
    assert effect.contrast.differences == pytest.approx(tuple(high - low))
    assert effect.contrast.verdict is Verdict.BETTER
    others = [e.contrast for e in verdict.effects if e.factor and e.factor.name != "n"]
    assert {c.verdict for c in others} <= {Verdict.UNDECIDED, Verdict.EQUAL}
    assert answer(conclusions) is effect.contrast
    assert not any(c.verdict is Verdict.BETTER for c in verdict.contrasts)


def test_values_are_compared_where_both_have_arms(tmp_path: Path) -> None:
    """`m = b` was run at `g = 1` alone, where it gains nothing; `g` does nothing in `m = none`."""
    arms = [
        ArmModel({"m": m, "g": g}, effect=0.1 * (g == 2)) for m, g in (("none", None), ("a", 1), ("a", 2), ("b", 1))
    ]
    conclusions = conclude_on(tmp_path, arms, cell_sd=0.001)
    sides = {(c.sides.subject, c.sides.against, c.sides.over): c.mean for c in (
        effect.contrast for effect in conclusions.verdicts[0].effects)}  # fmt: skip
    assert sides["m = b", "m = a at g = 1", ""] == pytest.approx(0, abs=0.003)
    assert sides["m = a", "m = none", "g"] == pytest.approx(0.05, abs=0.003)
    assert sides["g = 2", "g = 1 at m = a", ""] == pytest.approx(0.1, abs=0.003)


def test_a_planted_interaction_is_named_with_its_interval(tmp_path: Path) -> None:
    arms = [
        ArmModel({"prompt": "vmp", "a": a, "b": b}, effect=0.05 * (a == "on" and b == "on"))
        for a in ("off", "on")
        for b in ("off", "on")
    ]
    conclusions = conclude_on(tmp_path, arms, seeds=range(7), cell_sd=0.008)
    (interaction,) = conclusions.verdicts[0].interactions
    test = conclusions.study.cells.pivot(index="seed", columns="arm", values="test_top1")
    expected = (test["a = on, b = on"] - test["a = off, b = on"]) - (test["a = on, b = off"] - test["a = off, b = off"])
    assert interaction.differences == pytest.approx(tuple(expected))
    assert interaction.interval is not None
    assert interaction.interval.excludes_zero
    assert "The effect of a = on against a = off at b = on is larger than at b = off: +" in words_of(conclusions)


@pytest.mark.parametrize("names", [("uniform", "random"), ("uniform", "segment", "dense", "key-frame", "random")])
def test_a_setting_of_one_sampler_alone_leaves_the_samplers_comparable(tmp_path: Path, names: Sequence[str]) -> None:
    """`random` has two rates and the others none: its two arms are averaged, and weigh as much as one of another."""
    arms = [
        ArmModel(
            {"prompt": prompt, "lambda": v, "sampling": name, "sampling.rate": rate}, effect=0.1 * (name == "random")
        )
        for name in names
        for rate in ((2, 8) if name == "random" else (None,))
        for prompt, v in (("control", None), ("vmp", 0), ("vmp", 1))
    ]
    conclusions = conclude_on(tmp_path, arms, cell_sd=0.001, seed_sd=0.0, extra={"compare": "sampling"})
    effects = [e.contrast for e in conclusions.verdicts[0].effects if e.factor and e.factor.name == "sampling"]
    (of_random,) = [c for c in effects if c.sides.subject == "sampling = random"]
    assert of_random.mean == pytest.approx(0.1, abs=0.003)
    assert of_random.sides.over == "λ and sampling.rate"
    assert headline(conclusions).text.split(" against ")[0].endswith("sampling = random")
    for contrast in effects:  # the two rates together weigh as much as one arm of another sampler
        for unit in contrast.sides.units:
            assert sum(w for w in unit.values() if w > 0) == pytest.approx(1)
            rates = {w for arm, w in unit.items() if arm.factors["sampling"] == "random"}
            others = {abs(w) for arm, w in unit.items() if arm.factors["sampling"] != "random" and w < 0}
            assert not rates or contrast is of_random or 2 * abs(next(iter(rates))) == pytest.approx(next(iter(others)))
