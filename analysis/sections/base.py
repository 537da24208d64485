"""What a section of the report is, and what it may hold: sentences, tables, figures, facts, and notes on method."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.figures.figure import ReportFigure
from analysis.study.arms import Kind
from analysis.study.cells import Study
from analysis.study.clip_scores import has_predictions
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.verdicts import BlockVerdict
from analysis.words.findings import Finding
from sweeps.records.clip_pictures import ExampleClips
from sweeps.stats.intervals import Interval

Value = str | int | float | bool | None | tuple[float, float] | Interval
Format = Literal[
    "text", "code", "count", "percent", "percent_interval", "points", "interval", "number", "ratio",
    "ratio_interval", "p",
]  # fmt: skip
OnPage = Literal["always", "if any", "if varied", "never"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        key: Its name in CSV.
        header: Its header for people.
        format: How its values are written for people. ``percent`` and ``points`` values are fractions; an interval is
            a pair of fractions or an `Interval`: of a difference (``interval``), an accuracy (``percent_interval``).
        on_page: Whether the page and LaTeX show it: always, if any value is not zero, if its values differ, or in CSV
            and Markdown alone. A column without any value is shown nowhere but in CSV.
    """

    key: str
    header: str
    format: Format = "text"
    on_page: OnPage = "always"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        values: In the order of the table's columns.
        hashes: The cells that they come from.
        priority: Rows of higher priority come first on the page once not all of them fit.
        is_chosen: Whether the page marks the row as the arm that was chosen.
    """

    values: tuple[Value, ...]
    hashes: tuple[str, ...] = ()
    priority: float = 0.0
    is_chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the report, written to files in full.

    Attributes:
        name: File name without ending.
        caption: What the numbers are.
        columns, rows: Its content.
        max_rows: Rows that the page shows at most.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    max_rows: int = 400


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A key figure in large type, with a note in small."""

    name: str
    value: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A list of items, each with a text after it; folded away under `title` if it has one."""

    items: Sequence[tuple[str, str]]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture of a gallery.

    Attributes:
        title: What it is of. note: A line below.
        jpeg: In base64. width, height: In pixels.
        alt: What is to be seen, for those who do not see it.
    """

    title: str
    note: str
    jpeg: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures beside each other, for the page alone.

    Attributes:
        caption: What they show.
        groups: (heading, pictures) pairs.
    """

    caption: str
    groups: Sequence[tuple[str, Sequence[Picture]]]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text in Markdown beside the page: ``appendix/<name>.md``."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class StatusGrid:
    """Rows by columns of small marks.

    Attributes:
        corner: What rows and columns are.
        columns: Headers.
        rows: (header, for each column the state and its description, or ``None``).
        legend: (state, what it means) for each state that occurs.
    """

    corner: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[str, str] | None]]]
    legend: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class ExplorerStart:
    """A slope and a shift to start from: a cell that ended there, or a published value.

    Attributes:
        group: Starts of one group stand together.
        label: Which cell, or where it was published.
        slope, shift: In (9.09, 50] and (-0.6, 0.6).
    """

    group: str
    label: str
    slope: float
    shift: float


@dataclass(frozen=True, kw_only=True)
class Explorer:
    """Test clips on which the page draws the layer's attention for any slope and shift.

    Attributes:
        clips: With their pictures.
        starts: The first is what the page opens with.
        caption: What is to be seen.
    """

    clips: ExampleClips
    starts: Sequence[ExplorerStart]
    caption: str


@dataclass(frozen=True, kw_only=True)
class SectionContent:
    """What a section shows, in the order of these fields.

    Attributes:
        intro: A paragraph.
        tiles: Key figures.
        findings: (subheading or "", sentences) pairs.
        explorer: Test clips to play with.
        galleries: Pictures.
        listings, grid, figures, tables, facts: The other things that a section may have; facts are (term, text).
        documents: Files beside the page.
        method: (term, text) notes on how the numbers were made, gathered by the section on methods.
    """

    intro: str = ""
    tiles: Sequence[Tile] = ()
    findings: Sequence[tuple[str, Sequence[Finding]]] = ()
    explorer: Explorer | None = None
    listings: Sequence[Listing] = ()
    grid: StatusGrid | None = None
    figures: Sequence[ReportFigure] = ()
    galleries: Sequence[Gallery] = ()
    tables: Sequence[Table] = ()
    facts: Sequence[tuple[str, str]] = ()
    documents: Sequence[Document] = ()
    method: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the report: add one by a new file with one of these, and its line in `catalogue.SECTIONS`.

    Attributes:
        name: Its anchor; letters, digits and hyphens.
        title: Its heading; empty for what stands above the list of contents.
        order: Sections stand by rising order; the project's own take tens from 0 to 150.
        compute: From the study's conclusions to the content. Called once, only where `applies` is true.
        applies: True, or the reason why this study cannot have the section, as a clause that follows a colon.
        is_folded: Whether the page shows the heading alone until it is opened.
        gathers_methods: Whether the notes on method of all sections are put here.
    """

    name: str
    title: str
    order: int
    compute: Callable[[Conclusions], SectionContent]
    applies: Callable[[Conclusions], Literal[True] | str] = lambda _: True
    is_folded: bool = False
    gathers_methods: bool = False


def priorities(conclusions: Conclusions) -> Mapping[str, float]:
    """By arm label the priority of its row in a long table: references first, then by validation mean."""
    return {
        s.arm.label: (2.0 if s.arm.kind in (Kind.BASELINE, Kind.CONTROL) else 0.0)
        + (-1.0 if math.isnan(s.val_mean) else s.val_mean)
        for s in conclusions.summaries
    }


def why_none(conclusions: Conclusions, reason: str) -> str:
    """Why a study has no comparisons: `reason`, or that it was raced."""
    return (
        "the race decides between its arms, with intervals that allow for its stopping" if conclusions.race else reason
    )


def why_no_scores(conclusions: Conclusions) -> Literal[True] | str:
    """True where the chosen arm and its reference keep predictions in a common seed, else why they do not."""
    if conclusions.paired_scores:
        return True
    if not has_predictions(conclusions.study):
        return "no cell keeps predictions of the test videos; those of earlier versions do not"
    return "no arm was chosen that shares a seed with predictions with its reference"


def scores_suffixes(conclusions: Conclusions) -> list[str]:
    """What makes the names of figures unique, for each of `Conclusions.paired_scores`."""
    return _suffixes(len(conclusions.paired_scores))


def block_figures(
    conclusions: Conclusions, make: Callable[[Study, BlockVerdict, str], ReportFigure | None]
) -> list[ReportFigure]:
    """One figure for each block that has one; `make` gets the suffix for its name."""
    verdicts = conclusions.verdicts
    pairs = zip(verdicts, _suffixes(len(verdicts)), strict=True)
    made = [make(conclusions.study, verdict, suffix) for verdict, suffix in pairs]
    return [figure for figure in made if figure]


def _suffixes(number: int) -> list[str]:
    """``_1``, ``_2``, ... for several things of one name; one alone needs none."""
    return [f"_{i + 1}" for i in range(number)] if number > 1 else [""]
