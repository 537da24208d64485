"""What the attention of a layer does on a set of clips, and whether it has collapsed.

A constant attention map minimises V trivially, so a large lambda can buy a small V with a layer that no longer selects
anything; accuracy alone hides that. The statistics here make it visible, and `collapsed` states the rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vmp.core.errors import InputError
from vmp.layer.base import PromptLayer

# Relative, not absolute: a network behind the layer can undo any constant factor (batch and layer norms do), so a
# faint map still selects, while a map that is 1 everywhere has become the control. Calibrated on the embedded
# benchmark, where seeds below 0.05 end at the control's accuracy and seeds with a mean attention of 0.003 do not.
COLLAPSE_SPREAD = 0.05
TINY = torch.finfo(torch.float32).tiny  # stands in for an attention of exactly 0, whose logarithm no record can hold
COLLAPSE_RULE = (
    "collapsed: the standard deviation of the attention over all pixels, frames and validation clips "
    f"is below {COLLAPSE_SPREAD:g} times its mean, so that the map is constant for all practical purposes"
)


@dataclass
class AttentionStatistics:
    """Running mean, mean logarithm and standard deviation of attention maps, each element counted once.

    Batches are merged by Chan's parallel update in float64, so batch sizes and their order do not matter.
    """

    count: int = 0
    mean: float = 0.0
    mean_log: float = 0.0
    _squares: float = field(default=0.0, repr=False)

    def update(self, attention: Tensor) -> None:
        """Add maps of any shape with values in [0, 1]. Raises `InputError` for an empty tensor."""
        size = attention.numel()
        if size == 0:
            raise InputError("attention statistics need at least one attention value, got an empty tensor.")
        flat = attention.detach().to(torch.float64)
        mean = flat.mean().item()
        mean_log = flat.clamp_min(TINY).log().mean().item()
        squares = (flat - mean).square().sum().item()
        total, gap = self.count + size, mean - self.mean
        self._squares += squares + gap * gap * self.count * size / total
        self.mean += gap * size / total
        self.mean_log += (mean_log - self.mean_log) * size / total
        self.count = total

    @property
    def std(self) -> float:
        """Standard deviation (of the population); NaN before the first update."""
        return math.sqrt(self._squares / self.count) if self.count else float("nan")

    @property
    def collapsed(self) -> bool:
        """Whether `COLLAPSE_RULE` holds."""
        return is_collapsed(self.mean, self.std)

    def as_dict(self) -> dict[str, float]:
        """``mean_attention``, ``log_mean_attention``, ``mean_log_attention``, ``attention_std``."""
        return {
            "mean_attention": self.mean,
            "log_mean_attention": math.log(max(self.mean, TINY)),
            "mean_log_attention": self.mean_log,
            "attention_std": self.std,
        }


def attention_statistics(attention: Tensor | Iterable[Tensor]) -> dict[str, float]:
    """Mean, log of the mean, mean of the log and standard deviation of attention maps: one tensor, or batches of them.

    Args:
        attention: (b, t-1, h, w) with values in [0, 1], or an iterable of such
            tensors of any sizes; each element weighs the same.

    Raises: `InputError` if there is nothing to summarise.
    """
    statistics = AttentionStatistics()
    for batch in [attention] if isinstance(attention, Tensor) else attention:
        statistics.update(batch)
    if statistics.count == 0:
        raise InputError("attention statistics need at least one batch of attention maps, got none.")
    return statistics.as_dict()


@torch.no_grad()
def attention_at_zero(layer: PromptLayer) -> float:
    """Attention that the layer gives to a pixel that does not change: 1 / (1 + exp(a b)) for the published layer."""
    return float(layer.curve(torch.zeros(1, device=_device(layer))).mean())


@torch.no_grad()
def curve_spread(layer: PromptLayer, points: int = 2001) -> float:
    """Standard deviation of the attention over D uniform in [-1, 1]: how much the layer could select in any video."""
    return float(layer.curve(torch.linspace(-1, 1, points, device=_device(layer))).std(correction=0))


def _device(layer: PromptLayer) -> torch.device:
    return next((p.device for p in layer.parameters()), torch.device("cpu"))


def is_collapsed(mean_attention: float, attention_std: float) -> bool:
    """Whether measured ``mean_attention`` and ``attention_std`` meet `COLLAPSE_RULE`; the controls always do."""
    return attention_std <= COLLAPSE_SPREAD * mean_attention
