"""Two numeric factors of a block: the outcome at each point, collapsed runs, where the layer started and ended."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.study.arms import Arm, Kind
from analysis.study.cells import ARM, COLLAPSED, COMPLETE, HASH, STATUS, Study
from analysis.study.factors import Factor
from analysis.verdict.conclusions import Conclusions
from analysis.verdict.verdicts import BlockVerdict
from sweeps.records.factors import is_number
from sweeps.stats.collapse import Rate, pooled_rate, rate
from sweeps.stats.stepdown import Floats
from sweeps.stats.surface import MIN_POINTS, Surface, surface

STARTS = (("n", "m"), ("shift", "slope"))  # pairs of initial values that training changes and records


@dataclass(frozen=True, kw_only=True)
class Place:
    """One point of the two factors. mean: of the test accuracy over its arms, which may differ in other factors."""

    x: float
    y: float
    arms: tuple[Arm, ...]
    mean: float
    rate: Rate
    hashes: tuple[str, ...]


def on_scale(values: npt.ArrayLike, is_log: bool) -> Floats:
    """Values as the fit and the figure see them: their logarithms where a factor spans a decade and more."""
    known = np.asarray(values, dtype=np.float64)
    return np.asarray(np.log10(known) if is_log else known, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Path:
    """One run of the layer, from its start to its end in the plane of the two factors, epoch by epoch."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    is_collapsed: bool


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The one cut between values of one factor that parts collapsed from healthy runs best. below: its last value."""

    factor: Factor
    below: float
    above: float
    rate_below: Rate
    rate_above: Rate


@dataclass(frozen=True, kw_only=True, eq=False)
class ResponseSurface:
    """What a block shows over two factors.

    Attributes:
        x, y: The factors; x has as many values as y, or more.
        others: Factors that vary beside them, averaged over.
        places: The points that were run.
        fit: A smooth surface; None for too few points.
        log: Whether x and y are on a log scale.
        cut: None where no run collapsed, or every one.
        paths: Empty unless the factors are the start of slope and shift.
    """

    x: Factor
    y: Factor
    others: tuple[Factor, ...]
    places: tuple[Place, ...]
    fit: Surface | None
    log: tuple[bool, bool]
    cut: Cut | None
    paths: tuple[Path, ...]

    def scaled(self, points: npt.ArrayLike) -> Floats:
        """Points (p, 2) on the scale of the fit."""
        known = np.asarray(points, dtype=np.float64)
        return np.column_stack([on_scale(known[:, i], self.log[i]) for i in range(2)])

    @property
    def rate(self) -> Rate:
        """Of all runs."""
        return pooled_rate([place.rate for place in self.places])


def response_surface(conclusions: Conclusions, verdict: BlockVerdict) -> ResponseSurface | str:
    """The surface of a block, or why it has none."""
    ordered = [factor for factor in verdict.factors if factor.is_ordered]
    if len(ordered) < 2:
        return "it takes two numeric factors"
    x, y = _pair(conclusions, ordered)
    arms = [s.arm for s in verdict.candidates if s.arm.kind is Kind.VMP] or [s.arm for s in verdict.candidates]
    others = tuple(factor for factor in verdict.factors if factor not in (x, y))
    places = _places(conclusions, arms, x, y)
    known = np.array([[place.x, place.y] for place in places]).reshape(-1, 2)
    log = (_spans_decades(known[:, 0]), _spans_decades(known[:, 1]))
    points = np.column_stack([on_scale(known[:, i], log[i]) for i in range(2)])
    if len(places) < MIN_POINTS or np.linalg.matrix_rank(points - points.mean(axis=0)) < 2:
        return f"it takes {MIN_POINTS} points of two numeric factors, not all on one line"
    fit = surface(points, [place.mean for place in places])
    paths = _paths(conclusions.study, arms, x.name, y.name) if (x.name, y.name) in _EITHER else ()
    return ResponseSurface(x=x, y=y, others=others, places=places, fit=fit, log=log, cut=_cut(places, x, y),
                           paths=paths)  # fmt: skip


_EITHER = {*STARTS, *((b, a) for a, b in STARTS)}


def _spans_decades(values: Floats) -> bool:
    return len(values) > 0 and values.min() > 0 and values.max() >= 10 * values.min()


def _pair(conclusions: Conclusions, ordered: Sequence[Factor]) -> tuple[Factor, Factor]:
    """The start of slope and shift where both vary, else the two most important factors, else the first two."""
    by_name = {factor.name: factor for factor in ordered}
    chosen = next(([by_name[a], by_name[b]] for a, b in STARTS if a in by_name and b in by_name), None)
    if chosen is None:
        made = conclusions.importances
        share = (
            {} if isinstance(made, str) else {f.name: s for f, s in zip(made.factors, made.result.share, strict=True)}
        )
        chosen = sorted(ordered, key=lambda factor: -share.get(factor.name, 0.0))[:2]
    x, y = sorted(chosen, key=lambda factor: -len(factor.levels))
    return x, y


def _places(conclusions: Conclusions, arms: Sequence[Arm], x: Factor, y: Factor) -> tuple[Place, ...]:
    """The points that have runs in every arm that the plan has there."""
    evidence, study = conclusions.evidence, conclusions.study
    values, flags = evidence.values(study.test), evidence.collapsed
    groups: dict[tuple[float, float], list[Arm]] = {}
    for arm in arms:
        at = arm.factors.get(x.name), arm.factors.get(y.name)
        if isinstance(at[0], int | float) and isinstance(at[1], int | float):
            groups.setdefault((float(at[0]), float(at[1])), []).append(arm)
    places = []
    for (at_x, at_y), group in sorted(groups.items()):
        orders = [arm.order for arm in group]
        if np.isnan(values[orders]).all(axis=1).any():
            continue
        known = flags[orders][~np.isnan(flags[orders])]
        hashes = tuple(one for arm in group for one in study.hashes(study.rows(arm, study.test)))
        mean = float(np.mean([np.nanmean(values[order]) for order in orders]))
        places.append(Place(x=at_x, y=at_y, arms=tuple(group), mean=mean, hashes=hashes,
                            rate=rate(int(known.sum()), known.size)))  # fmt: skip
    return tuple(places)


def _cut(places: Sequence[Place], x: Factor, y: Factor) -> Cut | None:
    """The cut with the largest difference of both rates, the first of equals."""
    best: Cut | None = None
    for factor, of in ((x, [place.x for place in places]), (y, [place.y for place in places])):
        values = sorted(set(of))
        for below, above in itertools.pairwise(values):
            low = pooled_rate([place.rate for place, value in zip(places, of, strict=True) if value <= below])
            high = pooled_rate([place.rate for place, value in zip(places, of, strict=True) if value >= above])
            if low.n and high.n and low.count + high.count not in (0, low.n + high.n):
                cut = Cut(factor=factor, below=below, above=above, rate_below=low, rate_above=high)
                if best is None or _gap(cut) > _gap(best) + 1e-12:
                    best = cut
    return best


def _gap(cut: Cut) -> float:
    return abs(cut.rate_below.value - cut.rate_above.value)


def _paths(study: Study, arms: Sequence[Arm], x: str, y: str) -> tuple[Path, ...]:
    """The runs that are complete, by their records."""
    by_label = {arm.label: arm for arm in arms}
    cells = study.cells[study.cells[ARM].isin(by_label) & (study.cells[STATUS] == COMPLETE)]
    paths = []
    for cell, label, collapsed in zip(cells[HASH], cells[ARM], cells[COLLAPSED], strict=True):
        curves, start = study.read(cell).curves, by_label[label].factors
        along = {name: [start[name], *curves.get(name, [])] for name in (x, y)}
        pairs = [(a, b) for a, b in zip(along[x], along[y], strict=False) if is_number(a) and is_number(b)]
        if len(pairs) > 1:
            xs, ys = zip(*pairs, strict=True)
            paths.append(Path(x=xs, y=ys, is_collapsed=collapsed is True))
    return tuple(paths)
