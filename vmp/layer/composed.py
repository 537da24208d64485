"""The layer put together from parts: a motion map, a power normalisation, and which frame is prompted."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vmp.layer import functional as F
from vmp.layer.base import MotionPrompt, PromptLayer, check_finite
from vmp.layer.normalizations import Sigmoid


class ComposedPrompt(PromptLayer):
    """Motion map, normalisation, product: the published layer is the frame difference with the sigmoid.

        A = normalization(motion(x)),   P_t = A_t * x_{t+1},   V = mean (A_{t+1} - A_t)^2

    Args:
        motion: (b, 3, t, h, w) -> maps (b, t-1, h, w) or (b, 3, t-1, h, w); see `vmp.layer.motion.registry.MOTIONS`.
        normalization: maps -> attention in [0, 1]; see `vmp.layer.normalizations.NORMALIZATIONS`.
        prompted_frame: "later" or "earlier".
        check_finite: refuse clips with NaN or infinity.

    Shapes: (b, 3, t, h, w) -> prompt (b, 3, t-1, h, w), attention as the normalisation gives it, variation ().

    Raises: `InputError` as `VideoMotionPrompt` does, and for maps of another size than the clip's.
    """

    def __init__(
        self, motion: nn.Module, normalization: nn.Module, prompted_frame: str = "later", check_finite: bool = True
    ) -> None:
        super().__init__()
        self.motion, self.normalization = motion, normalization
        self.prompted_frame, self.check_finite = prompted_frame, check_finite
        self.mean, self.std = getattr(motion, "mean", None), getattr(motion, "std", None)
        # Parameters for each point in time belong to clips of one length.
        by_time = isinstance(normalization, Sigmoid) and normalization.m.ndim == 3
        self.context = None if by_time else getattr(motion, "context", 1)

    @property
    def m(self) -> Tensor:
        """The sigmoid's m; an `AttributeError` for the other normalisations, as for n, slope and shift."""
        return self._sigmoid().m

    @property
    def n(self) -> Tensor:
        return self._sigmoid().n

    @property
    def slope(self) -> Tensor:
        return F.slope_from_m(self.m)

    @property
    def shift(self) -> Tensor:
        return F.shift_from_n(self.n)

    def _sigmoid(self) -> Sigmoid:
        if not isinstance(self.normalization, Sigmoid):
            raise AttributeError("only a sigmoid normalisation has m, n, slope and shift")
        return self.normalization

    def curve(self, difference: Tensor) -> Tensor:
        return self.normalization.curve(difference)  # type: ignore[operator]

    def prompt_parameters(self) -> list[nn.Parameter]:
        return [p for p in self.normalization.parameters() if p.requires_grad]

    def forward(self, clip: Tensor) -> MotionPrompt:
        F.check_clip(clip)
        maps = self.motion(clip)
        if self.check_finite and not torch.compiler.is_compiling():
            check_finite(clip.detach().sum(dtype=torch.float64))
        attention = self.normalization(maps)
        prompt = F.motion_prompt(attention, clip, self.prompted_frame)
        wide = attention.to(F.compute_dtype(attention))
        squares = (wide[..., 1:, :, :] - wide[..., :-1, :, :]).square()
        return MotionPrompt(prompt, attention.to(clip.dtype), squares.mean() if clip.shape[2] > 2 else None)
