"""How much each factor matters, beside what a factor without effect would seem to."""

from __future__ import annotations

import math
from typing import Literal

from analysis.figures.importance_bars import by_share, importance_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.importances import Importances
from analysis.words.findings import Finding
from sweeps.stats.importance import RESAMPLINGS
from vmp.core.text import count, listing

MAX_NAMED = 4
_COLUMNS = (
    Column(key="factor", header="factor"),
    Column(key="levels", header="values", format="count"),
    Column(key="share", header="importance", format="percent"),
    Column(key="interval", header="95% interval", format="percent_interval"),
    Column(key="floor", header="noise floor", format="percent"),
    Column(key="is_above", header="above"),
    Column(key="total", header="with interactions", format="percent"),
)
_FLOOR = (
    " The noise floor is the 95th percentile of dummies, factors without effect, in its place: {dummy}. A factor "
    "without effect passes it in at most 5%, each factor by itself. Intervals: Student's t by the standard error over "
    "{n} resamplings of {what}; shares are cut at 0 and 100%. This says how much a factor matters, not in which "
    "direction."
)
_METHODS = {
    "anova": "Exact functional ANOVA of the factorial: the variance of the means over the values of one factor, as a "
    "share of the variance of all arms' means over seeds, in test accuracy. Missing arms, at most a tenth, count as "
    "the factors by themselves predict them."
    + _FLOOR.format(
        dummy="in each seed the runs of one setting of the other factors are dealt anew among its values; and no lower "
        "than an F test with the seed as the block allows",
        n=RESAMPLINGS,
        what="the seeds",
    ),
    "ped": "PED-ANOVA (Watanabe et al. 2023), as the arms are no factorial: how far the values of the best fifth of "
    "the arms (eight at least), by test mean, are from those of all arms; shares of the sum. It sees what makes an arm "
    "one of the best, so a factor that decides how much outcomes vary counts too, and one that only tells poor arms "
    "from middling ones does not."
    + _FLOOR.format(
        dummy="its values dealt anew among arms that follow each other", n=RESAMPLINGS, what="arms and seeds"
    ),
}


def _compute(conclusions: Conclusions) -> SectionContent:
    made = conclusions.importances
    assert not isinstance(made, str)
    result = made.result
    rows = []
    for i in by_share(made):
        interval = (float(result.low[i]), float(result.high[i])) if math.isfinite(result.low[i]) else None
        total = None if result.total is None else float(result.total[i])
        values = (made.factors[i].title, len(made.factors[i].levels), float(result.share[i]), interval)
        above = "yes" if result.is_above[i] else "no"
        rows.append(Row(values=(*values, float(result.floor[i]), above, total), hashes=made.hashes))
    what = "the variance between arms' means" if result.method == "anova" else "the divergence of the best arms"
    caption = (
        f"Importance of each factor for the {conclusions.study.accuracy}: the share of {what} that is its own, in "
    )
    caption += "percent."
    return SectionContent(
        findings=[("", [importance_finding(made)])],
        figures=[importance_figure(made)],
        tables=[Table(name="importance", caption=caption, columns=_COLUMNS, rows=rows, max_rows=40)],
        method=[("Importance", _METHODS[result.method])],
    )


def importance_finding(made: Importances) -> Finding:
    """Which factors are above their noise floor, and which are not."""
    result = made.result
    order = by_share(made)
    above, under = ([i for i in order if result.is_above[i] == side] for side in (True, False))
    what = "the variance between arms" if result.method == "anova" else "what sets the best arms apart"
    parts = []
    for i in above[:MAX_NAMED]:
        text = f"{made.factors[i].title} {100 * result.share[i]:.0f}%"
        if math.isfinite(result.low[i]):
            text += f" ({100 * result.low[i]:.0f}% to {100 * result.high[i]:.0f}%)"
        parts.append(text)
    text = f"By themselves, of {what}: {listing(parts)}" if parts else ""
    text += f", and {len(above) - MAX_NAMED} more above the noise floor" if len(above) > MAX_NAMED else ""
    names = [made.factors[i].title for i in under]
    shown = listing(names if len(names) <= 2 * MAX_NAMED else [*names[:MAX_NAMED], f"{len(names) - MAX_NAMED} more"])
    if names and parts:
        text += (
            f"; {shown} {'lies' if len(names) == 1 else 'lie'} under the noise floor, where a factor without effect "
        )
        text += "would lie too."
    elif names:
        text = (
            f"All {count(len(names), 'factor')} ({shown}) lie under the noise floor: none matters more by itself than "
        )
        text += "a factor without effect would."
    else:
        text += "; no factor lies under the noise floor."
    if made.partial:
        text += f" Left out, as not all arms have them: {listing([factor.title for factor in made.partial])}."
    return Finding(topic="Importance", text=text, contrasts=(made,))


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    made = conclusions.importances
    return made if isinstance(made, str) else True


IMPORTANCE = Section(name="importance", title="Importance of factors", order=52, compute=_compute, applies=_applies)
