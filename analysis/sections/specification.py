"""All arms at once, sorted by effect over their choices, beside what chance alone gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from analysis.figures.specification_curve import specification_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table
from analysis.study.arms import Arm
from analysis.study.factors import varied_factors
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.contrasts import Contrast, Sides
from analysis.verdict.over_blocks import OVER_BLOCKS, pairs_over_divisions
from analysis.words.findings import Finding
from sweeps.stats.means import MIN_SEEDS
from sweeps.stats.specification import EXACT_UP_TO, MIN_SEEDS_OUTSIDE, Specification, specification
from vmp.core.text import count

MIN_ARMS = 3
_COLUMNS = (
    Column(key="rank", header="place"),
    Column(key="arm", header="arm"),
    Column(key="reference", header="against", on_page="if varied"),
    Column(key="n", header="n", format="count", on_page="if varied"),
    Column(key="difference", header="difference", format="points"),
    Column(key="interval", header="95% interval, family", format="interval"),
    Column(key="chance", header="chance at this place", format="interval"),
    Column(key="is_outside", header="outside"),
)
_METHOD = (
    "Specification curve",
    "The arms' differences to their references are sorted. Were arms and references alike, the differences of a seed "
    "could as well have had the other sign: each sign pattern, one sign for all arms of a seed, gives another sorted "
    "curve, and the zone holds 95% of them or more at each place. All patterns are counted up to "
    f"{EXACT_UP_TO} seeds; below {MIN_SEEDS_OUTSIDE} seeds no place can lie outside (Simonsohn et al. 2020). It is a "
    "picture of chance for noise that is as likely up as down, and no test: a reference that collapses in some seeds "
    "moves all arms at once and puts places outside more often. Claims come from the families of comparisons alone.",
)


def _compute(conclusions: Conclusions) -> SectionContent:
    contrasts, by_seed = _contrasts(conclusions)
    curve = specification(differences_by_seed(by_seed))
    arms = [contrast.arm for contrast in contrasts]
    factors = varied_factors(arms, list(conclusions.study.plan.factors))
    rows = []
    for place, index in enumerate(curve.order.tolist()):
        c, chance = contrasts[index], (float(curve.low[place]), float(curve.high[place]))
        outside = "yes" if curve.is_outside[place] else "no"
        arm, reference = (c.arm.label, c.reference.label) if c.is_pair else (c.sides.subject, c.sides.against)
        values = (place + 1, arm, reference, c.n, c.mean, c.interval, chance, outside)
        rows.append(Row(values=values, hashes=c.hashes, priority=abs(place - (len(contrasts) - 1) / 2)))
    caption = (
        "Every arm's difference to its reference by rising effect, in percentage points, and between which limits "
        "chance alone leaves that place of the curve."
    )
    return SectionContent(
        findings=[("", [curve_finding(contrasts, curve)])],
        figures=[specification_figure(contrasts, curve, factors)],
        tables=[Table(name="specification", caption=caption, columns=_COLUMNS, rows=rows, max_rows=40)],
        method=[_METHOD],
    )


def curve_finding(contrasts: Sequence[Contrast], curve: Specification) -> Finding:
    """How many arms are ahead of their references, and how many lie outside what chance gives."""
    k, outside = len(contrasts), int(curve.is_outside.sum())
    above = sum(contrast.mean > 0 for contrast in contrasts)
    text = f"{above} of {k} arms {'has' if above == 1 else 'have'} a mean above that of "
    text += f"{'its' if above == 1 else 'their'} reference; "
    if curve.n < MIN_SEEDS_OUTSIDE:
        text += f"with {count(curve.n, 'seed')} no arm can lie outside what chance gives its place of the curve."
    else:
        lie, places = ("lies", "its place") if outside == 1 else ("lie", "their places")
        text += f"{outside} of {k} {lie} outside what chance gives {places} (sign flips within {curve.n} seeds)."
    return Finding(topic="All arms", text=text, contrasts=tuple(contrasts))


def differences_by_seed(contrasts: Sequence[Contrast]) -> np.ndarray:
    """Differences as (arms, seeds), NaN where an arm or its reference has no such seed."""
    seeds = sorted({seed for contrast in contrasts for seed in contrast.seeds})
    known = [dict(zip(contrast.seeds, contrast.differences, strict=True)) for contrast in contrasts]
    return np.array([[of_arm.get(seed, math.nan) for seed in seeds] for of_arm in known])


def compared(
    conclusions: Conclusions, references: Mapping[Arm, Arm], family: str
) -> tuple[list[Contrast], list[Contrast]]:
    """Each arm with its reference, or each setting over all divisions of the data; those of too few seeds are left out.

    Returns:
        The comparisons, and the same ones over seeds: other ones only where the first are over divisions of the data.
    """
    evidence = conclusions.evidence
    pairs = pairs_over_divisions(conclusions.study, references)
    shown = evidence.compare(pairs or [Sides.pair(*pair) for pair in references.items()], family)
    by_seed = evidence.compare([replace(sides, divisions=None) for sides in pairs], family) if pairs else shown
    enough = [i for i, one in enumerate(by_seed) if min(one.n, shown[i].n) >= MIN_SEEDS]
    return [shown[i] for i in enough], [by_seed[i] for i in enough]


def _contrasts(conclusions: Conclusions) -> tuple[list[Contrast], list[Contrast]]:
    """Every arm's comparison with its reference, see `compared`."""
    pairs = [contrast for contrast in conclusions.differences if contrast.is_pair]
    references = {contrast.arm: contrast.reference for contrast in pairs}
    if len(references) < len(pairs):  # every two arms are compared
        return [], []
    over = conclusions.over_blocks
    if over is None or over.divisions is None:
        enough = [contrast for contrast in pairs if contrast.n >= MIN_SEEDS]
        return enough, enough
    return compared(conclusions, references, f"arms with their references, {OVER_BLOCKS}")


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    return len(_contrasts(conclusions)[0]) >= MIN_ARMS or (
        f"it takes {MIN_ARMS} arms with one reference each and {MIN_SEEDS} seeds in common with it"
    )


SPECIFICATION = Section(
    name="specification", title="All arms beside chance", order=45, compute=_compute, applies=_applies
)
