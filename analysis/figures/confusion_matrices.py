"""Which classes are taken for which: the reference, the chosen arm, and the difference between the two."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from analysis.figures.figure import ReportFigure
from analysis.figures.style import GRID, INK, MUTED, new_figure, tidy, wrapped
from analysis.study.clip_scores import PairedScores

MAX_CLASSES = 20
_MAX_NUMBERS = 10  # beyond it fields are too small for a number
_LIGHT, _DARK = "#fefefe", "#1b1b1b"  # upon the colours of a field, in either scheme of the page


@dataclass(frozen=True, kw_only=True)
class Confusions:
    """Row-normalised shares, (classes, classes): true classes are rows, predicted ones columns.

    Attributes:
        names: Of the classes shown. hidden: How many are not.
        of_reference, of_arm: Shares in [0, 1].
        titles: Of the three panels.
    """

    names: tuple[str, ...]
    hidden: int
    of_reference: np.ndarray
    of_arm: np.ndarray
    titles: tuple[str, str, str]

    @property
    def difference(self) -> np.ndarray:
        """The arm's shares less those of the reference."""
        return self.of_arm - self.of_reference


def prepare_confusions(paired: PairedScores) -> Confusions:
    """The matrices; of many classes those whose rows and columns differ most, in their own order."""
    size = len(paired.classes)
    matrices = [side.confusion(paired.labels, size) for side in (paired.of_reference, paired.of_arm)]
    change = np.abs(np.nan_to_num(matrices[1] - matrices[0]))
    order = np.argsort(-(change.sum(axis=0) + change.sum(axis=1)), kind="stable")
    shown = np.sort(order[:MAX_CLASSES])
    at = np.ix_(shown, shown)
    return Confusions(
        names=tuple(paired.classes[i] for i in shown),
        hidden=size - len(shown),
        of_reference=matrices[0][at],
        of_arm=matrices[1][at],
        titles=(wrapped(paired.reference.label, 26), wrapped(paired.arm.label, 26), "difference (points)"),
    )


def draw_confusion(values: np.ndarray, data: Confusions, title: str, *, is_difference: bool, ax: Axes) -> Axes:
    """Fields coloured by share, or by the difference of two; the number in each where there is room."""
    limit = max(float(np.nanmax(np.abs(values), initial=0)), 0.01) if is_difference else 1.0
    norm = TwoSlopeNorm(0.0, -limit, limit) if is_difference else Normalize(0, 1)
    colors = mpl.colormaps["RdBu" if is_difference else "Blues"]
    ax.set_facecolor(GRID)
    ax.pcolormesh(np.ma.masked_invalid(values), cmap=colors, norm=norm, edgecolor=_LIGHT, linewidth=1.0)
    size = len(data.names)
    for i in range(size if size <= _MAX_NUMBERS else 0):
        for j in range(size):
            if np.isfinite(values[i, j]):
                number = round(100 * values[i, j])
                text = f"{number:+d}".replace("-", "−") if is_difference and number else str(number)
                ax.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=9 if size <= 6 else 7.5,
                        color=_LIGHT if abs(values[i, j]) > 0.6 * limit else _DARK)  # fmt: skip
    names = [wrapped(name, 16) for name in data.names]
    centers = np.arange(size) + 0.5
    ax.set_xticks(centers, names, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_yticks(centers, names)
    ax.invert_yaxis()
    ax.set_aspect("equal")
    ax.set_xlabel("predicted")
    ax.set_title(title, loc="left", fontsize=10, color=INK)
    tidy(ax, grid="none", without=("left", "bottom"))
    ax.tick_params(labelcolor=MUTED, labelsize=8 if size <= _MAX_NUMBERS else 6.5)
    return ax


def _draw(data: Confusions) -> Figure:
    figure, axes = new_figure(3.9, 1, 3, sharey=True)
    panels = (data.of_reference, data.of_arm, data.difference)
    for ax, values, title in zip(axes[0], panels, data.titles, strict=True):
        draw_confusion(values, data, title, is_difference=values is panels[2], ax=ax)
    axes[0, 0].set_ylabel("true class")
    axes[0, 0].set_ylim(len(data.names), 0)  # shared: each inversion would undo the one before
    return figure


def confusion_figure(paired: PairedScores, suffix: str) -> ReportFigure:
    """The three matrices of a chosen arm and its reference; `suffix` makes the name unique."""
    data = prepare_confusions(paired)
    caption = (
        "Of the test videos of each class (row), the share in percent that is taken for each class (column), over all "
        "seeds: the reference, the chosen arm, and the chosen arm less the reference. Blue on the diagonal and red "
        "beside it is a gain."
    )
    caption += f" Of {len(paired.classes)} classes the {MAX_CLASSES} that change most." if data.hidden else ""
    diagonal = [f"{name} {100 * a:.0f}% and {100 * b:.0f}%" for name, a, b in
                zip(data.names, np.diag(data.of_reference), np.diag(data.of_arm), strict=True)
                if np.isfinite(a)]  # fmt: skip
    alt = f"Confusion matrices of {paired.reference.label} and {paired.arm.label}. Taken for what they are: "
    return ReportFigure(
        name=f"confusion{suffix}", caption=caption, alt=alt + "; ".join(diagonal) + ".", draw=partial(_draw, data)
    )
