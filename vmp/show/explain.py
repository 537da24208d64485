"""What a layer does, as data and as figures: overlays of its attention, trajectories of slope and shift.

Each figure comes in two steps: `prepare_x` computes a frozen record of arrays, `draw_x` puts it on a matplotlib axis;
the caller saves. Colours and sizes follow matplotlib's settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vmp.core.errors import InputError
from vmp.core.presets import finegym_lambda_table
from vmp.layer.base import PromptLayer
from vmp.layer.diagnostics import attention_statistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class OverlayData:
    """frames: (t-1, h, w, 3) in [0, 1], the prompted ones. attention: (t-1, h, w). prompts: as frames, (t-1, h, w, 3).

    statistics: see `vmp.layer.diagnostics.attention_statistics`, of these maps.
    variation: V, None for fewer than two maps.
    """

    frames: np.ndarray
    attention: np.ndarray
    prompts: np.ndarray
    statistics: Mapping[str, float]
    variation: float | None


@torch.no_grad()
def prepare_overlay(layer: PromptLayer, clip: Tensor, mean: Sequence[float], std: Sequence[float]) -> OverlayData:
    """Frames, attention and prompts of one clip, as pictures.

    Args:
        clip: one normalised clip (3, t, h, w) or (1, 3, t, h, w).
        mean, std: that it was normalised with.
    """
    batch = clip[None] if clip.ndim == 4 else clip
    if batch.shape[0] != 1:
        raise InputError(f"an overlay shows one clip, got a batch of {batch.shape[0]}: pass clip[i].")
    out = layer(batch)
    maps = out.attention[0]
    maps = maps.mean(0) if maps.ndim == 4 else maps
    first = 0 if getattr(layer, "prompted_frame", "later") == "earlier" else layer.extra_frames
    frames = batch[:, :, first : first + out.prompt.shape[2]]
    scale, offset = (torch.tensor(v, dtype=torch.float32, device=batch.device).view(3, 1, 1, 1) for v in (std, mean))
    pictures = [
        (x[0].float() * scale + offset).clamp(0, 1).permute(1, 2, 3, 0).cpu().numpy() for x in (frames, out.prompt)
    ]
    variation = float(out.variation) if maps.shape[0] > 1 else None
    return OverlayData(
        frames=pictures[0],
        attention=maps.float().cpu().numpy(),
        prompts=pictures[1],
        statistics=attention_statistics(out.attention),
        variation=variation,
    )


def draw_overlay(data: OverlayData, *, axes: Sequence[Axes], number: int = 0) -> Sequence[Axes]:
    """Frame, attention over the frame, and prompt of pair `number`, on three axes."""
    if not -len(data.frames) <= number < len(data.frames):
        raise InputError(f"pair {number} does not exist: the clip has {len(data.frames)}.")
    gray = data.frames[number].mean(-1)
    axes[0].imshow(data.frames[number])
    axes[1].imshow(gray, cmap="gray", vmin=0, vmax=1)
    axes[1].imshow(data.attention[number], cmap="inferno", vmin=0, vmax=1, alpha=0.6)
    axes[2].imshow(data.prompts[number])
    for ax, title in zip(axes, ("frame", "attention", "prompt"), strict=False):
        ax.set_title(title)
        ax.set_axis_off()
    return axes


@dataclass(frozen=True, kw_only=True)
class TrajectoryData:
    """labels: of the runs. slope, shift: an array for each, by epoch. published: rows (lambda, a, b), or None."""

    labels: tuple[str, ...]
    slope: tuple[np.ndarray, ...]
    shift: tuple[np.ndarray, ...]
    published: np.ndarray | None = None


def prepare_trajectories(runs: Mapping[str, Mapping[str, Sequence[Any]]], published: bool = False) -> TrajectoryData:
    """The way of a and b through training.

    Args:
        runs: label -> curves with ``slope`` and ``shift``, one entry an epoch, as training records them.
        published: add where the layer ended on FineGym for nine lambdas.

    Raises: `InputError` for a run without the two curves, or with curves of different lengths.
    """
    for label, curves in runs.items():
        lengths = {name: len(curves[name]) for name in ("slope", "shift") if name in curves}
        if len(lengths) < 2 or len(set(lengths.values())) > 1:
            raise InputError(f"run {label!r} needs curves slope and shift of one length, got {lengths or 'neither'}.")
    anchors = None
    if published:
        from vmp.core.power import shift_and_derivative, slope_and_derivative

        rows = [
            (row.lambda_, slope_and_derivative(row.m)[0], shift_and_derivative(row.n)[0])
            for row in finegym_lambda_table()
        ]
        anchors = np.array(rows)
    return TrajectoryData(
        labels=tuple(runs),
        slope=tuple(np.asarray(curves["slope"], float) for curves in runs.values()),
        shift=tuple(np.asarray(curves["shift"], float) for curves in runs.values()),
        published=anchors,
    )


def anchor_labels(published: np.ndarray) -> list[tuple[str, float, float]]:
    """(text, slope, shift) for each group of neighbouring ends in rows (lambda, a, b): apart they would overprint."""
    groups: list[list[np.ndarray]] = []
    for row in published:
        near = [g for g in groups if abs(g[0][1] - row[1]) < 4 and abs(g[0][2] - row[2]) < 0.05]
        if near:
            near[0].append(row)
        else:
            groups.append([row])
    labels = []
    for group in groups:
        top = max(group, key=lambda row: float(row[1]))
        ends = sorted({f"{row[0]:g}" for row in (group[0], group[-1])}, key=float)
        labels.append((f"λ {' to '.join(ends)}", float(top[1]), float(top[2])))
    return labels


def draw_trajectories(data: TrajectoryData, *, ax: Axes) -> Axes:
    """Slope against shift, one line a run, a dot where it ended; crosses mark the published ends."""
    for label, slope, shift in zip(data.labels, data.slope, data.shift, strict=True):
        (line,) = ax.plot(shift, slope, label=label, linewidth=1)
        ax.plot(shift[-1:], slope[-1:], "o", color=line.get_color())
    if data.published is not None:
        ax.plot(data.published[:, 2], data.published[:, 1], "x", color="gray", label="FineGym, published")
        for text, a, b in anchor_labels(data.published):
            ax.annotate(text, (b, a), textcoords="offset points", xytext=(6, 3), fontsize="x-small")
    ax.set(xlabel="shift b", ylabel="slope a", xlim=(-0.62, 0.62), ylim=(8, 51))
    ax.legend()
    return ax
