"""Motion prompts of videos of any length in bounded memory: `stream`, and sliding-window inference on top of it.

Frames come from any iterator and are handled in short runs, each with the few frames before it that the layer looks
back to; the results are those of the whole clip, exactly. A second thread draws the frames, so that decoding and
prompting overlap.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vmp.core import power
from vmp.core.errors import InputError
from vmp.layer import functional as F
from vmp.layer.base import PromptLayer
from vmp.layer.kernels.pixels import scale_and_offset
from vmp.layer.kernels.registry import native_driver, native_works, normalize
from vmp.layer.prompted import MotionPrompted
from vmp.layer.published import VideoMotionPrompt

Frame = Tensor | np.ndarray
_VALUES = 1 << 22  # of a run of frames: 4 MB of bytes; shorter runs wait more often for the thread that decodes


class StreamedPrompt(NamedTuple):
    """number: of the prompt, from 0. prompt: (3, h, w). attention: (h, w), or (3, h, w) if each channel has its own.

    variation: V of all maps so far, NaN before the second; the last one is V of the whole video.
    """

    number: int
    prompt: Tensor
    attention: Tensor
    variation: float


class Window(NamedTuple):
    """first: number of the window's first prompt. logits: (num_classes,)."""

    first: int
    logits: Tensor


def stream(
    frames: Iterable[Frame],
    layer: PromptLayer,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    run: int | None = None,
    read_ahead: bool = True,
) -> Iterator[StreamedPrompt]:
    """The prompts of a video, one after the other, without ever holding the video.

        stream(x_1, x_2, ...) = P_1, P_2, ...   with P_t = A_t * x_{t+1} as of the whole clip

    Args:
        frames: normalised float frames (3, h, w), or uint8 frames (h, w, 3) as decoders give them; all of one size.
            They are read after the next ones are drawn, so each has memory of its own.
        layer: any layer of the family. It is not trained: no gradients flow.
        mean, std: of uint8 frames; the layer's own where it has them.
        run: frames handled at once; by default about 4 million values of them. The results do not depend on it.
        read_ahead: draw frames in a second thread.

    Shapes: t frames -> t - 1 prompts (t for a layer without `extra_frames`).

    Raises: `InputError` for frames of another shape, size or type than the first, or too few of them.
    """
    context = layer.context
    if context is None:
        raise InputError(
            "this layer has parameters for each point in time and cannot be streamed: use sharing = 'layer'."
        )
    if isinstance(frames, str | Path):
        raise InputError(f"frames must be an iterator of frames: for a file pass video_frames({str(frames)!r}).")
    if run is not None and run < 1:
        raise InputError(f"run must be at least 1 frame, got {run}.")
    runs = _runs(frames, run, context)
    prompter: Prompter | None = None
    total, terms, count = 0.0, 0, 0
    for piece in _in_second_thread(runs) if read_ahead else runs:
        prompter = prompter or _prompter_for(piece, layer, mean, std)
        with torch.no_grad():  # not around a yield: it would hold in the loop that takes the prompts
            prompts, attentions, squares = prompter(piece)
        for t in range(prompts.shape[1]):
            attention = attentions[..., t, :, :]
            if count:
                total, terms = total + float(squares[t]), terms + attention.numel()
            yield StreamedPrompt(count, prompts[:, t], attention, total / terms if terms else math.nan)
            count += 1
        del prompts, attentions  # so that their memory serves the next run
    if count == 0:
        raise InputError(f"the video ended before the first prompt: it needs at least {1 + layer.extra_frames} frames.")


def classify_stream(
    frames: Iterable[Frame], model: MotionPrompted, *, num_frames: int, stride: int | None = None, **options: Any
) -> Iterator[Window]:
    """Logits of every window of `num_frames` prompts, `stride` apart, as the video goes by.

    Args:
        frames, options: as for `stream`. model: put it into eval mode first.
        num_frames: K, what the backbone takes. stride: prompts between two windows; `num_frames` by default.

    Shapes: t frames -> 1 + (t - 1 - K) // stride windows.

    Raises: `InputError` if the video is shorter than one window, and as `stream`.
    """
    stride = num_frames if stride is None else stride
    if num_frames < 1 or stride < 1:
        raise InputError(f"num_frames and stride must be at least 1, got {num_frames} and {stride}.")
    window: deque[Tensor] = deque(maxlen=num_frames)
    last = -1
    for index, prompt, _, _ in stream(frames, model.layer, **options):
        window.append(prompt)
        last = index
        first = index - num_frames + 1
        if first >= 0 and first % stride == 0:
            with torch.no_grad():
                logits = model.classify(torch.stack(list(window), dim=1)[None])[0]
            yield Window(first, logits)
    if last + 1 < num_frames:
        raise InputError(
            f"the video gives {last + 1} prompts, fewer than one window of {num_frames}. "
            "Use a longer video or fewer frames."
        )


def video_frames(path: str | Path, size: int | None = None, fit: str = "crop") -> Iterator[np.ndarray]:
    """The decoded frames of a file, (h, w, 3) RGB uint8, one by one; `size` and `fit` as for `vmp.video.Geometry`."""
    from vmp.video.containers import frames_of, open_video
    from vmp.video.geometry import Converter, Geometry

    with open_video(path) as opened:
        convert = Converter(Geometry(size=size, fit=fit), str(path))  # type: ignore[arg-type]
        for frame in frames_of(opened, path):
            yield convert(frame)


class Run(NamedTuple):
    """frames: of one shape; the first `seen` of them belong to the run before and are there to be looked back to."""

    frames: list[np.ndarray]
    seen: int


# A run of frames -> new prompts (3, t, h, w), attention ([3,] t, h, w), and the squares (t,) of which V is the mean.
Prompter = Callable[[Run], tuple[Tensor, Tensor, Sequence[float] | np.ndarray]]


def _prompter_for(run: Run, layer: PromptLayer, mean: Sequence[float] | None, std: Sequence[float] | None) -> Prompter:
    if run.frames[0].dtype != np.uint8:
        return _AnyLayer(layer, lambda frames: torch.from_numpy(frames).transpose(0, 1)[None])
    mean = getattr(layer, "mean", None) if mean is None else mean
    std = getattr(layer, "std", None) if std is None else std
    if mean is None or std is None:
        raise InputError(
            "uint8 frames need mean and std, which this layer does not have: pass stream(..., mean=, std=)."
        )
    F.check_statistics(mean, std)
    if type(layer) is VideoMotionPrompt and layer.m.device.type == "cpu" and layer.kernel == "auto" and native_works():
        return _Bytes(layer, mean, std)
    return _AnyLayer(layer, lambda frames: _normalised(frames, mean, std))


class _AnyLayer:
    """Runs a layer on each run of frames, and leaves out the prompts that the run before has given."""

    def __init__(self, layer: PromptLayer, to_clip: Callable[[np.ndarray], Tensor]) -> None:
        self.layer, self.to_clip = layer, to_clip
        self.device = next((p.device for p in layer.parameters()), torch.device("cpu"))
        self.before: Tensor | None = None

    def __call__(self, run: Run) -> tuple[Tensor, Tensor, list[float]]:
        clip = self.to_clip(np.stack(run.frames)).to(self.device)
        if clip.shape[2] <= self.layer.extra_frames:
            return clip[0, :, :0], clip[0, 0, :0], []
        done = max(0, run.seen - self.layer.extra_frames)
        out = self.layer(clip)
        attention = out.attention[0, ..., done:, :, :]
        maps = [attention[..., :1, :, :].squeeze(-3) if self.before is None else self.before, *attention.unbind(-3)]
        self.before = maps[-1]
        return out.prompt[0, :, done:], attention, [(b - a).square().sum().item() for a, b in pairwise(maps)]


class _Bytes:
    """The published layer on decoded frames as they are: nothing is normalised or reordered beforehand."""

    def __init__(self, layer: VideoMotionPrompt, mean: Sequence[float], std: Sequence[float]) -> None:
        scale, offset = scale_and_offset(mean, std)
        self.steps = layer.steps._replace(
            weights=F.difference_weights(std, layer.channel_order),
            scale=scale,
            offset=offset,
            slope=power.slope_and_derivative(layer.m.item())[0],
            shift=power.shift_and_derivative(layer.n.item())[0],
        )
        self.before: Tensor | None = None

    def __call__(self, run: Run) -> tuple[Tensor, Tensor, np.ndarray]:
        prompt, attention, squares = native_driver.forward_frames(run.frames, self.steps, self.before)
        if len(attention):
            self.before = attention[-1]
        return prompt, attention, squares


def _normalised(frames: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 frames (t, h, w, 3) as a clip (1, 3, t, h, w)."""
    return normalize(torch.from_numpy(frames).permute(3, 0, 1, 2)[None], mean, std)


def _runs(frames: Iterable[Frame], length: int | None, context: int) -> Iterator[Run]:
    """Consecutive frames of one shape and type: `length` new ones after the `context` last ones before them."""
    piece: list[np.ndarray] = []
    first: np.ndarray | None = None
    seen = 0
    for number, given in enumerate(frames):
        frame = given.detach().cpu().numpy() if isinstance(given, Tensor) else given
        if not isinstance(frame, np.ndarray):
            raise InputError(f"frame {number} must be a tensor or an array, got {type(frame).__name__}.")
        if first is None:
            first = frame
            _check_frame(frame)
            length = length or max(2, min(64, _VALUES // math.prod(frame.shape)))
        elif frame.shape != first.shape or frame.dtype != first.dtype:
            raise InputError(
                f"frame {number} is {tuple(frame.shape)} {frame.dtype}, the first was {tuple(first.shape)} "
                f"{first.dtype}: all frames must have one size and type."
            )
        piece.append(frame)
        if len(piece) - seen == length:
            yield Run(piece, seen)
            piece = piece[max(0, len(piece) - context) :] if context else []
            seen = len(piece)
    if len(piece) > seen:
        yield Run(piece, seen)


def _check_frame(frame: np.ndarray) -> None:
    is_uint8 = frame.dtype == np.uint8
    if frame.ndim != 3 or frame.shape[2 if is_uint8 else 0] != 3 or not frame.size:
        raise InputError(
            f"frames must be normalised float (3, h, w), or uint8 (h, w, 3), got {tuple(frame.shape)} {frame.dtype}."
        )


_END = object()


def _in_second_thread(items: Iterator[Run], depth: int = 2) -> Iterator[Run]:
    """The same items, drawn ahead by a thread; its exception is raised here, and it ends with the consumer."""
    queue: Queue[Any] = Queue(depth)
    stopped = threading.Event()

    def put(item: Any) -> None:
        while not stopped.is_set():
            try:
                return queue.put(item, timeout=0.1)
            except Full:
                continue

    def draw() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(_END)
        except BaseException as error:  # whatever it is, the consumer must see it
            put(error)

    thread = threading.Thread(target=draw, name="vmp-stream", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        while thread.is_alive():
            try:
                queue.get_nowait()
            except Empty:
                thread.join(0.05)
