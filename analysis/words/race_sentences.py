"""What a race decided, in the report's names of its arms."""

from __future__ import annotations

from analysis.study.cells import Study
from analysis.verdict.verdicts import block_in_words
from analysis.words.phrases import within_block
from sweeps.race_state import RaceState


def race_sentence(race: RaceState, study: Study) -> str:
    """The decision; it names the block, which its arms then need not."""
    return within_block(race.sentence(study.label_of), race_block(race))


def drop_sentences(race: RaceState, study: Study) -> list[str]:
    """One for each arm that was dropped, in the order of the looks."""
    lines = [within_block(line, race_block(race)) for line in race.drops(named=study.label_of)]
    return [f"{line[0].upper()}{line[1:]}." for line in lines]


def race_block(race: RaceState) -> str:
    """The block of a race in words; empty for a study of one race."""
    return block_in_words(list(race.block), list(race.block.values()))
