"""The comparisons that answer the study's question: differences, intervals, effect sizes, p values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from analysis.figures.forest import forest_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table, why_none
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast
from analysis.words.phrases import VERDICT_WORDS
from sweeps.stats.decisions import Verdict
from sweeps.stats.means import MIN_SEEDS

_COLUMNS = (
    Column(key="arm", header="arm"),
    Column(key="reference", header="against", on_page="if varied"),
    Column(key="n", header="n", format="count"),
    Column(key="difference", header="difference", format="points"),
    Column(key="interval", header="95% interval, family", format="interval"),
    Column(key="p", header="p (adjusted)", format="p"),
    Column(key="verdict", header="verdict"),
    Column(key="reason", header="why not more"),
    Column(key="d_z", header="d_z", format="ratio"),
    Column(key="share_ahead", header="P(A > B)", format="ratio"),
    Column(key="correlation", header="correlation", format="ratio"),
    Column(key="p_sign_flip", header="p (sign flip, adjusted)", format="p"),
    Column(key="p_floor", header="its floor", format="p"),
    Column(key="p_alone", header="p (t, alone)", format="p", on_page="never"),
    Column(key="possible_rate", header="possible collapse", format="percent", on_page="if any"),
    Column(key="cancelling_rate", header="cancelling collapse", format="percent", on_page="never"),
    Column(key="filled", header="diverged runs in it", format="count", on_page="if any"),
)


def comparisons_table(name: str, what: str, contrasts: Sequence[Contrast]) -> Table:
    """One row per comparison of a family; `what` says what the family is, for the caption."""
    rows = [
        Row(
            values=(
                c.sides.subject,
                c.sides.against,
                c.n,
                c.mean,
                c.interval,
                c.p,
                VERDICT_WORDS[c.verdict],
                c.reason.value,
                c.d_z,
                c.share_ahead,
                c.correlation,
                c.p_sign_flip,
                c.sign_flip_floor,
                c.p_alone,
                c.collapse.possible_rate if c.collapse else None,
                c.collapse.cancelling_rate if c.collapse else None,
                c.filled,
            ),
            hashes=c.hashes,
        )
        for c in contrasts
    ]
    against = {contrast.sides.against for contrast in contrasts}
    beside = f" ({against.pop()})" if len(against) == 1 else ""
    on = f"on {contrasts[0].split} " if contrasts[0].split else ""
    family = contrasts[0].family
    together = f"one family of {family} comparisons, whose intervals and p values hold together"
    caption = (
        f"{what}{beside}, {on}within seeds, in percentage points: {together if family > 1 else 'one comparison'}. "
        "d_z is the mean difference over its standard deviation, P(A > B) the share of seeds in which the arm is "
        "ahead; the floor is the smallest p that the sign-flip test can give here."
    )
    if any(contrast.collapse and contrast.collapse.possible_rate for contrast in contrasts):
        caption += " Possible collapse: the highest rate of collapse, in percent, that the runs do not exclude."
    return Table(name=name, caption=caption, columns=_COLUMNS, rows=rows, max_rows=60)


def comparisons_section(
    name: str, title: str, order: int, what: str, absent: str, family: Callable[[Conclusions], Sequence[Contrast]]
) -> Section:
    """A folded section of one more family.

    Args:
        name, title, order: Of the section.
        what: Of the family, for the table's caption.
        absent: Why a study has no such family.
        family: Its comparisons.
    """

    def compute(conclusions: Conclusions) -> SectionContent:
        return SectionContent(tables=[comparisons_table(name.replace("-", "_"), what, family(conclusions))])

    def applies(conclusions: Conclusions) -> Literal[True] | str:
        return _has_verdicts(family(conclusions), why_none(conclusions, absent))

    return Section(name=name, title=title, order=order, compute=compute, applies=applies, is_folded=True)


def _compute(conclusions: Conclusions) -> SectionContent:
    figure = forest_figure(conclusions.primary)
    table = comparisons_table("comparisons", "What the study compares", conclusions.primary)
    return SectionContent(figures=[figure] if figure else [], tables=[table])


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    return _has_verdicts(conclusions.primary, why_none(conclusions, "the study has no two arms to compare"))


def _has_verdicts(contrasts: Sequence[Contrast], absent: str) -> Literal[True] | str:
    if not contrasts:
        return absent
    return any(c.verdict is not Verdict.NONE for c in contrasts) or (
        f"no two of its arms have {MIN_SEEDS} seeds in common"
    )


COMPARISONS = Section(name="comparisons", title="Paired comparisons", order=40, compute=_compute, applies=_applies)
