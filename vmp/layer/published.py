"""The published layer: gray frame difference, learnt sigmoid, product. `vmp.layer.composed` builds the variants."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vmp.core.choices import lookup
from vmp.core.config import validate
from vmp.core.errors import InputError
from vmp.layer import functional as F
from vmp.layer.base import MotionPrompt, PromptLayer, check_finite
from vmp.layer.kernels.pixels import scale_and_offset
from vmp.layer.kernels.registry import KERNELS, is_transformed, run_steps
from vmp.layer.kernels.steps import Steps
from vmp.layer.starts import FixedStart, PublishedStart


class VideoMotionPrompt(PromptLayer):
    """Weights the later frame of each pair by a learnt sigmoid of the pair's gray difference.

        A_t = 1 / (1 + exp(-a (D_t - b))),   P_t = A_t * x_{t+1},   V = mean (A_{t+1} - A_t)^2
        a = 5 / (0.45 |tanh m| + 0.1),       b = 0.6 tanh n

    Args:
        mean, std: statistics that the clip was normalised with, three numbers each (0.45 and 0.225 published); std > 0.
        channel_order: "RGB"; "BGR" repeats the swapped luma weights of the authors' code.
        m, n: initial values of the parameters (0.1 and 0 if neither they nor slope, shift are given). m must not be
            0 when learnt: d a / d m is 0 there and the slope would never move.
        slope, shift: the same initial values given as a in (9.0909, 50] and b in (-0.6, 0.6), instead of m, n.
        init: "fixed", or "published" to draw m, n ~ Normal(1e-5, 1) from torch's random stream.
        learn_slope, learn_shift: whether m, n receive gradients.
        signed: False puts |D| into the sigmoid.
        prompted_frame: "later" as published, or "earlier".
        check_finite: refuse clips with NaN or infinity; on a GPU this waits for the device once a call.
        kernel: a key of `vmp.layer.kernels.registry.KERNELS`, or "auto" for the fastest that works on the clip; to
            rounding, the numbers agree.

    Shapes: (b, 3, t, h, w) -> prompt (b, 3, t-1, h, w), attention (b, t-1, h, w), variation (). T -> T-1 frames.
    The clip is normalised, or it is uint8 as a decoder gives it (`frames.permute(0, 4, 1, 2, 3)` of (b, t, h, w, 3))
    and is normalised on the way, without a copy in floats. The arithmetic is float32 or wider; prompt and attention
    have the clip's type, float32 for bytes. With t = 2 the variation is None.

    Raises: `InputError` for a wrong rank, channel count, type, fewer than 2 frames, or a non-finite clip.

    Chen, Wang, Koniusz, Gedeon, "Motion meets Attention: Video Motion Prompts", ACML 2024.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        channel_order: str = "RGB",
        *,
        m: float | None = None,
        n: float | None = None,
        slope: float | None = None,
        shift: float | None = None,
        init: str = "fixed",
        learn_slope: bool = True,
        learn_shift: bool = True,
        signed: bool = True,
        prompted_frame: str = "later",
        check_finite: bool = True,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        F.check_statistics(mean, std)
        lookup(F.LUMA, channel_order, "channel_order")
        lookup({"later": 0, "earlier": 0}, prompted_frame, "prompted_frame")
        if init == "published" and any(value is not None for value in (m, n, slope, shift)):
            raise InputError(
                'init = "published" draws m and n: leave m, n, slope and shift out, or use init = "fixed".'
            )
        fixed = validate(FixedStart, {"m": m, "n": n, "slope": slope, "shift": shift})
        start = lookup({"fixed": fixed, "published": PublishedStart()}, init, "init")
        start.check(learn_slope)
        first_m, first_n = start.draw()
        self.mean, self.std, self.channel_order = tuple(mean), tuple(std), channel_order
        self.signed, self.prompted_frame, self.check_finite = signed, prompted_frame, check_finite
        weights = F.difference_weights(std, channel_order)
        self.steps = Steps(weights, signed, prompted_frame == "later", *scale_and_offset(mean, std))
        self.kernel = lookup({k: k for k in ("auto", *KERNELS)}, kernel, "kernel")
        self.m = nn.Parameter(first_m, requires_grad=learn_slope)
        self.n = nn.Parameter(first_n, requires_grad=learn_shift)

    @property
    def slope(self) -> Tensor:
        """a, in (9.09, 50]."""
        return F.slope_from_m(self.m)

    @property
    def shift(self) -> Tensor:
        """b, in (-0.6, 0.6): the difference at which attention is 1/2."""
        return F.shift_from_n(self.n)

    def reads_bytes(self, mean: Sequence[float], std: Sequence[float]) -> bool:
        return (self.mean, self.std) == (tuple(mean), tuple(std))

    def curve(self, difference: Tensor) -> Tensor:
        return F.power_normalization(difference if self.signed else difference.abs(), self.slope, self.shift)

    def forward(self, clip: Tensor) -> MotionPrompt:
        F.check_clip(clip, allow_bytes=True)
        steps = self.steps._replace(channels_last=True) if self.channels_last else self.steps
        prompt, attention, variation, total = run_steps(clip, self.m, self.n, steps, self.kernel)
        if self.check_finite and not (torch.compiler.is_compiling() or is_transformed()):
            check_finite(total)
        return MotionPrompt(prompt, attention, variation if clip.shape[2] > 2 else None)

    def extra_repr(self) -> str:
        return f"channel_order={self.channel_order!r}, signed={self.signed}, prompted_frame={self.prompted_frame!r}"
