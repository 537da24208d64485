"""What each factor of a factorial does by itself: effects on accuracy and on collapse, and interactions."""

from __future__ import annotations

from typing import Literal

from analysis.figures.forest import forest_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table, Value, why_none
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast
from analysis.verdict.effects import Effect
from analysis.words.phrases import VERDICT_WORDS
from sweeps.stats.collapse import Rate

_SIDES = (
    Column(key="block", header="block", on_page="if any"),
    Column(key="subject", header="effect of"),
    Column(key="against", header="against"),
    Column(key="over", header="averaged over", on_page="if any"),
)
_NUMBERS = (
    Column(key="n", header="n", format="count"),
    Column(key="difference", header="difference", format="points"),
    Column(key="interval", header="95% interval, family", format="interval"),
    Column(key="p", header="p (adjusted)", format="p"),
)
_EFFECTS = (
    *_SIDES,
    *_NUMBERS,
    Column(key="verdict", header="verdict"),
    Column(key="collapsed", header="collapsed runs"),
    Column(key="collapsed_interval", header="95% interval", format="percent_interval"),
    Column(key="collapsed_against", header="against"),
    Column(key="collapsed_against_interval", header="95% interval", format="percent_interval"),
    Column(key="p_rates", header="p (rates, adjusted)", format="p"),
)
INTERACTION_COLUMNS = (*_SIDES, *_NUMBERS, Column(key="shown", header="shown"))
_METHOD = (
    "Effects of factors",
    "Within each seed the runs of one group of values are averaged and compared with those of another, over the same "
    "settings of the other factors, so a seed gives one number and is the block; numbers are split into their upper "
    "and lower half, without the middle value. All effects are one family, all interactions another. Rates of "
    "collapse are compared by the largest p of a paired t test over seeds, an exact test of the runs (Boschloo) and, "
    "over divisions of the data, a t test over these that allows for what they share, with Holm; no p is smaller than "
    "seeds, or divisions, counted once each can give.",
)


def _compute(conclusions: Conclusions) -> SectionContent:
    over = conclusions.over_blocks
    over_all = [(f"over {over.over}", effect) for effect in over.effects] if over else []
    effects = [(verdict.block, effect) for verdict in conclusions.verdicts for effect in verdict.effects]
    interactions = [(verdict.block, one) for verdict in conclusions.verdicts for one in verdict.interactions]
    figure = forest_figure([effect.contrast for _, effect in over_all or effects], "effects")
    accuracy = conclusions.study.accuracy
    caption = f"Main effects on the {accuracy}, in percentage points, and on how many runs collapsed or diverged."
    tables = [
        Table(
            name="effects",
            caption=caption,
            columns=_EFFECTS,
            rows=[_effect(b, e) for b, e in over_all + effects],
            max_rows=60,
        )
    ]
    if interactions:
        caption = "Interactions: how much an effect differs between two groups of values of another factor, in points."
        rows = [interaction_row(block, contrast) for block, contrast in interactions]
        tables.append(Table(name="interactions", caption=caption, columns=INTERACTION_COLUMNS, rows=rows, max_rows=60))
    return SectionContent(figures=[figure] if figure else [], tables=tables, method=[_METHOD])


def _sides(block: str, c: Contrast) -> tuple[Value, ...]:
    return block, c.sides.subject, c.sides.against, c.sides.over, c.n, c.mean, c.interval, c.p


def _effect(block: str, effect: Effect) -> Row:
    c, rates = effect.contrast, effect.rates
    of_runs = [*_rate(rates.subject), *_rate(rates.against), rates.p] if rates else [None] * 5
    return Row(values=(*_sides(block, c), VERDICT_WORDS[c.verdict], *of_runs), hashes=c.hashes)


def interaction_row(block: str, c: Contrast) -> Row:
    """An interaction in a table with `INTERACTION_COLUMNS`."""
    is_shown = c.interval is not None and c.interval.excludes_zero
    return Row(values=(*_sides(block, c), "yes" if is_shown else "no"), hashes=c.hashes)


def _rate(rate: Rate) -> tuple[str, tuple[float, float]]:
    return f"{rate.count} of {rate.n}", (rate.low, rate.high)


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    return any(v.effects for v in conclusions.verdicts) or why_none(conclusions, "the study does not cross two factors")


EFFECTS = Section(name="effects", title="Effects of factors", order=25, compute=_compute, applies=_applies)
