"""What the layer sees in a clip, as a picture: frames, differences, attention maps and prompts.

In three steps: `prepare_show` computes, `draw_show` draws, the caller saves. `vmp.show.film` is the moving version.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vmp.core.errors import InputError
from vmp.data.motion_scores import motion_scores
from vmp.data.sampling import Sampler, Timeline, sample_indices
from vmp.layer import functional as F
from vmp.layer.published import VideoMotionPrompt
from vmp.saved_model import SavedModel
from vmp.show.curve import CurveData, draw_curve
from vmp.training.checkpoint import load_checkpoint
from vmp.video import Geometry, Pixels, VideoReader, decode

Maps = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class ShowData:
    """One clip and what the layer makes of it; T frames give T - 1 steps, and step t belongs to frame t + 1.

    Attributes:
        title: The video's name.
        indices: Frame numbers in the video, ``(T,)``.
        fps: Frames a second of the video, or nan.
        frames: RGB uint8, ``(T, h, w, 3)``.
        difference: Signed grey differences in [-1, 1], ``(T - 1, h, w)``.
        attention: In [0, 1], ``(T - 1, h, w)``.
        prompt: De-normalised prompts in [0, 1], ``(T - 1, h, w, 3)``: where attention is 0 they are mean grey.
        slope: a of the layer.
        shift: b of the layer.
        variation: V of the clip, nan with two frames.
        curve: Attention over a grid of differences from -1 to 1, ``(k,)``.
    """

    title: str
    indices: NDArray[np.int64]
    fps: float
    frames: Pixels
    difference: Maps
    attention: Maps
    prompt: Maps
    slope: float
    shift: float
    variation: float
    curve: Maps


def build_layer(
    *,
    slope: float | None = None,
    shift: float | None = None,
    checkpoint: str | Path | None = None,
    channel_order: str = "RGB",
) -> VideoMotionPrompt:
    """A layer with the published channel statistics (0.45, 0.225).

    Args:
        slope: a in (9.09, 50]; None for the default start.
        shift: b in (-0.6, 0.6); None for the default start.
        checkpoint: Training state whose m and n to take instead.
        channel_order: ``"RGB"``, or ``"BGR"`` for the authors' swapped weights.

    Raises:
        InputError: Out of range, both given, or a checkpoint without a learnt layer.
    """
    parameters: dict[str, Any] = {"slope": slope, "shift": shift}
    if checkpoint is not None:
        if slope is not None or shift is not None:
            raise InputError("give either a checkpoint or slope and shift: the checkpoint holds both")
        model = load_checkpoint(Path(checkpoint)).get("model", {})
        if not {"layer.m", "layer.n"} <= set(model):
            raise InputError(f"{checkpoint}: holds no learnt slope and shift (a control arm, or other software?)")
        parameters = {"m": float(model["layer.m"]), "n": float(model["layer.n"])}
    return VideoMotionPrompt(
        (0.45,) * 3, (0.225,) * 3, channel_order, learn_slope=False, learn_shift=False, **parameters
    )


def layer_of(model: SavedModel) -> VideoMotionPrompt:
    """The layer that a kept model has learnt. Raises InputError where it is not of the published kind."""
    layer = model.model.layer
    if not isinstance(layer, VideoMotionPrompt):
        raise InputError(
            f"the model's layer is of the kind {model.settings.layer.kind!r} ({type(layer).__name__}) and has no "
            "single attention curve to show: name a model with the published layer"
        )
    return layer


def choose_frames(reader: VideoReader, sampling: Sampler) -> NDArray[np.int64]:
    """Frame numbers of the central test clip, ``(num_frames,)``, by any sampler."""
    timeline = None
    if sampling.needs == "key_frames":
        timeline = Timeline(key_frames=reader.index.key_frames)
    elif sampling.needs == "motion":
        timeline = Timeline(motion=motion_scores(decode(reader.path, Geometry(size=64))[0]))
    return sample_indices(
        sampling,
        reader.index.frames,
        reader.index.fps,
        frames=sampling.num_frames,
        train=False,
        seed=0,
        epoch=0,
        video_id=str(reader.path),
        timeline=timeline,
    )


def prepare_show(reader: VideoReader, indices: NDArray[np.int64], layer: VideoMotionPrompt) -> ShowData:
    """Run `layer` over the frames `indices`, at least two, of a video.

    Raises:
        InputError: The video cannot be read, or too few frames.
    """
    frames = reader.read(indices)
    difference, attention, prompt, variation = maps_of(frames, layer)
    grid = torch.linspace(-1, 1, 401)
    return ShowData(
        title=reader.path.name,
        indices=indices,
        fps=reader.index.fps,
        frames=frames,
        difference=difference,
        attention=attention,
        prompt=prompt,
        slope=float(layer.slope.detach()),
        shift=float(layer.shift.detach()),
        variation=variation,
        curve=layer.curve(grid).detach().numpy(),
    )


def draw_show(data: ShowData) -> Figure:
    """Frames, differences, attention and prompts in four rows, one column a step; below them the attention curve."""
    steps = len(data.attention)
    height, width = data.frames.shape[1:3]
    cell = 1.3
    figure = Figure(figsize=(max(steps * cell * width / height, 6) + 1.2, 4 * cell + 2.6), layout="constrained")
    grid = figure.add_gridspec(5, steps, height_ratios=[1, 1, 1, 1, 1.1])
    reach = max(float(np.abs(data.difference).max()), 1 / 255)
    rows: tuple[tuple[str, NDArray[Any], dict[str, Any]], ...] = (
        ("later frame", data.frames[1:], {}),
        ("difference D", data.difference, {"cmap": "RdBu_r", "vmin": -reach, "vmax": reach}),
        ("attention A", data.attention, {"cmap": "viridis", "vmin": 0, "vmax": 1}),
        ("prompt A x", data.prompt, {}),
    )
    for r, (name, pictures, style) in enumerate(rows):
        axes = [figure.add_subplot(grid[r, t]) for t in range(steps)]
        for t, (ax, picture) in enumerate(zip(axes, pictures, strict=True)):
            image = ax.imshow(picture, interpolation="nearest", **style)
            ax.set_xticks([])
            ax.set_yticks([])
            if r == 0:
                ax.set_title(f"frame {data.indices[t + 1]}", fontsize=8)
        axes[0].set_ylabel(name, fontsize=9)
        if style:
            figure.colorbar(image, ax=axes, fraction=0.02, pad=0.01).ax.tick_params(labelsize=7)
    counts, _ = np.histogram(data.difference.clip(-1, 1), bins=len(data.curve) - 1, range=(-1, 1))
    curve = CurveData(
        difference=np.linspace(-1, 1, len(data.curve)),
        attention=data.curve,
        shift=data.shift,
        density=counts / counts.sum(),
    )
    draw_curve(curve, ax=figure.add_subplot(grid[4, :]))
    gap = f", {np.diff(data.indices).mean() / data.fps:.3g} s apart" if np.isfinite(data.fps) else ""
    figure.suptitle(
        f"{data.title}: slope a = {data.slope:.3g}, shift b = {data.shift:.3g}, mean A = {data.attention.mean():.3f}, "
        f"V = {data.variation:.2e}; {len(data.frames)} frames{gap}",
        fontsize=10,
    )
    return figure


def maps_of(frames: Pixels, layer: VideoMotionPrompt) -> tuple[Maps, Maps, Maps, float]:
    mean, std = torch.tensor(layer.mean), torch.tensor(layer.std)
    clip = ((torch.from_numpy(frames).float() / 255 - mean) / std).permute(3, 0, 1, 2)[None]
    with torch.no_grad():
        difference = F.frame_difference(clip, layer.std, layer.channel_order)[0]
        out = layer(clip)
        prompt = (out.prompt[0].permute(1, 2, 3, 0) * std + mean).clamp(0, 1)
        variation = float(F.attention_variation(out.attention)) if len(frames) > 2 else float("nan")
    return difference.numpy(), out.attention[0].numpy(), prompt.numpy(), variation
