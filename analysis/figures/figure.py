"""A figure of the report: how it is drawn, its caption, and a text for those who cannot see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from analysis.figures.style import PAPER, drawing
from analysis.figures.svg import inline_svg, svg_text


@dataclass(frozen=True, kw_only=True)
class ReportFigure:
    """A figure that is still to be drawn.

    Attributes:
        name: File name without ending, also its anchor on the page.
        caption: How to read it.
        alt: What it shows, in words and numbers.
        draw: Makes the matplotlib figure; called once, inside `analysis.figures.style.drawing`.
        titles: See `analysis.figures.svg.inline_svg`.
        rows: The label of each row's arm, "" where a row is not an arm's; see `analysis.figures.style.row_gid`.
        panels: How many panels it has; a report draws figures of many panels first, as they take longest.
    """

    name: str
    caption: str
    alt: str
    draw: Callable[[], Figure]
    titles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rows: Sequence[str] = ()
    panels: int = 1

    def save(self, folder: Path) -> None:
        """Write ``name.svg`` and ``name.png`` into `folder`."""
        with drawing():
            figure = self.draw()
            # Laid out once, here: an engine that the figure keeps draws everything one time more for each format.
            ConstrainedLayoutEngine().execute(figure)
            (folder / f"{self.name}.svg").write_text(svg_text(figure), encoding="utf-8", newline="\n")
            figure.savefig(folder / f"{self.name}.png", dpi=160, metadata={"Software": None}, facecolor=PAPER,
                           pil_kwargs={"compress_level": 4})  # fmt: skip

    def inline(self, folder: Path, arms: Mapping[str, int] | None = None) -> str:
        """What `save` wrote into `folder`, as SVG for the page.

        Args:
            folder: Of the figures.
            arms: Numbers of the arms by their label, by which the page links what belongs together.
        """
        text = (folder / f"{self.name}.svg").read_text(encoding="utf-8")
        return inline_svg(text, self.name.replace("_", "-"), self.titles, arms=arms, rows=self.rows)
