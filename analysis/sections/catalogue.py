"""Every section of the report: the project's own in one list, those of other distributions by entry points.

Another distribution adds a section by an entry point in the group ``vmp.report_sections`` that names a `Section`::

    [project.entry-points."vmp.report_sections"]
    regret = "my_package.regret:SECTION"
"""

from __future__ import annotations

from importlib.metadata import entry_points

from analysis.sections.ablation import ABLATION
from analysis.sections.base import Section
from analysis.sections.blocks import BLOCKS
from analysis.sections.by_class import BY_CLASS
from analysis.sections.calibration import CALIBRATION
from analysis.sections.cell_list import CELL_LIST
from analysis.sections.cell_status import COMPLETENESS
from analysis.sections.checklists import CHECKLISTS_SECTION
from analysis.sections.clips import CLIPS
from analysis.sections.comparisons import COMPARISONS
from analysis.sections.confusion import CONFUSION
from analysis.sections.cost import COST
from analysis.sections.endings import ENDINGS
from analysis.sections.explorer import EXPLORER
from analysis.sections.factor_effects import EFFECTS
from analysis.sections.fresh_seeds import CONFIRMATION
from analysis.sections.glance import GLANCE
from analysis.sections.guidance import GUIDANCE
from analysis.sections.hero import HERO
from analysis.sections.importance import IMPORTANCE
from analysis.sections.key_findings import FINDINGS
from analysis.sections.manipulation import MANIPULATION
from analysis.sections.methods import METHODS
from analysis.sections.origin import PROVENANCE
from analysis.sections.other_comparisons import ON_BASELINE, ON_CONTROL
from analysis.sections.race import RACE
from analysis.sections.results import RESULTS
from analysis.sections.seed_by_seed import SEED_BY_SEED
from analysis.sections.seed_std import SEED_STD
from analysis.sections.sensitivity import SENSITIVITY
from analysis.sections.specification import SPECIFICATION
from analysis.sections.strata import STRATA
from analysis.sections.surface import SURFACE
from analysis.sections.training import TRAINING
from analysis.sections.transfer import TRANSFERS
from vmp.core.errors import InputError

GROUP = "vmp.report_sections"

SECTIONS: tuple[Section, ...] = (
    GLANCE,
    CONFIRMATION,
    HERO,
    RACE,
    FINDINGS,
    EXPLORER,
    EFFECTS,
    ABLATION,
    RESULTS,
    BLOCKS,
    TRANSFERS,
    COMPARISONS,
    SPECIFICATION,
    ON_CONTROL,
    ON_BASELINE,
    IMPORTANCE,
    SURFACE,
    SENSITIVITY,
    BY_CLASS,
    CONFUSION,
    STRATA,
    CLIPS,
    CALIBRATION,
    ENDINGS,
    SEED_STD,
    COST,
    GUIDANCE,
    COMPLETENESS,
    MANIPULATION,
    SEED_BY_SEED,
    TRAINING,
    METHODS,
    PROVENANCE,
    CHECKLISTS_SECTION,
    CELL_LIST,
)


def all_sections() -> tuple[Section, ...]:
    """Every section by rising order.

    Raises:
        InputError: An installed distribution offers something else than a `Section`, or a name that is taken.
    """
    sections = list(SECTIONS)
    for entry in entry_points(group=GROUP):
        section = entry.load()
        where = f"the report section '{entry.name}' ({entry.value}) of an installed distribution"
        if not isinstance(section, Section):
            raise InputError(
                f"{where} is a {type(section).__name__}, it must be an analysis.Section; uninstall or mend it"
            )
        if section.name in {one.name for one in sections}:
            raise InputError(f"{where} takes the name '{section.name}' of another section; uninstall or rename it")
        sections.append(section)
    return tuple(sorted(sections, key=lambda section: section.order))
