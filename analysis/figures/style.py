"""One palette and one way to make a figure, without touching matplotlib's global state.

The colours are safe for the common colour vision deficiencies and always come with a second cue (marker or label).
Inside the HTML report `analysis.figures.svg` replaces each by a CSS variable, so that figures follow a dark scheme.
"""

from __future__ import annotations

import math
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from analysis.study.arms import Kind

INK, MUTED, GRID, PAPER = "#1d2129", "#6a7280", "#e2e5ea", "#ffffff"
VMP, CONTROL, BASELINE, PUBLISHED = "#0b6fb8", "#c8501e", "#95508f", "#0a8a66"
RAMP = ("#2bb3a3", "#1f9bb5", "#2580bd", "#3a63b8", "#4f46a5", "#5b2a86", "#571155")
OF_KIND = {Kind.BASELINE: BASELINE, Kind.CONTROL: CONTROL, Kind.VMP: VMP, Kind.OTHER: VMP}
VARIABLES = {
    INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper",
    VMP: "--vmp", CONTROL: "--control", BASELINE: "--baseline", PUBLISHED: "--published",
    **{color: f"--ramp-{i}" for i, color in enumerate(RAMP)},
}  # fmt: skip
WIDTH = 9.2  # inches; shown at about 860 CSS pixels, where 10 points read as 13 pixels
_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so figures do not depend on installed fonts
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a study may be named "cost in $"
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.facecolor": "none",  # the plate shows through, with its shadow where there is more to scroll to
    "svg.fonttype": "none",
    "svg.hashsalt": "video-motion-prompts",
    "path.simplify": True,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Figures are made, drawn and saved inside this context; nothing global remains changed after it."""
    with mpl.rc_context(_RC), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # `without_glyph` says it
        yield


def without_glyph(texts: Iterable[str]) -> str:
    """The signs of some texts that the figures' font does not have, each once: a PNG has boxes for them."""
    font = get_font(findfont(_RC["font.family"]))
    return "".join(sign for sign in dict.fromkeys("".join(texts)) if not font.get_char_index(ord(sign)))


def new_figure(height: float, rows: int = 1, columns: int = 1, **subplots: Any) -> tuple[Figure, np.ndarray]:
    """A figure `WIDTH` inches wide with an array of axes, shape (rows, columns)."""
    figure = Figure(figsize=(WIDTH, height), facecolor=PAPER)  # laid out when it is saved
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **subplots)


def tidy(ax: Axes, *, grid: str = "y", without: Sequence[str] = ()) -> None:
    """Take away what carries no information: right and top spines, tick marks, all but one direction of grid lines.

    Args:
        ax: A panel that is drawn.
        grid: Which lines stay: ``x``, ``y``, ``both`` or ``none``.
        without: Further spines to take away: ``left``, ``bottom``.
    """
    for side in ("top", "right", *without):
        ax.spines[side].set_visible(False)
    ax.tick_params(length=0, labelsize=9)
    ax.set_axisbelow(True)
    if grid != "none":
        ax.grid(axis="both" if grid == "both" else "x" if grid == "x" else "y", color=GRID, linewidth=0.8)


def ramp(count: int) -> list[str]:
    """`count` colours in order, from the palette's sequence; at most its length are distinct."""
    if count <= 1:
        return [RAMP[2]][:count]
    return [RAMP[round(i * (len(RAMP) - 1) / (count - 1))] for i in range(count)]


MAX_LINES = 3
LETTER = 0.078  # inches that a letter takes at 9 points, and a line of them from the next
LINE = 0.155
SLANT = 30  # degrees of a label that is too long for its column


def wrapped(text: str, width: int = 34) -> str:
    """A label in full, over at most `MAX_LINES` lines, broken between its settings where it can be.

    Beyond that lines grow longer. Only a text that would leave no room for the figure is cut, with an ellipsis.
    """
    text = text if len(text) <= 6 * width else text[: 6 * width - 1] + "…"
    if len(text) <= width:
        return text
    settings = _lines(text.split(", "), ", ", width)
    if len(settings) <= MAX_LINES and max(map(len, settings)) <= 1.3 * width:
        return "\n".join(settings)
    lines = textwrap.wrap(text, width, break_on_hyphens=False)
    while len(lines) > MAX_LINES:
        width += 4
        lines = textwrap.wrap(text, width, break_on_hyphens=False)
    return "\n".join(lines)


def inches_wide(texts: Sequence[str]) -> float:
    """About how wide the longest line of some labels is at 9 points."""
    return LETTER * max((len(line) for text in texts for line in text.split("\n")), default=0)


def inches_high(text: str) -> float:
    """About how high a label is at 9 points, with some air."""
    return LINE * (1 + text.count("\n")) + 0.05


def _lines(parts: Sequence[str], joint: str, width: int) -> list[str]:
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(joint) + len(part) <= width:
            lines[-1] += joint + part
        else:
            lines[-1] += joint.rstrip()
            lines.append(part)
    return lines


def label_rows(ax: Axes, y: np.ndarray, labels: Sequence[str], width: int = 40) -> None:
    """Tick labels of the rows at `y`, in full; each is marked as its row's, see `ReportFigure.rows`."""
    texts = [wrapped(label, width) for label in labels]
    ax.set_yticks(y, texts)
    for i, (tick, text) in enumerate(zip(ax.get_yticklabels(), texts, strict=True)):
        tick.set_gid(row_gid(i, "label"))
        if text.count("\n") > 1:
            tick.set_fontsize(7)
            tick.set_linespacing(1.0)


def label_columns(ax: Axes, x: np.ndarray, labels: Sequence[str], inches: float, *, at_top: bool = False) -> None:
    """Tick labels of columns `inches` wide, over lines where they fit so, else slanted away from the columns."""
    texts, is_slanted = _column_texts(labels, inches)
    if not is_slanted:
        ax.set_xticks(x, texts)
        return
    ax.set_xticks(x, texts, rotation=SLANT, ha="left" if at_top else "right", rotation_mode="anchor")


def columns_high(labels: Sequence[str], inches: float) -> float:
    """About how high the labels of `label_columns` are, in inches."""
    texts, is_slanted = _column_texts(labels, inches)
    high = max(map(inches_high, texts))
    return high + math.sin(math.radians(SLANT)) * inches_wide(texts) if is_slanted else high


def _column_texts(labels: Sequence[str], inches: float) -> tuple[list[str], bool]:
    """The labels over lines, and whether they are slanted, as they are too long for their columns."""
    letters = max(1, int(inches / LETTER))
    over = [textwrap.wrap(label, letters, break_on_hyphens=False, break_long_words=False) for label in labels]
    if max(map(len, over)) <= MAX_LINES and all(len(line) <= letters for lines in over for line in lines):
        return ["\n".join(lines) for lines in over], False
    return [wrapped(label, 30) for label in labels], True


def note_row(ax: Axes, at: float, note: str, size: float = 9) -> None:
    """A note at the right of the row at `at`, outside of the panel; `size` in points."""
    ax.annotate(note, (1, at), xycoords=("axes fraction", "data"), xytext=(8, 0), textcoords="offset points",
                va="center", fontsize=size, color=INK, annotation_clip=False)  # fmt: skip


def shade_margin(ax: Axes, margin: float) -> None:
    """Where differences along x count as practically equal, and the line of no difference; in the axis' unit."""
    ax.axvspan(-margin, margin, color=GRID, alpha=0.7, linewidth=0, zorder=0)
    ax.axvline(0, color=MUTED, linewidth=1, zorder=1)


def difference_limits(differences: Sequence[float], ends: Sequence[float], margin: float) -> tuple[float, float]:
    """Limits of an axis of differences: wide enough for all of them; a bar from very few seeds may run off it.

    Args:
        differences: Means and single seeds.
        ends: Of the bars; NaN where there is no bar.
        margin: Within which differences count as practically equal.
    """
    inner, bars = [*differences, -margin, margin], [end for end in ends if math.isfinite(end)]
    size = max(inner) - min(inner)
    low, high = max(min([*inner, *bars]), min(inner) - size), min(max([*inner, *bars]), max(inner) + size)
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


def row_gid(row: int, part: str) -> str:
    """The id of one artist of a row, by which the page links it to its arm."""
    return f"row-{row}-{part}"


def place_apart(positions: Sequence[float], gap: float | Sequence[float], low: float, high: float) -> list[float]:
    """Move label positions apart to at least `gap` within [low, high], keeping their order.

    Args:
        positions: Where the labels' middles would be.
        gap: Between the middles of neighbours; or the height of each label, from which it follows.
        low, high: Ends of the room for the middles.
    """
    order = np.argsort(positions, kind="stable")
    placed = np.clip([positions[i] for i in order], low, high)
    heights = np.broadcast_to(gap, placed.shape)[order]
    gaps = (heights[1:] + heights[:-1]) / 2
    below = np.concatenate([[0.0], np.cumsum(gaps)])[: placed.size]
    for _ in range(200):
        for i in range(1, placed.size):
            overlap = gaps[i - 1] - (placed[i] - placed[i - 1])
            if overlap > 1e-9:
                placed[i - 1] -= overlap / 2
                placed[i] += overlap / 2
        # Back inside from both ends; a heap of labels at an edge grows away from it.
        placed = np.maximum(placed, low + below)
        placed = np.minimum(placed, high - (below[-1:] - below))
    result = np.empty_like(placed)
    result[order] = placed
    return [float(value) for value in result]


def name_ends(
    ax: Axes, x: float, ends: Sequence[tuple[float, str, str]], *, gap: float, size: float, indent: float
) -> None:
    """Names at the right ends of lines, moved apart where they would cover each other.

    Args:
        ax: A panel whose limits stand.
        x: Where the lines end.
        ends: (height of the end, name, colour) of each line.
        gap: What a name takes of the height of the panel.
        size: Of the letters, in points.
        indent: Points from the end to the name.
    """
    low, high = ax.get_ylim()
    places = place_apart([end for end, _, _ in ends], (high - low) * gap, low, high)
    for (_, name, color), place in zip(ends, places, strict=True):
        ax.annotate(name, (x, place), xytext=(indent, 0), textcoords="offset points", va="center", fontsize=size,
                    color=color, annotation_clip=False)  # fmt: skip


def one_panel(height: float, draw: Callable[..., Axes], data: Any) -> Figure:
    """A figure of one panel, `height` inches high."""
    figure, axes = new_figure(height)
    draw(data, ax=axes[0, 0])
    return figure


def fill(axes: np.ndarray, panels: Sequence[Any], draw: Callable[..., Axes]) -> None:
    """Draw each panel into one of `axes`, row by row; axes without a panel vanish."""
    places = axes.ravel().tolist()
    for ax, panel in zip(places, panels, strict=False):
        draw(panel, ax=ax)
    for ax in places[len(panels) :]:
        ax.set_visible(False)
