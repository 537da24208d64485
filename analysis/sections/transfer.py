"""Learnt there, used here: what slope and shift from other data are worth against those learnt where they are used."""

from __future__ import annotations

from typing import Literal

from analysis.figures.transfer_grid import transfer_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.transfers import Transferred, transfers
from analysis.words.claims import brief
from analysis.words.findings import Finding
from analysis.words.phrases import VERDICT_WORDS, verdict_counts
from vmp.core.text import count

_COLUMNS = (
    Column(key="source", header="learnt on"),
    Column(key="target", header="used on"),
    Column(key="way", header="how", on_page="if any"),
    Column(key="difference", header="to learnt here", format="points"),
    Column(key="difference_interval", header="95% interval, family", format="interval"),
    Column(key="n", header="seeds", format="count"),
    Column(key="verdict", header="verdict"),
)


def _compute(conclusions: Conclusions) -> SectionContent:
    made = transfers(conclusions)
    study = conclusions.study
    rows = [
        Row(
            values=(
                one.source,
                one.target,
                one.way,
                one.contrast.mean,
                one.contrast.interval,
                one.contrast.n,
                VERDICT_WORDS[one.contrast.verdict],
            ),
            hashes=one.contrast.hashes,
        )
        for one in made
    ]
    caption = (
        "Slope and shift that were learnt on other videos against those learnt on the videos where they are used: "
        f"paired differences in points of {study.accuracy}. Intervals hold for all comparisons of the study's question."
    )
    return SectionContent(
        findings=[("", [transfer_finding(made)])],
        figures=[transfer_figure(made, study.split)],
        tables=[Table(name="transfer", caption=caption, columns=_COLUMNS, rows=rows, max_rows=40)],
    )


def transfer_finding(made: tuple[Transferred, ...]) -> Finding:
    """How many comparisons have which verdict, and the lowest of them."""
    text = f"Against slope and shift learnt where they are used, {count(len(made), 'setting')} learnt on other videos "
    text += f"{'is' if len(made) == 1 else 'are'}: {verdict_counts(one.contrast for one in made)}."
    known = [one for one in made if one.contrast.interval is not None]
    if known:
        low = min(known, key=lambda one: one.contrast.mean)
        text += f" The lowest is learnt on {low.source} and used on {low.target}{f' ({low.way})' if low.way else ''}: "
        text += f"{brief(low.contrast)}."
    return Finding(topic="Learnt elsewhere", text=text, contrasts=tuple(one.contrast for one in made))


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    return bool(transfers(conclusions)) or (
        "no slope and shift learnt on other data are compared with those learnt where they are used"
    )


TRANSFERS = Section(name="transfer", title="Learnt there, used here", order=36, compute=_compute, applies=_applies)
