"""What the accuracy costs: the seconds of a cell for each arm, and the arms on the front of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from analysis.figures.cost_front import ArmCost, cost_figure, front, members
from analysis.sections.base import Column, Row, Section, SectionContent, Table
from analysis.study.cells import STEADY
from analysis.verdict.conclusions import Conclusions
from analysis.words.findings import Finding
from analysis.words.phrases import percent
from vmp.core.text import count, listing

MAX_NAMED = 4
_COLUMNS = (
    Column(key="arm", header="arm"),
    Column(key="n", header="cells timed", format="count"),
    Column(key="seconds", header="seconds a cell (median)", format="number"),
    Column(key="fastest", header="fastest", format="number"),
    Column(key="slowest", header="slowest", format="number"),
    Column(key="accuracy", header="test mean", format="percent"),
    Column(key="is_front", header="on the front"),
)
_METHOD = (
    "Cost",
    "Seconds are those of training and evaluating a complete cell, as its record has them. They "
    "depend on the machine and on what else it did, so they compare arms of one study only. Records hold neither "
    "parameters nor memory.",
)


def _compute(conclusions: Conclusions) -> SectionContent:
    costs, study = _costs(conclusions), conclusions.study
    on_front = members(costs)
    named = [f"{c.arm.label} ({c.seconds:.3g} s, {percent(c.accuracy)})" for c in on_front[-MAX_NAMED:]]
    text = (
        f"{len(on_front)} of {count(len(costs), 'arm')} {'is' if len(on_front) == 1 else 'are'} on the front of "
        "accuracy and seconds a cell, where every arm of a higher mean is slower in all of its cells: "
    )
    text += f"{listing(named)}{f', and {len(on_front) - MAX_NAMED} faster' if len(on_front) > MAX_NAMED else ''}."
    machines = {r.hardware.model_dump_json() for r in study.records.values() if r.hardware}
    if len(machines) > 1:
        text += f" The cells ran on {len(machines)} kinds of machine, so seconds of arms are not comparable as such."
    rows = [
        Row(
            values=(c.arm.label, c.n, c.seconds, c.fastest, c.slowest, c.accuracy, "yes" if c.is_front else "no"),
            hashes=study.hashes(study.rows(c.arm, study.test)),
            priority=float(c.is_front),
        )
        for c in sorted(costs, key=lambda c: c.seconds)
    ]
    columns = [replace(c, header=f"{study.split} mean".strip()) if c.key == "accuracy" else c for c in _COLUMNS]
    caption = (
        "Seconds of a complete cell (median over seeds, without the first cell of each worker, which warms up) and "
        f"mean {study.accuracy} of all complete cells in percent, by rising seconds."
    )
    return SectionContent(
        findings=[("", [Finding(topic="Cost", text=text)])],
        figures=[cost_figure(costs, study.accuracy)],
        tables=[Table(name="cost", caption=caption, columns=columns, rows=rows, max_rows=40)],
        method=[_METHOD],
    )


def _costs(conclusions: Conclusions) -> list[ArmCost]:
    """The arms with seconds and accuracy, in the plan's order."""
    study, known = conclusions.study, []
    for arm in study.arms:
        cells = study.rows(arm, STEADY, study.test)
        if cells.size:
            seconds = study.numbers(STEADY)[cells]
            times = float(np.median(seconds)), float(seconds.min()), float(seconds.max())
            accuracy = float(study.numbers(study.test)[study.rows(arm, study.test)].mean())
            known.append((arm, len(cells), *times, accuracy))
    fronts = front([(fastest, slowest, accuracy) for *_, fastest, slowest, accuracy in known])
    return [
        ArmCost(arm=arm, n=n, seconds=seconds, fastest=fastest, slowest=slowest, accuracy=accuracy, is_front=is_front)
        for (arm, n, seconds, fastest, slowest, accuracy), is_front in zip(known, fronts, strict=True)
    ]


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    return len(_costs(conclusions)) > 1 or "fewer than two arms have complete cells with their seconds"


COST = Section(name="cost", title="Accuracy and cost", order=75, compute=_compute, applies=_applies)
