"""The test videos that gain and lose most: the probability of the right class with and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes

from analysis.figures.figure import ReportFigure
from analysis.figures.style import GRID, INK, MUTED, OF_KIND, PAPER, PUBLISHED, one_panel, tidy, wrapped
from analysis.study.arms import Arm


@dataclass(frozen=True, kw_only=True)
class ClipGain:
    """One video: mean probabilities of the right class over seeds, with those of single seeds of the arm."""

    clip: str
    label: str
    of_arm: float
    of_reference: float
    seeds: tuple[float, ...]

    @property
    def gain(self) -> float:
        """The arm's mean less that of the reference."""
        return self.of_arm - self.of_reference


def draw_clip_gains(clips: Sequence[ClipGain], arm: Arm, reference: Arm, *, ax: Axes) -> Axes:
    """A row for each video: a line from the reference's mean to the arm's, small dots for the arm's single seeds."""
    own, other = OF_KIND[arm.kind], OF_KIND[reference.kind]
    other = other if other != own else PUBLISHED
    gap = next((i for i, clip in enumerate(clips) if clip.gain < 0), len(clips))
    places = [i + (0.8 if i >= gap > 0 else 0.0) for i in range(len(clips))]
    for place, clip in zip(places, clips, strict=True):
        ax.plot([clip.of_reference, clip.of_arm], [place, place], color=MUTED, linewidth=1.6, zorder=2)
        ax.scatter(clip.seeds, [place] * len(clip.seeds), s=9, color=own, alpha=0.45, linewidth=0, zorder=3)
    titles = (("clip-reference", other, "s", [c.of_reference for c in clips], reference.label),
              ("clip-arm", own, "o", [c.of_arm for c in clips], arm.label))  # fmt: skip
    for gid, color, marker, values, label in titles:
        ax.scatter(values, places, s=52, color=color, marker=marker, edgecolor=PAPER, zorder=4, gid=gid,
                   label=wrapped(label, 34))  # fmt: skip
    ax.set_yticks(places, [f"{_tail(clip.clip)}  ({wrapped(clip.label, 14)})" for clip in clips])
    if 0 < gap < len(clips):
        ax.axhline(gap - 0.1, color=GRID, linewidth=1.0)
    ax.set_ylim(places[-1] + 0.7, -0.7)
    ax.set_xlim(-0.02, 1.02)
    ax.set_xlabel("mean probability of the right class")
    ax.legend(frameon=False, fontsize=9, labelcolor=INK, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    tidy(ax, grid="x")
    return ax


def _tail(clip: str, width: int = 30) -> str:
    """A name by its end, where files of one folder differ."""
    return clip if len(clip) <= width else f"…{clip[1 - width :]}"


def clip_figure(clips: Sequence[ClipGain], arm: Arm, reference: Arm, suffix: str) -> ReportFigure:
    """The videos of `clips`, gains first; `suffix` makes the name unique."""
    titles = [f"{clip.clip} ({clip.label})" for clip in clips]
    shown = [f"{title}: {100 * c.of_reference:.0f}% to {100 * c.of_arm:.0f}%"
             for title, c in zip(titles, clips, strict=True)]  # fmt: skip
    return ReportFigure(
        name=f"clips{suffix}",
        caption="The test videos with the largest gain (above) and the largest loss (below): from the reference "
        "(squares) to the chosen arm (circles), means over seeds; small dots: single seeds of the chosen arm.",
        alt=f"Probability of the right class with {reference.label} and with {arm.label}. " + "; ".join(shown) + ".",
        draw=partial(one_panel, 1.2 + 0.26 * len(clips), partial(_drawn, arm, reference), list(clips)),
        titles={"clip-arm": titles, "clip-reference": titles},
    )


def _drawn(arm: Arm, reference: Arm, clips: Sequence[ClipGain], *, ax: Axes) -> Axes:
    return draw_clip_gains(clips, arm, reference, ax=ax)
