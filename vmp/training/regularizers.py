"""How the attention variation V enters the loss: its weight lambda over the training, and remedies for collapse.

A training loop builds one regulariser and calls it on every batch in place of task + lambda * V:

    >>> import torch, vmp
    >>> from vmp.training.regularizers import Cosine, RegularizerConfig
    >>> layer = vmp.VideoMotionPrompt(mean=(0.45,) * 3, std=(0.225,) * 3)
    >>> regularizer = RegularizerConfig(lambda_=0.5, schedule=Cosine()).build()  # a module: trained with the model
    >>> out = layer(torch.zeros(1, 3, 4, 8, 8))
    >>> loss, weight = regularizer(torch.tensor(1.8), out, progress=0.5)
    >>> round(weight, 3)  # the effective lambda of this batch, for the curves
    0.25

The defaults give task + lambda * V exactly.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from vmp.core.config import Choice, config
from vmp.core.errors import InputError
from vmp.layer.base import MotionPrompt

_EPSILON = 1e-12
Curve = Callable[[Tensor], Tensor]


class Regularized(NamedTuple):
    """loss: what to differentiate. weight: the effective lambda, a number for the curves."""

    loss: Tensor
    weight: float


@config
class Schedule(ABC):
    """How lambda moves over the training: its share of the base weight."""

    kind: str

    @abstractmethod
    def factor(self, progress: float) -> float:
        """The share of lambda, in [0, 1], when `progress` in [0, 1] of the training is done."""


@config
class Constant(Schedule):
    """Lambda throughout."""

    kind: Literal["constant"] = "constant"

    def factor(self, progress: float) -> float:
        del progress
        return 1.0


@config
class WarmUp(Schedule):
    """Lambda rises linearly from 0, then stays.

    Attributes:
        share: Share of the training that it rises for, in (0, 1].
    """

    kind: Literal["warmup"] = "warmup"
    share: Annotated[float, Field(gt=0, le=1)] = 0.2

    def factor(self, progress: float) -> float:
        return min(1.0, progress / self.share)


@config
class Cosine(Schedule):
    """Lambda falls to 0 along half a cosine."""

    kind: Literal["cosine"] = "cosine"

    def factor(self, progress: float) -> float:
        return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


@config
class Linear(Schedule):
    """Lambda falls to 0 linearly."""

    kind: Literal["linear"] = "linear"

    def factor(self, progress: float) -> float:
        return max(0.0, 1 - progress)


SCHEDULES: dict[str, type[Schedule]] = {"constant": Constant, "warmup": WarmUp, "cosine": Cosine, "linear": Linear}


@config
class Fixed:
    """The weight of V is lambda."""

    kind: Literal["fixed"] = "fixed"


@config
class GradientRatio:
    """Lambda is the ratio that the gradient of lambda * V on the attention's parameters keeps to that of the task.

    Chen, Badrinarayanan, Lee, Rabinovich, "GradNorm", ICML 2018.

    Attributes:
        every: Batches between two measurements, after as many at the start; each costs a backward pass. With 1 the
            ratio is held closest.
        max_weight: Largest weight of V.
    """

    kind: Literal["gradient_ratio"] = "gradient_ratio"
    every: Annotated[int, Field(ge=1)] = 10
    max_weight: Annotated[float, Field(gt=0)] = 100.0


@config
class Uncertainty:
    """Each loss has a learnt variance; the weight of V starts at lambda.

    Kendall, Gal, Cipolla, "Multi-task learning using uncertainty to weigh losses", CVPR 2018.

    Attributes:
        max_weight: Largest weight of V.
    """

    kind: Literal["uncertainty"] = "uncertainty"
    max_weight: Annotated[float, Field(gt=0)] = 100.0


Weight = Fixed | GradientRatio | Uncertainty
WEIGHTS: dict[str, type[Weight]] = {"fixed": Fixed, "gradient_ratio": GradientRatio, "uncertainty": Uncertainty}


@config
class Remedy:
    """What is done against collapse, beside V; the base class does nothing."""

    kind: str

    def penalty(self, out: MotionPrompt, curve: Curve | None) -> Tensor | None:
        """Added to the loss, a scalar; None for nothing.

        Args:
            out: What the layer returned.
            curve: The layer's attention as a function of the frame difference.
        """
        del out, curve
        return None

    def variation(self, out: MotionPrompt, variation: Tensor) -> Tensor:
        """What lambda weighs in place of V, a scalar."""
        del out
        return variation


@config
class NoRemedy(Remedy):
    """Nothing is done against collapse."""

    kind: Literal["none"] = "none"


@config
class StdFloor(Remedy):
    """Adds weight * max(0, 1 - std / floor)^2, std being the standard deviation of a batch's attention.

    Attributes:
        floor: Standard deviation below which the penalty starts, in (0, 0.5].
        weight: Of the penalty, > 0.
    """

    kind: Literal["std_floor"] = "std_floor"
    floor: Annotated[float, Field(gt=0, le=0.5)] = 0.15
    weight: Annotated[float, Field(gt=0)] = 1.0

    def penalty(self, out: MotionPrompt, curve: Curve | None) -> Tensor | None:
        del curve
        return self.weight * std_penalty(out.attention, self.floor)


@config
class Relative(Remedy):
    """Puts V / (2 Var A) in place of V, to which a constant map has no advantage."""

    kind: Literal["relative"] = "relative"

    def variation(self, out: MotionPrompt, variation: Tensor) -> Tensor:
        return relative_variation(variation, out.attention)


@config
class ClosedAtRest(Remedy):
    """Adds weight * max(0, A(0) - ceiling)^2, A(0) being the attention that a pixel gets which does not change.

    Of the two constant maps that minimise V it bars the open one, with which the layer is the control. The closed one,
    faint as it is, still selects.

    Attributes:
        ceiling: Attention at rest above which the penalty starts, in [0, 1).
        weight: Of the penalty, > 0.
    """

    kind: Literal["closed_at_rest"] = "closed_at_rest"
    ceiling: Annotated[float, Field(ge=0, lt=1)] = 0.5
    weight: Annotated[float, Field(gt=0)] = 10.0

    def penalty(self, out: MotionPrompt, curve: Curve | None) -> Tensor | None:
        if curve is None:
            return None
        at_rest = curve(torch.zeros(1, device=out.prompt.device)).mean()
        return self.weight * (at_rest - self.ceiling).clamp_min(0).square()


REMEDIES: dict[str, type[Remedy]] = {
    "none": NoRemedy,
    "std_floor": StdFloor,
    "relative": Relative,
    "closed_at_rest": ClosedAtRest,
}


@config
class RegularizerConfig:
    """How V enters the loss.

    Attributes:
        lambda_: ``lambda`` in a study file: weight of the temporal attention variation V, >= 0 (Chen et al. 2024,
            Eq. 6).
        schedule: How lambda moves over the training. Nothing where lambda is 0.
        weight: How lambda becomes the weight of V. Nothing where lambda is 0.
        remedy: What is done against collapse; all but ``relative`` also where lambda is 0.
    """

    lambda_: Annotated[float, Field(ge=0, alias="lambda")] = 0.0
    schedule: Annotated[Schedule, Choice(SCHEDULES, "schedule of lambda", default="constant")] = Constant()
    weight: Annotated[Weight, Choice(WEIGHTS, "weight of V", default="fixed")] = Fixed()
    remedy: Annotated[Remedy, Choice(REMEDIES, "remedy", default="none")] = NoRemedy()

    def build(self) -> Regularizer:
        """The regulariser of one training."""
        return Regularizer(self)


class Regularizer(nn.Module):
    """Adds the weighted attention variation, and a remedy for collapse, to the task loss.

        loss = task + lambda_t V + penalty
        gradient_ratio:  lambda_t = lambda |grad task| / |grad V|, on m and n, averaged over measurements
        uncertainty:     loss = exp(-s_0) task + s_0 / 2 + exp(-s_1) V + s_1 / 2 with learnt s_0, s_1;
                         lambda_t = exp(s_0 - s_1)

    Args:
        settings: See `RegularizerConfig`.

    Shapes: task (), a `MotionPrompt` -> loss ().

    Raises:
        InputError: When called, for clips of two frames with a weight above 0.
    """

    measured: Tensor
    calls: Tensor

    def __init__(self, settings: RegularizerConfig) -> None:
        super().__init__()
        self.settings, self.lambda_ = settings, settings.lambda_
        self.weighing = settings.weight if settings.lambda_ > 0 else Fixed()  # of 0 there is nothing to adapt
        if isinstance(self.weighing, GradientRatio):
            self.register_buffer("measured", torch.tensor(math.nan))
            self.register_buffer("calls", torch.tensor(0))
        if isinstance(self.weighing, Uncertainty):
            self.log_variance = nn.Parameter(torch.tensor([0.0, -math.log(self.lambda_)]))

    def forward(
        self,
        task: Tensor,
        out: MotionPrompt,
        *,
        progress: float,
        parameters: Sequence[nn.Parameter] = (),
        curve: Curve | None = None,
    ) -> Regularized:
        """The loss of one batch.

        Args:
            task: the task's loss. out: what the layer returned. progress: share of the training done, in [0, 1].
            parameters: m and n, for the gradient ratio.
            curve: the layer's attention as a function of the frame difference, for "closed_at_rest".
        """
        settings, weighing = self.settings, self.weighing
        factor = settings.schedule.factor(progress)
        loss = task
        penalty = settings.remedy.penalty(out, curve)
        if penalty is not None:
            loss = loss + penalty
        if self.lambda_ * factor == 0:
            return Regularized(loss, 0.0)
        if out.variation is None:
            raise InputError(
                "the attention variation V is undefined for clips of 2 frames: it compares consecutive attention maps. "
                "Sample at least 3 frames, or set lambda to 0."
            )
        variation = settings.remedy.variation(out, out.variation)
        if isinstance(weighing, Uncertainty):
            # With s_1 at its lower end the weight would run away where V is small: 1 / V and more.
            floor = -math.log(weighing.max_weight)
            s = torch.stack([self.log_variance[0], self.log_variance[1].clamp_min(floor)])
            total = torch.exp(-s[0]) * task + factor * torch.exp(-s[1]) * variation + 0.5 * s.sum()
            weight = min(weighing.max_weight, factor * math.exp((s[0] - s[1]).item()))
            return Regularized(total + (loss - task), weight)
        weight = self.lambda_ * factor
        if isinstance(weighing, GradientRatio):
            weight = min(weighing.max_weight, weight * self._ratio(task, variation, parameters, weighing.every))
        return Regularized(loss + weight * variation, weight)

    def _ratio(self, task: Tensor, variation: Tensor, parameters: Sequence[nn.Parameter], every: int) -> float:
        """|grad task| / |grad V| on `parameters`, measured at the start and every so often, averaged geometrically."""
        if not parameters:
            raise InputError(
                "the gradient ratio compares gradients on the parameters of the attention, and there are none: "
                "pass parameters, or use a layer that learns."
            )
        calls = int(self.calls.item())
        # One batch says little, so the first few are all measured; at the start the ratio also changes fastest.
        if (calls < every or calls % every == 0) and torch.is_grad_enabled():
            norms = [_gradient_norm(loss, parameters) for loss in (task, variation)]
            now = math.log(max(norms[0], _EPSILON)) - math.log(max(norms[1], _EPSILON))
            before = self.measured.item()
            self.measured.fill_(now if math.isnan(before) else 0.5 * (before + now))
        self.calls += 1
        return 1.0 if math.isnan(self.measured.item()) else math.exp(min(self.measured.item(), 50.0))


def _gradient_norm(loss: Tensor, parameters: Sequence[nn.Parameter]) -> float:
    grads = torch.autograd.grad(loss, list(parameters), retain_graph=True, allow_unused=True)
    return math.sqrt(sum(g.double().square().sum().item() for g in grads if g is not None))


def attention_std(attention: Tensor) -> Tensor:
    """Standard deviation of all attention values of a batch, with gradient, also where it is 0."""
    return (attention.float().var(correction=0) + _EPSILON).sqrt()


def std_penalty(attention: Tensor, floor: float) -> Tensor:
    """max(0, 1 - std / floor)^2: 0 as long as the attention varies enough, 1 for a constant map."""
    return (1 - attention_std(attention) / floor).clamp_min(0).square()


def relative_variation(variation: Tensor, attention: Tensor) -> Tensor:
    """V / (2 Var A): 1 for unrelated maps, 0 for maps that stand still, whatever their scale."""
    return variation / (2 * attention.float().var(correction=0) + 1e-6)
