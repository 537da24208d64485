"""One palette and one way to make and save a figure, without touching matplotlib's global state.

The colours are safe for the common colour vision deficiencies and always come with a second cue (marker or label).
Inside the HTML report each is replaced by a CSS variable (`inline_svg`), so that figures follow a dark colour scheme.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1d2129", "#6a7280", "#e2e5ea", "#ffffff"
VMP, CONTROL, BASELINE, PUBLISHED = "#0b6fb8", "#c8501e", "#95508f", "#0a8a66"
RAMP = ("#2bb3a3", "#1f9bb5", "#2580bd", "#3a63b8", "#4f46a5", "#5b2a86", "#571155")
VARIABLES = {
    INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper",
    VMP: "--vmp", CONTROL: "--control", BASELINE: "--baseline", PUBLISHED: "--published",
    **{colour: f"--ramp-{i}" for i, colour in enumerate(RAMP)},
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
    "svg.fonttype": "none",
    "svg.hashsalt": "video-motion-prompts",
    "path.simplify": True,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Figures are made, drawn and saved inside this context; nothing global remains changed after it."""
    with mpl.rc_context(_RC):  # type: ignore[arg-type]
        yield


def new_figure(height: float, rows: int = 1, columns: int = 1, **subplots: Any) -> tuple[Figure, np.ndarray]:
    """A figure `WIDTH` inches wide with an array of axes, shape (rows, columns)."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **subplots)


def tidy(ax: Axes, *, grid: str = "y") -> None:
    """Take away what carries no information: right and top spines, tick marks, all but one direction of grid lines."""
    for side in ("top", "right"):
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


def shortened(text: str, width: int = 34) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move label positions apart to at least `gap` within [low, high], keeping their order."""
    order = np.argsort(positions, kind="stable")
    placed = np.clip([positions[i] for i in order], low, high)
    for _ in range(200):
        for i in range(1, placed.size):
            lack = gap - (placed[i] - placed[i - 1])
            if lack > 1e-9:
                placed[i - 1] -= lack / 2
                placed[i] += lack / 2
        # Back inside from both ends; a heap of labels at an edge grows away from it.
        placed = np.maximum(placed, low + gap * np.arange(placed.size))
        placed = np.minimum(placed, high - gap * np.arange(placed.size)[::-1])
    result = np.empty_like(placed)
    result[order] = placed
    return [float(value) for value in result]


def add_titles(svg: str, titles: Mapping[str, Sequence[str]]) -> str:
    """Let the points of a scatter say what they are when pointed at.

    Args:
        svg: Text of a figure.
        titles: For the gid of each scatter its points' texts, in drawing order. A scatter that was not drawn point by
            point (rasterised, because there are many) stays as it is.
    """
    for gid, texts in titles.items():
        start = svg.find(f'<g id="{gid}">')
        if start < 0:
            continue
        end = svg.find("<g id=", start + 1)
        end = len(svg) if end < 0 else end
        parts = re.split(r"(<use [^>]*)/>", svg[start:end])
        if len(parts) // 2 != len(texts):
            continue
        told = [f"{parts[2 * i + 1]}><title>{html.escape(text)}</title></use>" for i, text in enumerate(texts)]
        group = "".join(parts[2 * i] + told[i] for i in range(len(told))) + parts[-1]
        svg = svg[:start] + group + svg[end:]
    return svg


def svg_text(figure: Figure) -> str:
    """The figure as SVG text; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, facecolor=PAPER)
    return buffer.getvalue().decode()


def save(figure: Figure, folder: Path, name: str) -> str:
    """Write ``name.svg`` and ``name.png`` into `folder`; returns the SVG text."""
    text = svg_text(figure)
    figure.set_layout_engine("none")  # laid out by the first drawing; a second time only costs time
    (folder / f"{name}.svg").write_text(text, encoding="utf-8")
    figure.savefig(folder / f"{name}.png", dpi=160, metadata={"Software": None}, facecolor=PAPER)
    return text


def inline_svg(text: str, prefix: str) -> str:
    """`text` made fit for HTML: no prologue or size, ids of its own, palette colours as CSS variables."""
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    svg = re.sub(r"'DejaVu Sans'(, [^;\"]*)?", "var(--sans)", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return "\n".join(line for line in svg.splitlines() if line.strip())
