"""Two numeric factors as a plane: the points that were run, a smooth fit between them, where runs went from there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke

from analysis.figures.figure import ReportFigure
from analysis.figures.style import CONTROL, GRID, INK, MUTED, PAPER, VMP, new_figure, tidy
from analysis.verdict.surfaces import Path, Place, ResponseSurface, on_scale
from analysis.words.phrases import number, percent
from vmp.core.text import count

STEPS = 90  # of the fit's grid
MAX_TEXTS = 40
MAX_TICKS = 8


@dataclass(frozen=True, kw_only=True)
class FitGrid:
    """The fit in percent: x (c,), y (r,), values (r, c), NaN outside the hull of the points; its corners (h, 2)."""

    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    hull: np.ndarray


def fit_grid(surface: ResponseSurface) -> FitGrid | None:
    """The fit between the points; None where none predicts better than the mean."""
    if surface.fit is None or not surface.fit.name:
        return None
    from scipy.spatial import ConvexHull  # slow to import, and few studies have two numeric factors

    points = surface.scaled([[place.x, place.y] for place in surface.places])
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    unit = (points - low) / size
    corners = ConvexHull(unit).vertices
    hull = Outline(unit[corners])
    at = np.linspace(0, 1, STEPS)
    gx, gy = np.meshgrid(at, at)
    grid = np.column_stack([gx.ravel(), gy.ravel()])
    values = 100 * surface.fit.predict(low + grid * size)
    edge = 1.0 / STEPS  # one step more, which the figure cuts off along the hull itself
    values[~hull.contains_points(grid, radius=edge) & ~hull.contains_points(grid, radius=-edge)] = np.nan
    axes = [low[i] + at * size[i] for i in range(2)]
    back = [10**axis if is_log else axis for axis, is_log in zip(axes, surface.log, strict=True)]
    known = np.array([[place.x, place.y] for place in surface.places])
    return FitGrid(x=back[0], y=back[1], values=values.reshape(STEPS, STEPS), hull=known[corners])


def place_title(surface: ResponseSurface, place: Place) -> str:
    """One point in words and numbers."""
    at = f"{surface.x.title} = {number(place.x)}, {surface.y.title} = {number(place.y)}"
    ill = f", {place.rate.count} of {place.rate.n} collapsed or diverged" if place.rate.count else ""
    return f"{at}: {percent(place.mean)}{ill}"


def draw_surface(surface: ResponseSurface, *, ax: Axes) -> Axes:
    """Points with their mean, coloured by it, over the fit in the same colours; open triangles where runs collapsed."""
    means = np.array([100 * place.mean for place in surface.places])
    xs, ys = (np.array([getattr(place, axis) for place in surface.places]) for axis in ("x", "y"))
    norm, colors = Normalize(means.min(), max(means.max(), means.min() + 1e-6)), _colors()
    grid = fit_grid(surface)
    if grid is not None:
        levels = np.linspace(norm.vmin or 0.0, norm.vmax or 1.0, 9)
        fit = np.ma.masked_invalid(np.clip(grid.values, levels[0], levels[-1]))
        areas = ax.contourf(grid.x, grid.y, fit, levels=levels, cmap=colors, norm=norm, alpha=0.4, zorder=0)
        lines = ax.contour(grid.x, grid.y, fit, levels=levels[1:-1:2], colors=MUTED, linewidths=0.7,
                           linestyles="dashed", zorder=1)  # fmt: skip
        ax.clabel(lines, fmt="fit %.0f%%", fontsize=7.5, colors=MUTED)
        for drawn in (areas, lines):
            drawn.set_clip_path(Outline(grid.hull), transform=ax.transData)
    ill = np.array([place.rate.count > 0 for place in surface.places])
    ax.scatter(xs, ys, s=130, c=means, cmap=colors, norm=norm, edgecolor=INK, linewidth=1.0, zorder=3,
               gid="surface-places")  # fmt: skip
    if ill.any():
        ax.scatter(xs[ill], ys[ill], s=330, marker="v", facecolor="none", edgecolor=CONTROL, linewidth=1.6, zorder=4,
                   label="some runs collapsed or diverged")  # fmt: skip
    if len(surface.places) <= MAX_TEXTS:
        for place in surface.places:
            text = f"{100 * place.mean:.1f}%" + (f"\n{place.rate.count}/{place.rate.n} ▽" if place.rate.count else "")
            ax.annotate(text, (place.x, place.y), xytext=(0, -13), textcoords="offset points", ha="center", va="top",
                        fontsize=8, color=INK, linespacing=1.1, zorder=5,
                        path_effects=[withStroke(linewidth=2.5, foreground=PAPER)])  # fmt: skip
    if surface.cut is not None:
        _guide(surface, ax)
    _label(surface, ax)
    room = 0.3 if len(surface.places) <= MAX_TEXTS and len(set(ys)) <= MAX_TICKS else 0.06
    for axis, values, is_log, below in ((ax.xaxis, xs, surface.log[0], 0.06), (ax.yaxis, ys, surface.log[1], room)):
        low, high = on_scale(values, is_log).min(), on_scale(values, is_log).max()
        ends = low - below * (high - low), high + min(below, 0.15) * (high - low)
        set_scale, set_limits = (ax.set_xscale, ax.set_xlim) if axis is ax.xaxis else (ax.set_yscale, ax.set_ylim)
        set_scale("log" if is_log else "linear")
        set_limits(*(10**end if is_log else end for end in ends))
        if len(set(values)) <= MAX_TICKS:
            axis.set_ticks(sorted(set(values)), [number(value).replace("-", "−") for value in sorted(set(values))])
            axis.set_ticks([], minor=True)
        elif is_log:
            decades = [10.0**d for d in range(math.ceil(ends[0]), math.floor(ends[1]) + 1)]
            axis.set_ticks(decades, [number(value) for value in decades])
            axis.set_ticks([], minor=True)
    return ax


def draw_paths(surface: ResponseSurface, collapsed: bool, *, ax: Axes) -> Axes:
    """Lines from starts (open squares) to ends (dots) of the runs that collapsed, or of those that did not."""
    color = CONTROL if collapsed else VMP
    paths = [path for path in surface.paths if path.is_collapsed == collapsed]
    for path in paths:
        ax.plot(path.x, path.y, color=color, alpha=0.55, linewidth=1, zorder=2)
    if paths:
        ax.scatter(*_ends(paths, 0), s=34, marker="s", facecolor=PAPER, edgecolor=MUTED, linewidth=1.3, zorder=3)
        ax.scatter(*_ends(paths, -1), s=26, color=color, edgecolor=PAPER, linewidth=0.6, zorder=4,
                   marker="v" if collapsed else "o")  # fmt: skip
    runs = count(len(paths), "run")
    ax.set_title(f"{runs} that collapsed" if collapsed else runs.replace(" ", " healthy "), loc="left", fontsize=10,
                 color=INK)  # fmt: skip
    _label(surface, ax)
    return ax


def draw_response(surface: ResponseSurface) -> Figure:
    """The plane above; below it, on one scale, the ways of healthy and of collapsed runs, those there are."""
    rows = len({place.y for place in surface.places})
    height = 2.2 + 0.5 * min(rows, 8)
    if not surface.paths:
        figure, axes = new_figure(height)
        draw_surface(surface, ax=axes[0, 0])
        return figure
    figure, _ = new_figure(height + 3.3)
    figure.clear()
    states = sorted({path.is_collapsed for path in surface.paths})
    layout = figure.add_gridspec(2, len(states), height_ratios=[height, 3.3])
    draw_surface(surface, ax=figure.add_subplot(layout[0, :]))
    first: Axes | None = None
    for i, state in enumerate(states):
        ax = figure.add_subplot(layout[1, i], sharex=first, sharey=first)
        draw_paths(surface, state, ax=ax)
        first = first or ax
    return figure


def surface_figure(surface: ResponseSurface, accuracy: str, suffix: str = "") -> ReportFigure:
    """The figure of a block; `accuracy`: see `Study.accuracy`; `suffix` for its name."""
    titles = [place_title(surface, place) for place in surface.places]
    caption = f"Mean {accuracy} at each point of {surface.x.title} and {surface.y.title} that was run"
    caption += f", over {' and '.join(factor.title for factor in surface.others)}" if surface.others else ""
    caption += "."
    if surface.fit is not None and surface.fit.name:
        caption += (
            f" The pale colours with dashed lines are a fit between the points, {surface.fit.name}, and no "
            f"measurement; at a point left out it errs by {100 * surface.fit.error:.1f} points (root mean square)."
        )
    if surface.cut is not None:
        caption += " ▽ k/n: k of n runs collapsed or diverged; the thin line parts the values where most did."
    if surface.paths:
        caption += (
            f" Below, {surface.x.title} and {surface.y.title} from the start of each run (squares) epoch by epoch to "
            "its end"
        )
        both = len({path.is_collapsed for path in surface.paths}) > 1
        caption += ", healthy and collapsed runs apart on one scale." if both else "."
    order = sorted(range(len(titles)), key=lambda i: -surface.places[i].mean)
    alt = f"{len(titles)} points. Highest {titles[order[0]]}; lowest {titles[order[-1]]}."
    return ReportFigure(
        name=f"surface{suffix}",
        caption=caption,
        alt=alt,
        draw=partial(draw_response, surface),
        titles={"surface-places": titles},
    )


def _colors() -> ListedColormap:
    """From pale to strong; the dark end of viridis is left out, so that text and marks stay legible."""
    return ListedColormap(colormaps["viridis"](np.linspace(0.25, 1, 128)))


def _guide(surface: ResponseSurface, ax: Axes) -> None:
    assert surface.cut is not None
    is_log = surface.log[0 if surface.cut.factor is surface.x else 1]
    middle = float(on_scale([surface.cut.below, surface.cut.above], is_log).mean())
    at = 10**middle if is_log else middle
    line = ax.axvline if surface.cut.factor is surface.x else ax.axhline
    line(at, color=CONTROL, linewidth=1, linestyle=(0, (4, 3)), zorder=2)


def _ends(paths: list[Path], index: int) -> tuple[list[float], list[float]]:
    return [path.x[index] for path in paths], [path.y[index] for path in paths]


def _label(surface: ResponseSurface, ax: Axes) -> None:
    ax.set_xlabel(surface.x.title)
    ax.set_ylabel(surface.y.title)
    tidy(ax, grid="both")
    ax.grid(color=GRID, linewidth=0.6)
