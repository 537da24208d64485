"""Each arm against its reference: differences, intervals, effect sizes, p values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from analysis.figures.forest import forest_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table, limits_of
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast

_COLUMNS = (
    Column(key="arm", header="arm"),
    Column(key="reference", header="reference", on_page="if varied"),
    Column(key="n", header="n", format="count"),
    Column(key="difference", header="difference", format="points"),
    Column(key="interval", header="95% interval, alone", format="interval"),
    Column(key="simultaneous", header="95% interval, family", format="interval"),
    Column(key="d_z", header="d_z", format="ratio"),
    Column(key="p_superior", header="P(A > B)", format="ratio"),
    Column(key="correlation", header="correlation", format="ratio"),
    Column(key="p_t_holm", header="p (t, Holm)", format="p"),
    Column(key="p_sign_flip", header="p (sign flip)", format="p"),
    Column(key="p_sign_flip_holm", header="p (sign flip, Holm)", format="p", on_page="never"),
    Column(key="p_floor", header="smallest possible p (sign flip)", format="p", on_page="never"),
    Column(key="p_equivalence", header="p (equal)", format="p"),
    Column(key="claim", header="verdict"),
)


def comparisons_table(name: str, against: str, contrasts: Sequence[Contrast]) -> Table:
    """One row per comparison. `against` says what kind of reference it is with."""
    rows = [
        Row(
            values=(
                c.arm.label,
                c.reference.label,
                c.n,
                c.mean,
                limits_of(c.interval),
                limits_of(c.simultaneous_interval),
                c.d_z,
                c.p_superior,
                c.correlation,
                c.p_t_holm,
                c.p_sign_flip,
                c.p_sign_flip_holm,
                c.p_sign_flip_floor,
                c.p_equivalence,
                c.claim.value,
            ),
            hashes=c.hashes,
        )
        for c in contrasts
    ]
    references = {contrast.reference.label for contrast in contrasts}
    against += f" ({references.pop()})" if len(references) == 1 else ""
    caption = (
        f"Paired comparisons with {against} on test, in percentage points; families of {contrasts[0].family} "
        "comparisons. d_z is the mean difference over its standard deviation, P(A > B) the share of seeds in which the "
        "arm is ahead, p (equal) the test for practical equality."
    )
    return Table(name=name, caption=caption, columns=_COLUMNS, rows=rows, max_rows=60)


def _compute(conclusions: Conclusions) -> SectionContent:
    figure = forest_figure(conclusions.primary)
    return SectionContent(
        figures=[figure] if figure else [],
        tables=[comparisons_table("comparisons", "the reference", conclusions.primary)],
    )


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    if not conclusions.primary:
        return "the study has no reference arm"
    return any(c.n >= 2 for c in conclusions.primary) or "no arm has 2 seeds in common with its reference"


COMPARISONS = Section(name="comparisons", title="Paired comparisons", order=40, compute=_compute, applies=_applies)
