"""What a race decided, in the report's names of its arms."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.study.cells import Study
from analysis.verdict.verdicts import block_in_words
from sweeps.race_state import RaceState
from sweeps.records.factors import Scalar


def race_sentence(race: RaceState, study: Study) -> str:
    """The decision; it names the block, which its arms then need not."""
    return race.sentence(lambda factors: _label_in_block(factors, race, study))


def drop_sentences(race: RaceState, study: Study) -> list[str]:
    """One for each arm that was dropped, in the order of the looks."""
    lines = race.drops(named=lambda factors: _label_in_block(factors, race, study))
    return [f"{line[0].upper()}{line[1:]}." for line in lines]


def _label_in_block(factors: Mapping[str, Scalar], race: RaceState, study: Study) -> str:
    return study.arm_of(factors).label_without(list(race.block))


def race_block(race: RaceState) -> str:
    """The block of a race in words; empty for a study of one race."""
    return block_in_words(list(race.block), list(race.block.values()))
