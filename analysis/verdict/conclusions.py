"""A study with all that is concluded from it: the one object that sentences, figures and sections are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from analysis.study.arms import Arm
from analysis.study.cells import Study
from analysis.study.clip_scores import PairedScores, paired_scores
from analysis.study.completeness import Completeness
from analysis.verdict.components import ComponentVerdict, component_verdicts
from analysis.verdict.confirmation import Confirmed, confirmed
from analysis.verdict.contrasts import Contrast
from analysis.verdict.evidence import Evidence
from analysis.verdict.importances import Importances, importances
from analysis.verdict.over_blocks import OverBlocks, over_blocks
from analysis.verdict.summaries import ArmSummary
from analysis.verdict.verdicts import BlockVerdict, block_verdicts
from sweeps.race_state import StudyRace
from sweeps.racing import read_race


@dataclass(frozen=True, kw_only=True)
class Conclusions:
    """A study's evidence and its verdicts.

    Attributes:
        evidence: Every summary and comparison; ask it for more.
        verdicts: One for each block, at least one.
        over_blocks: One over all blocks; None for a study of one.
    """

    evidence: Evidence
    verdicts: tuple[BlockVerdict, ...]
    over_blocks: OverBlocks | None

    @property
    def study(self) -> Study:
        return self.evidence.study

    @property
    def completeness(self) -> Completeness:
        return self.evidence.completeness

    @property
    def summaries(self) -> tuple[ArmSummary, ...]:
        """Every arm, in the plan's order."""
        return self.evidence.summaries

    @property
    def chosen(self) -> tuple[Arm, ...]:
        """The arm chosen on validation, for each block."""
        return tuple(verdict.best.arm for verdict in self.verdicts if verdict.best)

    @property
    def primary(self) -> tuple[Contrast, ...]:
        """The comparisons that answer the study's question, one family."""
        return tuple(dict.fromkeys(contrast for verdict in self.verdicts for contrast in verdict.contrasts))

    @property
    def differences(self) -> tuple[Contrast, ...]:
        """For each arm its difference to the control of its own settings, where there are controls; else `primary`."""
        return self.on_control or self.primary

    @property
    def on_control(self) -> tuple[Contrast, ...]:
        """Every arm against its control, where that is not the question."""
        return tuple(contrast for verdict in self.verdicts for contrast in verdict.on_control)

    @property
    def on_baseline(self) -> tuple[Contrast, ...]:
        """Every arm against the backbone alone, where that is not the question."""
        return tuple(contrast for verdict in self.verdicts for contrast in verdict.on_baseline)

    @cached_property
    def components(self) -> tuple[ComponentVerdict, ...]:
        """What each component brings, for each block of an ablation or of a grid; empty for another study."""
        return component_verdicts(self.evidence, self.verdicts)

    @cached_property
    def race(self) -> StudyRace | None:
        """The race that decided between the arms, of each block; None for a study of another method."""
        return read_race(self.study.plan, map(self.study.read, self.study.records))

    @cached_property
    def importances(self) -> Importances | str:
        """How much each factor matters, or why that cannot be said."""
        return "a race stops arms that are worse" if self.race else importances(self.evidence)

    @cached_property
    def paired_scores(self) -> tuple[PairedScores, ...]:
        """For each block's chosen arm and its reference what they say of the test videos, where cells keep it."""
        mains = [verdict.main for verdict in self.verdicts]
        pairs = [(main.arm, main.reference) for main in mains if main is not None and main.is_pair and main.n]
        made = (paired_scores(self.study, *pair) for pair in dict.fromkeys(pairs))
        return tuple(one for one in made if one is not None)

    @cached_property
    def confirmed(self) -> Confirmed | None:
        """The chosen arm on fresh seeds, where they were run."""
        return confirmed(self.evidence)


def conclude(study: Study) -> Conclusions:
    """Draw every conclusion that `study` supports."""
    evidence = Evidence(study)
    verdicts = block_verdicts(evidence)
    return Conclusions(evidence=evidence, verdicts=verdicts, over_blocks=over_blocks(evidence, verdicts))
