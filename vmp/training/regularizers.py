"""The weight of the attention variation V during training, and remedies for the collapse that it invites.

A training loop builds one regulariser and calls it on every batch in place of task + lambda * V:

    model.regularizer = settings.regularizer.build(lambda_)     # a module: saved and trained with the model
    out = model.layer(clip)
    task = cross_entropy(model.classify(out.prompt), labels)
    loss, weight = model.regularizer(task, out, progress=done / total, parameters=prompt_parameters(model))

`weight` is the effective lambda of that batch, for the curves. The defaults give task + lambda * V exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.layer.base import MotionPrompt, UndefinedVariation

_EPSILON = 1e-12


class Regularized(NamedTuple):
    """loss: what to differentiate. weight: the effective lambda, a number for the curves."""

    loss: Tensor
    weight: float


def constant(progress: float, warmup: float) -> float:
    """1 throughout."""
    del progress, warmup
    return 1.0


def warm_up(progress: float, warmup: float) -> float:
    """From 0 to 1, linearly, over the share `warmup` of the training; then 1."""
    return min(1.0, progress / warmup) if warmup > 0 else 1.0


def cosine(progress: float, warmup: float) -> float:
    """From 1 to 0 along half a cosine."""
    del warmup
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def linear(progress: float, warmup: float) -> float:
    """From 1 to 0, linearly."""
    del warmup
    return max(0.0, 1 - progress)


SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "constant": constant,
    "warmup": warm_up,
    "cosine": cosine,
    "linear": linear,
}


@config
class RegularizerConfig:
    """How V enters the loss; the base weight lambda is the training's own setting.

    schedule: of lambda over the training; warmup: share of the training that "warmup" rises for.
    adaptive: "gradient_ratio" makes lambda the ratio that the gradient of lambda * V on the prompt's parameters keeps
        to that of the task; "uncertainty" learns a variance for each loss and starts at lambda. Both need lambda > 0.
    every: batches between two measurements of the gradient ratio, after as many at the start (each costs a backward
        pass); with 1 the ratio is held closest. most: largest weight.
    remedy: against collapse, "spread_floor" adds spread_weight * max(0, 1 - spread / spread_floor)^2, spread being the
        standard deviation of a batch's attention; "relative" puts V / (2 Var A) in place of V, to which a constant map
        has no advantage; "closed_at_rest" adds rest_weight * max(0, A(0) - rest_ceiling)^2 where A(0) is the attention
        that a pixel gets which does not change: of the two constant maps that minimise V it bars the open one, with
        which the layer is the control. The closed one, faint as it is, still selects.
    """

    schedule: Literal["constant", "warmup", "cosine", "linear"] = "constant"
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.2
    adaptive: Literal["none", "gradient_ratio", "uncertainty"] = "none"
    every: Annotated[int, Field(ge=1)] = 10
    most: Annotated[float, Field(gt=0)] = 100.0
    remedy: Literal["none", "spread_floor", "relative", "closed_at_rest"] = "none"
    spread_floor: Annotated[float, Field(gt=0, le=0.5)] = 0.15
    spread_weight: Annotated[float, Field(ge=0)] = 1.0
    rest_ceiling: Annotated[float, Field(ge=0, lt=1)] = 0.5
    rest_weight: Annotated[float, Field(ge=0)] = 10.0

    def build(self, lambda_: float) -> Regularizer:
        """The regulariser with base weight `lambda_` >= 0."""
        return Regularizer(self, lambda_)


class Regularizer(nn.Module):
    """Adds the weighted attention variation, and a remedy for collapse, to the task loss.

        loss = task + lambda_t V + penalty
        gradient_ratio:  lambda_t = lambda |grad task| / |grad V|, on m and n, averaged over measurements
        uncertainty:     loss = exp(-s_0) task + s_0 / 2 + exp(-s_1) V + s_1 / 2 with learnt s_0, s_1;
                         lambda_t = exp(s_0 - s_1)

    Args:
        settings: see `RegularizerConfig`.
        lambda_: base weight, >= 0 and finite.

    Shapes: task (), a `MotionPrompt` -> loss ().

    Raises: `InputError` for a negative weight, an adaptive weight that starts at 0, or, when called, for clips of two
    frames with a weight above 0.

    Chen, Badrinarayanan, Lee, Rabinovich, "GradNorm", ICML 2018; Kendall, Gal, Cipolla, "Multi-task learning using
    uncertainty to weigh losses", CVPR 2018.
    """

    measured: Tensor
    calls: Tensor

    def __init__(self, settings: RegularizerConfig, lambda_: float) -> None:
        super().__init__()
        if not (math.isfinite(lambda_) and lambda_ >= 0):
            raise InputError(f"lambda must be finite and at least 0, got {lambda_}.")
        if settings.adaptive != "none" and lambda_ == 0:
            raise InputError(
                f'lambda = 0 leaves nothing to adapt: with adaptive = "{settings.adaptive}" it is the '
                + ("ratio of the gradients" if settings.adaptive == "gradient_ratio" else "starting weight")
                + ". Give a lambda above 0."
            )
        self.settings, self.lambda_ = settings, lambda_
        if settings.adaptive == "gradient_ratio":
            self.register_buffer("measured", torch.tensor(math.nan))
            self.register_buffer("calls", torch.tensor(0))
        if settings.adaptive == "uncertainty":
            self.log_variance = nn.Parameter(torch.tensor([0.0, -math.log(lambda_)]))

    def forward(
        self,
        task: Tensor,
        out: MotionPrompt,
        *,
        progress: float,
        parameters: Sequence[nn.Parameter] = (),
        curve: Callable[[Tensor], Tensor] | None = None,
    ) -> Regularized:
        """The loss of one batch.

        Args:
            task: the task's loss. out: what the layer returned. progress: share of the training done, in [0, 1].
            parameters: m and n, for the gradient ratio.
            curve: the layer's attention as a function of the frame difference, for "closed_at_rest".
        """
        settings = self.settings
        factor = SCHEDULES[settings.schedule](progress, settings.warmup)
        loss = task
        if settings.remedy == "spread_floor" and settings.spread_weight > 0:
            loss = loss + settings.spread_weight * spread_penalty(out.attention, settings.spread_floor)
        if settings.remedy == "closed_at_rest" and curve is not None:
            at_rest = curve(torch.zeros(1, device=task.device)).mean()
            loss = loss + settings.rest_weight * (at_rest - settings.rest_ceiling).clamp_min(0).square()
        if self.lambda_ * factor == 0:
            return Regularized(loss, 0.0)
        variation = out.variation
        if settings.remedy == "relative" and not isinstance(variation, UndefinedVariation):
            variation = relative_variation(variation, out.attention)
        if settings.adaptive == "uncertainty":
            # With s_1 at its lower end the weight would run away where V is small: 1 / V and more.
            floor = -math.log(settings.most)
            s = torch.stack([self.log_variance[0], self.log_variance[1].clamp_min(floor)])
            total = torch.exp(-s[0]) * task + factor * torch.exp(-s[1]) * variation + 0.5 * s.sum()
            weight = min(settings.most, factor * math.exp((s[0] - s[1]).item()))
            return Regularized(total + (loss - task), weight)
        weight = self.lambda_ * factor
        if settings.adaptive == "gradient_ratio":
            weight = min(settings.most, weight * self._ratio(task, variation, parameters))
        return Regularized(loss + weight * variation, weight)

    def _ratio(self, task: Tensor, variation: Tensor, parameters: Sequence[nn.Parameter]) -> float:
        """|grad task| / |grad V| on `parameters`, measured at the start and every so often, averaged geometrically."""
        if not parameters:
            raise InputError(
                "the gradient ratio compares gradients on the parameters of the attention, and there are none: "
                "pass parameters, or use a layer that learns."
            )
        calls = int(self.calls.item())
        # One batch says little, so the first few are all measured; at the start the ratio also changes fastest.
        if (calls < self.settings.every or calls % self.settings.every == 0) and torch.is_grad_enabled():
            norms = [_gradient_norm(loss, parameters) for loss in (task, variation)]
            now = math.log(max(norms[0], _EPSILON)) - math.log(max(norms[1], _EPSILON))
            before = self.measured.item()
            self.measured.fill_(now if math.isnan(before) else 0.5 * (before + now))
        self.calls += 1
        return 1.0 if math.isnan(self.measured.item()) else math.exp(min(self.measured.item(), 50.0))


def _gradient_norm(loss: Tensor, parameters: Sequence[nn.Parameter]) -> float:
    grads = torch.autograd.grad(loss, list(parameters), retain_graph=True, allow_unused=True)
    return math.sqrt(sum(g.double().square().sum().item() for g in grads if g is not None))


def spread(attention: Tensor) -> Tensor:
    """Standard deviation of all attention values of a batch, with gradient, also where it is 0."""
    return (attention.float().var(correction=0) + _EPSILON).sqrt()


def spread_penalty(attention: Tensor, floor: float) -> Tensor:
    """max(0, 1 - spread / floor)^2: 0 as long as the attention spreads enough, 1 for a constant map."""
    return (1 - spread(attention) / floor).clamp_min(0).square()


def relative_variation(variation: Tensor, attention: Tensor) -> Tensor:
    """V / (2 Var A): 1 for unrelated maps, 0 for maps that stand still, whatever their scale."""
    return variation / (2 * attention.float().var(correction=0) + 1e-6)
