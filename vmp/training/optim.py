"""Optimiser and learning rate: how the weights move, and how m and n move apart from them."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from vmp.core.config import config
from vmp.layer.prompted import prompt_parameters


@config
class OptimizerConfig:
    """Optimiser, learning rates and their schedule.

    Attributes:
        name: ``adamw``, or ``sgd`` with Nesterov momentum.
        lr: Peak learning rate of the backbone.
        prompt_lr: Peak learning rate of m and n; None takes `lr`. They never decay: decay would pull the slope to its
            largest and the shift to zero, whatever the data say.
        weight_decay: For the backbone's weight matrices and kernels; biases and norms have none.
        momentum: For ``sgd``; AdamW keeps betas (0.9, 0.999).
        schedule: After the warm-up: ``constant``, ``cosine`` to 0, or ``steps``.
        milestones: For ``steps``: epochs at which the rate is multiplied by `gamma`.
        gamma: For ``steps``.
        warmup_epochs: Linear rise from 0; may be a fraction of an epoch.
        clip_norm: Largest gradient norm over all parameters; None clips nothing.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    prompt_lr: Annotated[float, Field(ge=0)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    schedule: Literal["constant", "cosine", "steps"] = "cosine"
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = ()
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.5
    clip_norm: Annotated[float, Field(gt=0)] | None = 5.0

    def __post_init__(self) -> None:
        if self.schedule == "steps" and not self.milestones:
            raise ValueError("schedule 'steps' needs milestones, e.g. milestones: [11, 14]")


def build_optimizer(settings: OptimizerConfig, model: nn.Module, *others: nn.Module) -> torch.optim.Optimizer:
    """The optimiser with three groups: decayed weights, undecayed biases and norms, and the layer's m and n.

    `others` are trained beside the model, such as a regulariser that learns its weight.
    """
    prompt = prompt_parameters(model)
    own = {id(p) for p in prompt}
    every = [p for module in (model, *others) for p in module.parameters()]
    rest = [p for p in every if p.requires_grad and id(p) not in own]
    prompt_lr = settings.lr if settings.prompt_lr is None else settings.prompt_lr
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "lr": settings.lr, "weight_decay": settings.weight_decay},
        {"params": [p for p in rest if p.ndim <= 1], "lr": settings.lr, "weight_decay": 0.0},
        {"params": prompt, "lr": prompt_lr, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    optimizer: torch.optim.Optimizer
    if settings.name == "adamw":
        optimizer = torch.optim.AdamW(groups, lr=settings.lr)
    else:
        nesterov = settings.momentum > 0
        optimizer = torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, nesterov=nesterov)
    for group in optimizer.param_groups:
        group["peak_lr"] = group["lr"]
    return optimizer


def set_learning_rate(
    optimizer: torch.optim.Optimizer, settings: OptimizerConfig, *, epoch: float, epochs: int
) -> float:
    """Set every group's rate for a point in time and return the factor of its peak, in [0, 1].

    Args:
        optimizer: From `build_optimizer`.
        settings: The schedule.
        epoch: Epochs done so far, with the fraction of the current one. Time decides alone: resuming needs no state.
        epochs: Length of the training.
    """
    factor = learning_rate_factor(settings, epoch=epoch, epochs=epochs)
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor
    return factor


def learning_rate_factor(settings: OptimizerConfig, *, epoch: float, epochs: int) -> float:
    """The share of the peak learning rate at `epoch` (in epochs, fractions allowed) of `epochs`."""
    warmup = min(settings.warmup_epochs, epochs)
    if epoch < warmup:
        return epoch / warmup
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / max(epochs - warmup, 1e-9)))
    if settings.schedule == "steps":
        return settings.gamma ** sum(epoch >= milestone for milestone in settings.milestones)
    return 1.0
