"""Optimiser and learning rate: how the weights move, and how m and n move apart from them."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import nn

from vmp.backbones.stages import stage_of_parameters
from vmp.core.config import Choice, config
from vmp.layer.prompted import prompt_parameters


@config
class LearningRate(ABC):
    """How the learning rate moves over the training.

    Attributes:
        warmup_epochs: Linear rise from 0 before the schedule begins; may be a fraction of an epoch.
    """

    kind: str
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.5

    def factor(self, *, epoch: float, epochs: int) -> float:
        """The share of the peak rate, in [0, 1], at `epoch` (in epochs, fractions allowed) of `epochs`."""
        warmup = min(self.warmup_epochs, epochs)
        return epoch / warmup if epoch < warmup else self.after_warmup(epoch, warmup, epochs)

    def canonical(self, epochs: int) -> LearningRate:
        """The one form of every schedule that gives the same rates in a training of so many epochs."""
        return dataclasses.replace(self, warmup_epochs=min(self.warmup_epochs, float(epochs)))

    @abstractmethod
    def after_warmup(self, epoch: float, warmup: float, epochs: int) -> float:
        """The share of the peak rate once the warm-up is over."""


@config
class ConstantRate(LearningRate):
    """The peak rate to the end."""

    kind: Literal["constant"] = "constant"

    def after_warmup(self, epoch: float, warmup: float, epochs: int) -> float:
        del epoch, warmup, epochs
        return 1.0


@config
class CosineRate(LearningRate):
    """Half a cosine from the peak rate to 0."""

    kind: Literal["cosine"] = "cosine"

    def canonical(self, epochs: int) -> LearningRate:
        if self.warmup_epochs < epochs:
            return self
        return ConstantRate(warmup_epochs=epochs)  # there is nothing after the warm-up

    def after_warmup(self, epoch: float, warmup: float, epochs: int) -> float:
        return 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / max(epochs - warmup, 1e-9)))


@config
class SteppedRate(LearningRate):
    """The rate falls by a factor at each of some epochs.

    Attributes:
        milestones: Epochs at which the rate is multiplied by `gamma`, at least one.
        gamma: In (0, 1).
    """

    kind: Literal["steps"] = "steps"
    milestones: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    gamma: Annotated[float, Field(gt=0, lt=1)] = 0.1

    def canonical(self, epochs: int) -> LearningRate:
        warmup = min(self.warmup_epochs, float(epochs))
        reached = tuple(sorted(milestone for milestone in self.milestones if milestone <= epochs))
        if not reached:
            return ConstantRate(warmup_epochs=warmup)
        return dataclasses.replace(self, warmup_epochs=warmup, milestones=reached)

    def after_warmup(self, epoch: float, warmup: float, epochs: int) -> float:
        del warmup, epochs
        return self.gamma ** sum(epoch >= milestone for milestone in self.milestones)


RATES: dict[str, type[LearningRate]] = {"constant": ConstantRate, "cosine": CosineRate, "steps": SteppedRate}


@config
class Optimizer(ABC):
    """What every optimiser reads.

    Attributes:
        lr: Peak learning rate of the backbone.
        prompt_lr: Peak learning rate of m and n; None takes `lr`. They never decay: decay would pull the slope to its
            largest and the shift to zero, whatever the data say.
        weight_decay: For the backbone's weight matrices and kernels; biases and norms have none.
        schedule: How the rates move.
        clip_norm: Largest gradient norm over all parameters; None clips nothing.
        layer_decay: Factor of the learning rate from each stage of the backbone to the one before it, in (0, 1]; the
            last stage has `lr`. 1 gives all the same; 0.75 is usual for fine-tuning a transformer.
    """

    kind: str
    lr: Annotated[float, Field(gt=0)] = 1e-3
    prompt_lr: Annotated[float, Field(ge=0)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    schedule: Annotated[LearningRate, Choice(RATES, "learning rate schedule", default="cosine")] = CosineRate()
    clip_norm: Annotated[float, Field(gt=0)] | None = 5.0
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0

    @abstractmethod
    def over(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimiser over these parameter groups."""

    def build(self, model: nn.Module, *others: nn.Module) -> torch.optim.Optimizer:
        """The optimiser with three groups: decayed weights, undecayed biases and norms, and the layer's m and n.

        With a layer decay, each stage of the backbone has its own pair of the first two. `others` are trained beside
        the model, such as a regulariser that learns its weight.
        """
        prompt = prompt_parameters(model)
        own = {id(p) for p in prompt}
        all_parameters = [p for module in (model, *others) for p in module.parameters()]
        backbone = [p for p in all_parameters if p.requires_grad and id(p) not in own]
        prompt_lr = self.lr if self.prompt_lr is None else self.prompt_lr
        groups: list[dict[str, Any]] = []
        for lr, members in self._by_rate(model, backbone):
            groups += [
                {"params": [p for p in members if p.ndim > 1], "lr": lr, "weight_decay": self.weight_decay},
                {"params": [p for p in members if p.ndim <= 1], "lr": lr, "weight_decay": 0.0},
            ]
        groups.append({"params": prompt, "lr": prompt_lr, "weight_decay": 0.0})
        # A frozen backbone behind a layer that learns nothing: there is nothing to train, and still a loss to report.
        optimizer = self.over([group for group in groups if group["params"]] or groups[-1:])
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
        return optimizer

    def _by_rate(self, model: nn.Module, parameters: list[nn.Parameter]) -> list[tuple[float, list[nn.Parameter]]]:
        """Peak learning rates with those of `parameters` that have them."""
        backbone = getattr(model, "backbone", None)
        if self.layer_decay == 1 or backbone is None:
            return [(self.lr, parameters)]
        numbers, by_name = stage_of_parameters(backbone), dict(backbone.named_parameters())
        last = max(numbers.values())
        exponent = {id(by_name[name]): last - number for name, number in numbers.items()}
        groups: dict[int, list[nn.Parameter]] = {}
        for parameter in parameters:
            groups.setdefault(exponent.get(id(parameter), 0), []).append(parameter)
        return [(self.lr * self.layer_decay**one, members) for one, members in sorted(groups.items())]

    def set_learning_rate(self, optimizer: torch.optim.Optimizer, *, epoch: float, epochs: int) -> float:
        """Set every group's rate for a point in time and return the factor of its peak, in [0, 1].

        Args:
            optimizer: From `build`.
            epoch: Epochs done so far, with the fraction of the current one. Only time decides: resuming needs no state.
            epochs: Length of the training.
        """
        factor = self.schedule.factor(epoch=epoch, epochs=epochs)
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * factor
        return factor


@config
class AdamW(Optimizer):
    """AdamW with betas (0.9, 0.999)."""

    kind: Literal["adamw"] = "adamw"

    def over(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(groups, lr=self.lr)


@config
class SGD(Optimizer):
    """Stochastic gradient descent with Nesterov momentum.

    Attributes:
        momentum: In [0, 1); 0 has none.
    """

    kind: Literal["sgd"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9

    def over(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=self.momentum > 0)


OPTIMIZERS: dict[str, type[Optimizer]] = {"adamw": AdamW, "sgd": SGD}
