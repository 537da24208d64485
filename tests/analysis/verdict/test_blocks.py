"""Blocks, such as backbones: a verdict for each and one over all, and losses are said first."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.words.headline import beside_headline, headline
from sweeps.stats.decisions import Verdict
from tests.analysis.study_records import ArmModel
from tests.analysis.verdict.concluded import blocks, conclude_on, words_of


def test_blocks_are_no_candidates_and_losses_are_said_first(tmp_path: Path) -> None:
    conclusions = conclude_on(tmp_path, blocks(slow=(0.12, 0.1), x3d=(-0.08, -0.1)), seeds=range(6))
    assert [v.block for v in conclusions.verdicts] == ["backbone = slow", "backbone = x3d"]
    assert [v.outcome for v in conclusions.verdicts] == [Verdict.BETTER, Verdict.WORSE]
    over = conclusions.over_blocks
    assert over is not None
    assert over.main is not None
    test = conclusions.study.cells.pivot(index="seed", columns="arm", values="test_top1")
    per_block = [test[f"backbone = {b}, λ = 0"] - test[f"control (A = 1), backbone = {b}"] for b in ("slow", "x3d")]
    assert over.main.differences == pytest.approx(tuple(sum(per_block) / 2))
    assert headline(conclusions).text.startswith("VMP with λ = 0 loses for backbone = x3d (")
    assert all(c.family == 4 for c in conclusions.primary)  # one family over both blocks
    assert beside_headline(conclusions) is not None


def test_several_references_are_each_compared_over_all_blocks_and_the_first_leads(tmp_path: Path) -> None:
    arms = [
        ArmModel({"backbone": backbone, "prompt": prompt}, effect=effect)
        for backbone in ("slow", "x3d")
        for prompt, effect in (("none", 0.02), ("control", 0.0), ("vmp", 0.1))
    ]
    pairs = [[{"prompt": "vmp"}, {"prompt": reference}] for reference in ("control", "none")]
    conclusions = conclude_on(tmp_path, arms, seeds=range(8), extra={"compare": pairs})
    over = conclusions.over_blocks
    assert over is not None
    assert over.main is over.contrasts[0]
    assert [c.sides.against for c in over.contrasts] == ["the control", "the backbone alone"]
    assert all(c.family == 2 for c in over.contrasts)
    assert over.contrasts[0].mean - over.contrasts[1].mean == pytest.approx(0.02, abs=0.01)
    assert headline(conclusions).text.startswith("Over 2 blocks, VMP beats the control: ")
    assert "VMP against the backbone alone over all blocks: +" in words_of(conclusions)


def test_one_value_for_all_blocks_is_said_not_to_serve_where_another_is_shown_better(tmp_path: Path) -> None:
    arms = blocks(slow=(0.2, 0.0), x3d=(0.0, 0.1))
    conclusions = conclude_on(tmp_path, arms, seeds=range(8), cell_sd=0.008)
    over = conclusions.over_blocks
    assert over is not None
    assert over.unfit == ("backbone = x3d",)
    assert "it does not serve backbone = x3d, where another value is shown to be better" in headline(conclusions).text
