"""Supporting sentences that every kind of verdict needs: collapse, pairing, plain comparisons, the winner's curse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.outcome import Contrast
from analysis.phrases import collapse_note, points, span
from analysis.summary import ArmSummary


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A supporting sentence or two, under the topic they belong to."""

    topic: str
    text: str


def mixed_seeds(summary: ArmSummary) -> str:
    """A warning for the headline: a mean over collapsed and working seeds describes neither."""
    collapse = summary.collapse
    if collapse is None or not collapse.seeds:
        return ""
    return f"; {len(collapse.seeds)} of its {collapse.judged} seeds collapsed, so the mean mixes two outcomes"


def collapse_findings(summaries: Sequence[ArmSummary], margin: float) -> list[tuple[str, str | None]]:
    """A note on each arm with collapsed seeds; one over all of them when there are many."""
    collapsed = [s for s in summaries if s.collapse and s.collapse.seeds]
    if len(collapsed) > 5:
        return [("Collapse", _collapse_overall(collapsed, margin))]
    return [("Collapse", collapse_note(s, margin)) for s in collapsed]


def _collapse_overall(summaries: Sequence[ArmSummary], margin: float) -> str:
    """Collapse over many arms: how many cells, where most, and whether they are the control's equals."""
    collapses = [(s, s.collapse) for s in summaries if s.collapse]
    cells = sum(len(c.seeds) for _, c in collapses)
    share = [len(c.seeds) / c.judged for _, c in collapses]
    worst = [s.arm.label for (s, _), part in zip(collapses, share, strict=True) if part == max(share)]
    told = f"{cells} cells in {len(summaries)} arms collapsed to a practically constant attention, most at "
    told += "; ".join(worst[:4]) + (f" and {len(worst) - 4} more" if len(worst) > 4 else "") + "."
    gaps = [c.largest_gap for _, c in collapses if c.largest_gap is not None]
    if gaps:
        near = sum(gap <= margin for gap in gaps)
        told += (
            f" In {near} of these {len(gaps)} arms every collapsed seed equals the control within "
            f"{100 * margin:g} points (largest difference anywhere: {100 * max(gaps):.1f})."
        )
    return told


def plain_comparison(subject: str, contrast: Contrast) -> str | None:
    if contrast.n < 2:
        return None
    if contrast.band is None:
        each = f"{points(contrast.mean)} points on test in each of {contrast.n} seeds"
        return f"{subject}: {each}: {contrast.outcome.value}."
    allowing = f", allowing for {contrast.family} comparisons" if contrast.family > 1 else ""
    return (
        f"{subject}: {points(contrast.mean)} points on test (95% interval {span(contrast.band)}{allowing}): "
        f"{contrast.outcome.value}."
    )


def pairing_note(contrast: Contrast) -> str | None:
    value = float(contrast.table_row["correlation"])
    if math.isnan(value):
        return None
    use = "pairing by seed pays" if value > 0.3 else "pairing by seed gains little here"
    return f"Over seeds the two arms correlate at {value:+.2f}".replace("-", "−") + f": {use}."


def winners_curse(arms: int) -> str:
    return (
        "The choice is not yet confirmed on fresh seeds. It was made on validation and is reported on test, but with "
        f"the same trained networks, and the best of {arms} tends to look better than it is."
    )
