"""One verdict over several blocks (data sets, backbones): does one value serve all, and where does the layer lose."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.study.arms import IN_SHORT, Arm, Kind, value_text
from analysis.study.cells import Study
from analysis.study.factors import block_factors
from analysis.verdict.choosing import Chosen, choose_arm
from analysis.verdict.contrasts import Contrast, Divisions, Sides
from analysis.verdict.effects import Effect, compare_effects, is_asked
from analysis.verdict.evidence import Evidence
from analysis.verdict.verdicts import BlockVerdict
from sweeps.questions import RESAMPLINGS
from sweeps.stats.decisions import Verdict
from sweeps.stats.divisions import overlap_of
from vmp.core.fingerprint import canonical_json
from vmp.core.text import count

OVER_BLOCKS = "over all blocks"


@dataclass(frozen=True, kw_only=True)
class OverBlocks:
    """The same settings in every block.

    Attributes:
        contrasts: For each setting that all blocks have, its difference to each of its references, averaged over
            blocks.
        effects: Of each factor that all blocks cross, averaged over its other settings and over blocks.
        chosen: The setting with the highest validation accuracy, averaged over blocks; its arms are those of the first
            block. None below 3 shared seeds.
        main: Its comparison, with the first of its references.
        arms: The arm of the chosen setting in each block.
        losing: The comparisons of these arms that show the layer worse or leaning so, block by block.
        unfit: The blocks in which that setting is shown to be more than the margin worse than another one.
    """

    contrasts: tuple[Contrast, ...]
    effects: tuple[Effect, ...]
    chosen: Chosen | None
    main: Contrast | None
    arms: Mapping[str, Arm]
    losing: tuple[Contrast, ...]
    unfit: tuple[str, ...]

    @property
    def over(self) -> str:
        """What its comparisons are averaged over, in words: ``"5 divisions"``."""
        return self.contrasts[0].sides.over

    @property
    def divisions(self) -> Divisions | None:
        """The divisions of the data that all its comparisons are over; None where these are over seeds."""
        return self.contrasts[0].sides.divisions if self.contrasts else None


def over_blocks(evidence: Evidence, verdicts: Sequence[BlockVerdict]) -> OverBlocks | None:
    """Decide over the blocks of a study; None where it has one, or no setting is in all of them."""
    if len(verdicts) < 2:
        return None
    names = block_factors(evidence.study)
    references = _references(verdicts)
    common = [arms for arms in common_settings(verdicts, names) if all(arm in references for arm in arms)]
    if not common:
        return None
    divisions = _divisions(evidence.study, common[0], names)  # every setting has an arm in each block
    pairs = [
        [{arm: references[arm][place] for arm in arms} for place in range(_shared(arms, references))] for arms in common
    ]
    family = [
        _averaged(arms, of_arm, names, divisions) for arms, some in zip(common, pairs, strict=True) for of_arm in some
    ]
    contrasts = evidence.compare(family, OVER_BLOCKS)
    effects = _effects(evidence, verdicts, divisions)
    validation = evidence.values(evidence.study.val)
    values = np.stack([validation[[arm.order for arm in arms]].mean(axis=0) for arms in common])
    first = [arms[0] for arms in common]
    chosen, _ = choose_arm(evidence, [evidence.summary(arm) for arm in first], values, [None] * len(first))
    if chosen is None:
        return OverBlocks(contrasts=contrasts, effects=effects, chosen=None, main=None, arms={}, losing=(), unfit=())
    index = first.index(chosen.best.arm)
    arms = {verdict.block: arm for verdict, arm in zip(verdicts, common[index], strict=True)}
    own = [contrast for verdict in verdicts if (contrast := verdict.contrast_of(arms[verdict.block]))]
    return OverBlocks(
        contrasts=contrasts,
        effects=effects,
        chosen=chosen,
        main=contrasts[sum(map(len, pairs[:index]))],
        arms=arms,
        losing=tuple(contrast for contrast in own if contrast.verdict in (Verdict.WORSE, Verdict.BEHIND)),
        unfit=tuple(v.block for v in verdicts if v.chosen and arms[v.block] not in v.chosen.possible),
    )


def common_settings(verdicts: Sequence[BlockVerdict], names: Sequence[str]) -> list[list[Arm]]:
    """The candidates of each setting that all blocks have, in the order of the blocks; `names` tell blocks apart."""
    return settings_of_all_blocks([summary.arm for verdict in verdicts for summary in verdict.candidates], names)


def settings_of_all_blocks(arms: Iterable[Arm], names: Sequence[str]) -> list[list[Arm]]:
    """The arms of each setting that every block has, in their order; `names` tell blocks apart."""
    by_setting: dict[str, list[Arm]] = {}
    blocks = set()
    for arm in arms:
        by_setting.setdefault(setting_key(arm, names), []).append(arm)
        blocks.add(canonical_json(arm.block(names)))
    return [some for some in by_setting.values() if len(some) == len(blocks)]


def pairs_over_divisions(study: Study, references: Mapping[Arm, Arm]) -> tuple[Sides, ...]:
    """Each setting that all divisions of the data have, against its references there; empty without divisions."""
    names = block_factors(study)
    common = settings_of_all_blocks(references, names)
    divisions = _divisions(study, common[0], names) if common else None
    return () if divisions is None else tuple(_averaged(arms, references, names, divisions) for arms in common)


def _effects(evidence: Evidence, verdicts: Sequence[BlockVerdict], divisions: Divisions | None) -> tuple[Effect, ...]:
    """The effects that every block has, each over all of its blocks: those asked about are a family, others another."""
    by_words: dict[tuple[str, str], list[Effect]] = {}
    for verdict in verdicts:
        for effect in verdict.effects:
            by_words.setdefault((effect.contrast.sides.subject, effect.contrast.sides.against), []).append(effect)
    family = [
        (some[0].factor, _effect_over_blocks([effect.contrast.sides for effect in some], divisions))
        for some in by_words.values()
        if len(some) == len(verdicts)
    ]
    made = compare_effects(evidence, family, over=OVER_BLOCKS)
    return tuple(sorted(made, key=lambda effect: not is_asked(evidence.study, effect.factor)))


def _effect_over_blocks(blocks: Sequence[Sides], divisions: Divisions | None) -> Sides:
    """One effect with the units of every block."""
    units = tuple(unit for sides in blocks for unit in sides.units)
    if divisions is not None:
        of_unit = tuple(i for i, sides in zip(divisions.of_unit, blocks, strict=True) for _ in sides.units)
        divisions = replace(divisions, of_unit=of_unit)
    return replace(blocks[0], units=units, divisions=divisions)


def _references(verdicts: Sequence[BlockVerdict]) -> dict[Arm, list[Arm]]:
    """What each arm is compared with, in the order of the question: the first is what its verdict is about."""
    references: dict[Arm, list[Arm]] = {}
    for verdict in verdicts:
        for contrast in verdict.contrasts:
            if contrast.is_pair:
                references.setdefault(contrast.arm, []).append(contrast.reference)
    return references


def _shared(arms: Sequence[Arm], references: Mapping[Arm, Sequence[Arm]]) -> int:
    return min(len(references[arm]) for arm in arms)


def _averaged(
    arms: Sequence[Arm], reference: Mapping[Arm, Arm], names: Sequence[str], divisions: Divisions | None
) -> Sides:
    units = tuple({arm: 1.0, reference[arm]: -1.0} for arm in arms)
    settings = {_reference_words(reference[arm], names) for arm in arms}
    against = settings.pop() if len(settings) == 1 else "the references"
    over = blocks = count(len(arms), "block")
    if divisions is not None:
        over = count(len(divisions.names), "division")
        over += f" ({blocks})" if len(divisions.names) < len(arms) else ""
    subject = arms[0].label_without(names)
    return Sides(units=units, subject=subject, against=against, over=over, divisions=divisions)


def _reference_words(arm: Arm, names: Sequence[str]) -> str:
    return IN_SHORT[arm.kind] if arm.kind in (Kind.CONTROL, Kind.BASELINE) else arm.label_without(names)


def _divisions(study: Study, arms: Sequence[Arm], names: Sequence[str]) -> Divisions | None:
    """The divisions of one data set that these blocks are; None where they are none, or not known well enough.

    Blocks that differ in the data otherwise are several data sets, and one interval over their divisions would be
    about neither. Other blocks, such as backbones, are averaged within each division.
    """
    dividing = [name for name in names if name in RESAMPLINGS]
    if not dividing or any(name.startswith("data.") for name in names if name not in RESAMPLINGS):
        return None
    keys = [_division_of(arm, dividing) for arm in arms]
    distinct = list(dict.fromkeys(keys))
    if len(distinct) < 2:
        return None
    counted = {_division_of(arm, dividing): counts for arm in study.arms if (counts := study.split_counts(arm))}
    numbers = [[counted.get(key, {}).get(split, math.nan) for key in distinct] for split in ("train", "test")]
    overlap = overlap_of(*numbers)
    if math.isnan(overlap):
        return None
    by_key = dict(zip(keys, arms, strict=True))
    words = tuple(", ".join(value_text(by_key[key].factors.get(name)) for name in dividing) for key in distinct)
    return Divisions(names=words, of_unit=tuple(distinct.index(key) for key in keys), overlap=overlap)


def _division_of(arm: Arm, dividing: Sequence[str]) -> str:
    return canonical_json([arm.factors.get(name) for name in dividing])


def setting_key(arm: Arm, names: Sequence[str]) -> str:
    """The arm's factors but those of `names`, as a key."""
    return canonical_json({name: value for name, value in arm.factors.items() if name not in names})
