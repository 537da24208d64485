"""Comparisons of slope and shift that were learnt on other data with those learnt on the data where they are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.study.arms import Arm, Kind, factor_name, value_text
from analysis.study.factors import block_factors, varied_factors
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast

TRANSFER = "transfer"
_OF_DATA = f"{TRANSFER}.data."


@dataclass(frozen=True, kw_only=True)
class Transferred:
    """One comparison.

    Attributes:
        source: What slope and shift were learnt on, in words. target: What they are used on.
        way: How: the other settings of the transfer that the study varies; empty where it varies none.
        contrast: Learnt elsewhere less learnt here; a comparison of the study's question.
    """

    source: str
    target: str
    way: str
    contrast: Contrast


def transfers(conclusions: Conclusions) -> tuple[Transferred, ...]:
    """Those among the study's comparisons; none where its reference is another one, or nothing is carried over."""
    study = conclusions.study
    names = [factor.name for factor in varied_factors(study.arms, list(study.plan.factors))]
    sources = [name for name in names if name.startswith(_OF_DATA)]
    ways = [name for name in names if name.startswith(f"{TRANSFER}.") and name not in sources]
    blocks = block_factors(study)
    return tuple(
        Transferred(
            source=_words(contrast.arm, sources, _OF_DATA) or "other data",
            target=_words(contrast.arm, blocks, "data.") or "the study's data",
            way=", ".join(f"{factor_name(name)} = {value_text(contrast.arm.factors.get(name))}" for name in ways),
            contrast=contrast,
        )
        for contrast in conclusions.primary
        if contrast.is_pair and _is_carried(contrast.arm) and _learns_here(contrast.reference)
    )


def _is_carried(arm: Arm) -> bool:
    return arm.factors.get(TRANSFER) not in (None, "none")


def _learns_here(arm: Arm) -> bool:
    return arm.kind is Kind.VMP and not _is_carried(arm)


def _words(arm: Arm, names: Sequence[str], prefix: str) -> str:
    """The values of data in words, alike for both sides: ``condition = moving_camera``."""
    values = [(name.removeprefix(prefix), arm.factors.get(name)) for name in names]
    return ", ".join(f"{name} = {value_text(value)}" for name, value in values if value is not None)
