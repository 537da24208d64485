"""A drawn figure of the report: saved as SVG and PNG, fit for inlining, with a caption and a text in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import add_titles, inline_svg, save


@dataclass(frozen=True, kw_only=True)
class ReportFigure:
    """A drawn figure.

    Attributes:
        name: File name without ending, also its anchor.
        section: Where the report shows it: ``hero``, ``comparisons``, ``manipulation``, ``seeds``, ``training``.
        svg: Fit for inlining into HTML.
        caption: How to read it.
        alt: What it shows, in words and numbers.
    """

    name: str
    section: str
    svg: str
    caption: str
    alt: str


def finish(
    figure: Figure,
    folder: Path,
    *,
    name: str,
    section: str,
    caption: str,
    alt: str,
    titles: Mapping[str, Sequence[str]] | None = None,
) -> ReportFigure:
    """Save `figure` into `folder`; `titles` as of `analysis.figures.style.add_titles`."""
    svg = inline_svg(add_titles(save(figure, folder, name), titles or {}), name.replace("_", "-"))
    return ReportFigure(name=name, section=section, svg=svg, caption=caption, alt=alt)


def fill(axes: Sequence[Axes], panels: Sequence[object], draw: Callable[..., Axes]) -> None:
    """Draw a panel into each of `axes`; those left over vanish."""
    for ax, panel in zip(axes, panels, strict=False):
        draw(panel, ax=ax)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
