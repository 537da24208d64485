"""The response to two numeric factors: points, a fit with its error, the basin of collapse, and where starts end."""

from __future__ import annotations

from typing import Literal

import numpy as np

from analysis.figures.surface_map import surface_figure
from analysis.sections.base import Column, Row, Section, SectionContent, Table
from analysis.study.cells import Study
from analysis.study.factors import Factor
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.surfaces import Cut, ResponseSurface, response_surface
from analysis.words.findings import Finding
from analysis.words.phrases import number, percent, rate_text
from vmp.core.text import count, listing

_METHOD = (
    "Response surface",
    "Points are means over the seeds of the arms there. The surface is the one of seven (a plane, with an interaction, "
    "quadratic, thin-plate splines of four degrees of smoothing) that errs least at points left out, one at a time; "
    "that error is stated, a little too favourable as it also chose. Factors that span a decade are taken by their "
    "logarithm. It is drawn within the hull of the points alone. The cut between healthy and collapsed runs is the "
    "single one that parts them best, looked for after the fact. The section describes; effects of these factors "
    "are in the families of comparisons.",
)


def _compute(conclusions: Conclusions) -> SectionContent:
    surfaces = [(v.block, response_surface(conclusions, v)) for v in conclusions.verdicts]
    made = [(block, one) for block, one in surfaces if not isinstance(one, str)]
    suffixes = [f"_{i + 1}" for i in range(len(made))] if len(made) > 1 else [""]
    return SectionContent(
        findings=[(block, surface_findings(one)) for block, one in made],
        figures=[
            surface_figure(one, conclusions.study.accuracy, suffix)
            for (_, one), suffix in zip(made, suffixes, strict=True)
        ],
        tables=[_table(one, suffix, conclusions.study) for (_, one), suffix in zip(made, suffixes, strict=True)],
        method=[_METHOD],
    )


def _table(surface: ResponseSurface, suffix: str, study: Study) -> Table:
    columns = (
        Column(key=surface.x.name, header=surface.x.title),
        Column(key=surface.y.name, header=surface.y.title),
        Column(key="arms", header="arms", format="count", on_page="if varied"),
        Column(key="mean", header=f"{study.split} mean".strip(), format="percent"),
        Column(key="fit", header="fit", format="percent"),
        Column(key="collapsed", header="collapsed runs"),
        Column(key="collapsed_interval", header="95% interval", format="percent_interval"),
    )
    fit = surface.fit
    shown: list[float | None] = [None] * len(surface.places)
    if fit is not None and fit.name:
        shown = [
            float(value) for value in fit.predict(surface.scaled([[place.x, place.y] for place in surface.places]))
        ]
    rows = []
    for place, fitted in zip(surface.places, shown, strict=True):
        rate = place.rate
        ill = (f"{rate.count} of {rate.n}", (rate.low, rate.high)) if rate.n else (None, None)
        values = (place.x, place.y, len(place.arms), place.mean, fitted, *ill)
        rows.append(Row(values=values, hashes=place.hashes, priority=place.mean))
    caption = (
        f"Mean {study.accuracy} at each point of {surface.x.title} and {surface.y.title}, beside the fit, in percent."
    )
    return Table(name=f"surface{suffix}", caption=caption, columns=columns, rows=rows, max_rows=60)


def surface_findings(surface: ResponseSurface) -> list[Finding]:
    """Highest and lowest point with the error of the fit; which runs collapsed; where starts end."""
    best, worst = (pick(surface.places, key=lambda place: place.mean) for pick in (max, min))
    text = (
        f"Of {count(len(surface.places), 'point')} the highest mean is {percent(best.mean)} at {_at(surface, best)}, "
    )
    text += f"the lowest {percent(worst.mean)} at {_at(surface, worst)}"
    if surface.fit is not None and surface.fit.name:
        text += (
            f"; {surface.fit.name} errs by {100 * surface.fit.error:.1f} points at a point left out, the mean of the "
        )
        text += f"others by {100 * surface.fit.error_of_mean:.1f}."
    else:
        text += "; no fit errs less at a point left out than the mean of the others, so none is drawn."
    findings = [Finding(topic="Surface", text=text)]
    if surface.cut is not None:
        findings.append(_basin(surface.cut))
    elif surface.rate.n:
        verb = "All" if surface.rate.count else "None"
        text = f"{verb} of the {count(surface.rate.n, 'run')} collapsed or diverged, at whichever point."
        findings.append(Finding(topic="Collapse", text=text, contrasts=(surface.rate,)))
    if surface.paths:
        findings.append(Finding(topic="Ends", text=_ends(surface)))
    return findings


def _basin(cut: Cut) -> Finding:
    sides = [(cut.rate_below, f"{cut.factor.title} ≤ {number(cut.below)}")]
    sides.append((cut.rate_above, f"{cut.factor.title} ≥ {number(cut.above)}"))
    (worse, where), (better, elsewhere) = sorted(sides, key=lambda side: -side[0].value)
    text = f"At {where}, {rate_text(worse)} collapsed or diverged, against {rate_text(better)} at {elsewhere}: the cut "
    text += "that parts them best, looked for after the fact."
    return Finding(topic="Collapse", text=text, contrasts=(worse, better))


def _ends(surface: ResponseSurface) -> str:
    parts = []
    for is_collapsed, who in ((False, "healthy"), (True, "collapsed")):
        paths = [path for path in surface.paths if path.is_collapsed == is_collapsed]
        if paths:
            where = [_range(f, [getattr(path, axis)[-1] for path in paths]) for axis, f in _axes(surface)]
            parts.append(f"{count(len(paths), f'{who} run')} end at {listing(where)}")
    starts = [_range(f, [getattr(path, axis)[0] for path in surface.paths]) for axis, f in _axes(surface)]
    return f"From {listing(starts)}, {' and '.join(parts)} (lowest to highest)."


def _axes(surface: ResponseSurface) -> list[tuple[str, Factor]]:
    return [("x", surface.x), ("y", surface.y)]


def _range(factor: Factor, values: list[float]) -> str:
    low, high = (f"{np.round(end, 2) + 0.0:g}" for end in (min(values), max(values)))
    return f"{factor.title} = {low}" if low == high else f"{factor.title} = {low} to {high}"


def _at(surface: ResponseSurface, place: object) -> str:
    return ", ".join(f"{factor.title} = {number(getattr(place, axis))}" for axis, factor in _axes(surface))


def _applies(conclusions: Conclusions) -> Literal[True] | str:
    if conclusions.race:
        return "a race stops arms that are worse, so points differ in their seeds"
    made = [response_surface(conclusions, verdict) for verdict in conclusions.verdicts]
    reasons = [one for one in made if isinstance(one, str)]
    return reasons[0] if len(reasons) == len(made) else True


SURFACE = Section(name="surface", title="Response surface", order=54, compute=_compute, applies=_applies)
