"""The race: who was dropped at which look, by how much, and what it saved."""

from __future__ import annotations

from typing import Literal

from analysis.figures.race_lanes import race_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table
from analysis.study.cells import ARM, HASH
from analysis.verdict.conclusions import Conclusions
from analysis.words.findings import Finding
from sweeps.race_state import RaceArm, RaceState
from sweeps.record import arm_key

_COLUMNS = (
    Column(key="arm", header="arm"),
    Column(key="seeds", header="seeds", format="count"),
    Column(key="state", header="in the race"),
    Column(key="dropped_at", header="dropped after", format="count"),
    Column(key="way", header="by its", on_page="if any"),
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


def _compute(conclusions: Conclusions) -> SectionContent:
    race = conclusions.race
    assert race is not None
    labels = {arm_key(arm.factors): arm.label for arm in conclusions.study.arms}
    rows = [_row(arm, labels, conclusions) for arm in race.arms]
    caption = (
        f"The race on validation, in percentage points, with an error of {100 * race.rules.alpha:g}% over all looks "
        f"and a margin of {100 * race.rules.margin:g} points: {race.cells} runs instead of the {race.grid_cells} of a "
        "grid."
    )
    table = Table(name="race", caption=caption, columns=_COLUMNS, rows=rows, max_rows=60)
    figure = race_figure(race, labels)
    return SectionContent(
        findings=[("", _findings(race))], figures=[figure] if figure else [], tables=[table], method=[_METHOD]
    )


def _findings(race: RaceState) -> list[Finding]:
    saved = f"It took {race.cells} of the {race.grid_cells} runs of a grid ({race.cells / race.grid_cells:.0%})."
    drops = [f"{line[0].upper()}{line[1:]}." for line in race.drops()]
    return [
        Finding(topic="Decision", text=race.sentence(), contrasts=(race,)),
        Finding(topic="Cost", text=saved, contrasts=(race,)),
        *(Finding(topic="Dropped", text=text, contrasts=(race,)) for text in drops[:12]),
    ]


def _row(arm: RaceArm, labels: dict[str, str], conclusions: Conclusions) -> Row:
    label = labels[arm_key(arm.factors)]
    interval = (arm.low, arm.high) if arm.low is not None and arm.high is not None else None
    values = (
        label,
        arm.seeds,
        "dropped" if arm.dropped_at else "yes",
        arm.dropped_at,
        arm.way,
        labels[arm_key(arm.beaten_by)] if arm.beaten_by else "",
        arm.difference,
        interval,
        arm.collapsed,
        arm.runs,
    )
    cells = conclusions.study.cells
    return Row(values=values, hashes=tuple(cells.loc[cells[ARM] == label, HASH]))


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    race = conclusions.race
    if race is None:
        return "the arms were not raced"
    return race.seeds > 0 or "the race has not reached its first look"


RACE = Section(name="race", title="The race", order=15, compute=_compute, applies=_applies)
