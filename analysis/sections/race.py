"""The race: who was dropped at which look, by how much, and what it saved; block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from analysis.figures.race_lanes import longest_first, race_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table
from analysis.study.cells import ARM, HASH, Study
from analysis.verdict.conclusions import Conclusions
from analysis.words.findings import Finding
from analysis.words.race_sentences import drop_sentences, race_block, race_sentence
from sweeps.race_state import RaceArm, RaceState, StudyRace
from sweeps.stats.intervals import in_points

_BLOCK = Column(key="block", header="block")
_COLUMNS = (
    Column(key="arm", header="arm"),
    Column(key="seeds", header="seeds", format="count"),
    Column(key="state", header="in the race"),
    Column(key="dropped_at", header="dropped after", format="count"),
    Column(key="way", header="for its", on_page="if any"),
    Column(key="beaten_by", header="ahead of it", on_page="if any"),
    Column(key="deficit", header="leader's lead", format="points"),
    Column(key="interval", header="95% interval, all looks", format="interval"),
    Column(key="collapsed", header="collapsed", format="count", on_page="if any"),
    Column(key="runs", header="of runs", format="count", on_page="if any"),
)
_METHOD = (
    "The race",
    "Arms run seed by seed. After fixed numbers of seeds an arm is dropped when it is shown to be worse than "
    "another, by its accuracy on validation or by its rate of collapse; the error of any false drop over all looks "
    "is bounded. Arms have then run different numbers of seeds for a reason, so intervals of a plan with a fixed "
    "number of seeds do not hold for them, and this page has none: those of the race allow for its stopping.",
)


_IN_BLOCKS = (
    "Races in blocks",
    "Arms of different blocks are no rivals: each block is a race of its own arms, with its own looks, drops and end, "
    "as if it had been run alone. Its error is that of one race, whatever the number of blocks.",
)


def _compute(conclusions: Conclusions) -> SectionContent:
    made = conclusions.race
    assert made is not None
    named = conclusions.study.label_of
    blocks = [race_block(race) for race in made.races]
    in_blocks = len(blocks) > 1
    rows, figures = [], []
    for number, (race, block) in enumerate(zip(made.races, blocks, strict=True), 1):
        rows += [_row(arm, conclusions, (block,) if in_blocks else ()) for arm in longest_first(race)]
        figures.append(race_figure(race, named, name=f"race_{number}" if in_blocks else "race", block=block))
    table = Table(
        name="race",
        caption=_caption(made),
        columns=(_BLOCK, *_COLUMNS) if in_blocks else _COLUMNS,
        rows=rows,
        max_rows=60,
    )
    return SectionContent(
        findings=_findings(made, blocks, conclusions.study),
        figures=[figure for figure in figures if figure],
        tables=[table],
        method=[_METHOD, _IN_BLOCKS] if in_blocks else [_METHOD],
    )


def _caption(made: StudyRace) -> str:
    race, each = "The race", ""
    if len(made.races) > 1:
        race, each = f"The {len(made.races)} races, one in each block,", " for each"
    return (
        f"{race} on validation, in percentage points, with an error of {100 * made.rules.alpha:g}%{each} over all "
        f"looks and a margin of {in_points(made.rules.margin)}: {made.cells} runs instead of the {made.grid_cells} "
        "of a grid."
    )


def _findings(made: StudyRace, blocks: Sequence[str], study: Study) -> list[tuple[str, list[Finding]]]:
    """Those of a race; of several what they cost together and what their error is, then those of each block."""
    cost = _cost(made.cells, made.grid_cells, made.races)
    if len(blocks) == 1:
        decision, *drops = _findings_of(made.races[0], study)
        return [("", [decision, cost, *drops])]
    error = Finding(topic="Error", text=made.error_sentence(), contrasts=made.races)
    own = [
        (block, [*_findings_of(race, study), _cost(race.cells, race.grid_cells, (race,))])
        for race, block in zip(made.races, blocks, strict=True)
    ]
    return [("", [error, cost]), *own]


def _cost(cells: int, grid_cells: int, behind: tuple[RaceState, ...]) -> Finding:
    text = f"It took {cells} of the {grid_cells} runs of a grid ({cells / grid_cells:.0%})."
    return Finding(topic="Cost", text=text, contrasts=behind)


def _findings_of(race: RaceState, study: Study) -> list[Finding]:
    return [
        Finding(topic="Decision", text=race_sentence(race, study), contrasts=(race,)),
        *(Finding(topic="Dropped", text=text, contrasts=(race,)) for text in drop_sentences(race, study)[:12]),
    ]


def _row(arm: RaceArm, conclusions: Conclusions, block: tuple[str, ...]) -> Row:
    named = conclusions.study.label_of
    label = named(arm.factors)
    # Without any variation of the differences there is no error to make an interval of.
    is_known = arm.low is not None and arm.high is not None and arm.low < arm.high
    interval = (arm.low, arm.high) if is_known else None
    values = (
        *block,
        label,
        arm.seeds,
        "dropped" if arm.dropped_at else "yes",
        arm.dropped_at,
        arm.way,
        named(arm.beaten_by) if arm.beaten_by else "",
        arm.difference,
        interval,
        *((arm.collapsed, arm.runs) if arm.runs else (None, None)),  # without attention no run can collapse
    )
    cells = conclusions.study.cells
    return Row(values=values, hashes=tuple(cells.loc[cells[ARM] == label, HASH]))


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    race = conclusions.race
    if race is None:
        return "the arms were not raced"
    return any(one.seeds > 0 for one in race.races) or "the race has not reached its first look"


RACE = Section(name="race", title="The race", order=15, compute=_compute, applies=_applies)
