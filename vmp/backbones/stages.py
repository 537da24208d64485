"""The stages of a backbone, in order: what is frozen, what learns more slowly, what is computed twice to save memory.

Stages are read off a module's children, the same for every backbone and for one of your own: the items of its only list
of blocks (at the least depth at which there is one), and the parts before and after that list. Modules without
parameters are no stages. A parameter outside every stage, such as an embedding of positions, belongs to the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

from vmp.core.choices import lookup
from vmp.core.errors import InputError

UNTIL = "until:"
FREEZE = ("none", "all", "all_but_head", f"{UNTIL}<stage>")
_WRAPPERS = ("network.", "module.")  # ours, around the network that a user knows
_CLASSIFIERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def stages(backbone: nn.Module) -> dict[str, nn.Module]:
    """The stages by name, in the order in which the modules were made; names as in the library's own state dict."""
    path = _path_to_blocks(backbone)
    return {_name(name): part for name, part in _parts(backbone, path, "")}


def stage_of_parameters(backbone: nn.Module) -> dict[str, int]:
    """For each parameter's name the number of its stage, counted from 0."""
    number = {id(parameter): i for i, part in enumerate(stages(backbone).values()) for parameter in part.parameters()}
    return {name: number.get(id(parameter), 0) for name, parameter in backbone.named_parameters()}


def frozen_names(backbone: nn.Module, freeze: str, num_classes: int) -> set[str]:
    """The names of the parameters that a setting of ``backbone.freeze`` keeps as they are.

    Args:
        backbone: The module.
        freeze: See `vmp.backbones.registry.BackboneConfig`.
        num_classes: Length of its logits, by which the classifier is recognised.

    Raises:
        InputError: Not a setting, or no stage of that name; lists the stages.
    """
    names = {name for name, _ in backbone.named_parameters()}
    if freeze == "none":
        return set()
    if freeze == "all":
        return names
    if freeze == "all_but_head":
        head = {id(parameter) for parameter in classifier(backbone, num_classes).parameters()}
        return {name for name, parameter in backbone.named_parameters() if id(parameter) not in head}
    if not freeze.startswith(UNTIL):
        raise InputError(f"backbone.freeze must be one of {', '.join(FREEZE)}, got {freeze!r}")
    last, known = freeze.removeprefix(UNTIL), list(stages(backbone))
    try:
        lookup(dict.fromkeys(known, ""), last, "stage")
    except InputError as error:
        raise InputError(f"backbone.freeze = {freeze}: {error}") from error
    if last == known[-1]:
        raise InputError(f"backbone.freeze = {freeze} is everything, since {last} is the last stage; say all instead")
    return {name for name, number in stage_of_parameters(backbone).items() if number <= known.index(last)}


def classifier(backbone: nn.Module, num_classes: int) -> nn.Module:
    """The layer that gives the logits: the last linear layer or convolution with so many outputs.

    Raises:
        InputError: There is none.
    """
    layers = [module for module in backbone.modules() if isinstance(module, _CLASSIFIERS)]
    found = [one for one in layers if getattr(one, "out_features", getattr(one, "out_channels", None)) == num_classes]
    if not found:
        raise InputError(
            f"backbone.freeze = all_but_head: this {type(backbone).__name__} has no linear layer with "
            f"{num_classes} outputs that would be its head; name the last frozen stage by until:<stage>"
        )
    return found[-1]


def freeze_parameters(backbone: nn.Module, freeze: str, num_classes: int) -> tuple[nn.Module, ...]:
    """Let the parameters that `freeze` names learn no more.

    Returns:
        The modules that are to stay in eval mode during training: all of whose parameters are frozen, so that the
        statistics of their BatchNorm stay too and nothing is dropped in them; the outermost of each.
    """
    names = frozen_names(backbone, freeze, num_classes)
    for name, parameter in backbone.named_parameters():
        if name in names:
            parameter.requires_grad_(False)
    return tuple(_frozen_parts(backbone)) if names else ()


def checkpoint_stages(backbone: nn.Module) -> None:
    """Hold no activations inside the stages: they are computed again for the gradient, in which no number changes."""
    for part in stages(backbone).values():
        part.forward = _computed_twice(part, part.forward)


def _computed_twice(part: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
    norms = [module for module in part.modules() if isinstance(module, _NormBase)]

    def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), _without_statistics(norms)

    def once(*args: Any, **options: Any) -> Any:
        # pytorchvideo's pathways put their output into the list that they are given
        return forward(*(list(one) if isinstance(one, list) else one for one in args), **options)

    def computed(*args: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():  # nothing is held; a frozen stage is asked for gradients all the same
            return forward(*args, **options)
        return checkpoint(once, *args, use_reentrant=False, context_fn=contexts, **options)

    return computed


@contextmanager
def _without_statistics(norms: list[_NormBase]) -> Iterator[None]:
    """Without a second update of running statistics from the same batch."""
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked = norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, momentum, tracked in before:
            norm.momentum, norm.num_batches_tracked = momentum, tracked


def _frozen_parts(module: nn.Module) -> Iterator[nn.Module]:
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        yield module
        return
    for child in module.children():
        yield from _frozen_parts(child)


def _children(module: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, child) for name, child in module.named_children() if any(True for _ in child.parameters())]


def _path_to_blocks(module: nn.Module) -> tuple[str, ...]:
    """Names from `module` down to its only list of blocks at the least depth; empty for several, or none."""
    level: list[tuple[tuple[str, ...], nn.Module]] = [((), module)]
    while level:
        lists = [path for path, part in level if isinstance(part, nn.ModuleList | nn.Sequential)]
        if lists:
            return lists[0] if len(lists) == 1 else ()
        level = [((*path, name), child) for path, part in level for name, child in _children(part)]
    return ()


def _parts(module: nn.Module, path: tuple[str, ...], prefix: str) -> Iterator[tuple[str, nn.Module]]:
    for name, child in _children(module):
        if path and name == path[0]:
            yield from _parts(child, path[1:], f"{prefix}{name}.")
        else:
            yield prefix + name, child


def _name(path: str) -> str:
    while path.startswith(_WRAPPERS):
        path = path.partition(".")[2]
    return path
