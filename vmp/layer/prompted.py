"""A backbone behind a motion prompt layer: `MotionPrompted`, and the parameters of its layer."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from vmp.core.choices import lookup
from vmp.core.errors import InputError
from vmp.layer.base import PromptLayer


class Prompted(NamedTuple):
    """Output of `MotionPrompted`. logits: (b, num_classes). variation: V, a scalar; the loss is task + lambda * V."""

    logits: Tensor
    variation: Tensor


class MotionPrompted(nn.Module):
    """Runs `backbone` on the motion prompts that `layer` makes of a clip.

        logits = backbone(layer(clip).prompt)

    Args:
        backbone: any module that takes the prompt and returns logits, as a tensor or in an attribute `logits`.
            Its attribute `channels_last`, if it is there and true, says that its convolutions want such clips.
        layer: a module that returns a `MotionPrompt`: `VideoMotionPrompt`, a control, or a variant.
        backbone_layout: "bcthw", or "btchw" for a backbone that wants (b, t, c, h, w). Clips stay (b, c, t, h, w).

    Shapes: (b, 3, t, h, w) -> logits (b, num_classes), variation ().

    Raises: `InputError` for an unknown layout, or if the backbone does not return logits of the batch.
    """

    def __init__(self, backbone: nn.Module, layer: PromptLayer, backbone_layout: str = "bcthw") -> None:
        super().__init__()
        self._swap = lookup({"bcthw": False, "btchw": True}, backbone_layout, "backbone_layout")
        self.backbone, self.layer, self.backbone_layout = backbone, layer, backbone_layout
        layer.channels_last = bool(getattr(backbone, "channels_last", False))

    def forward(self, clip: Tensor) -> Prompted:
        prompt, _, variation = self.layer(clip)
        return Prompted(self.classify(prompt), variation)

    def classify(self, prompt: Tensor) -> Tensor:
        """Logits of a prompt (b, 3, t, h, w) that the layer has already made."""
        output = self.backbone(prompt.transpose(1, 2) if self._swap else prompt)
        logits = getattr(output, "logits", output)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[0] != prompt.shape[0]:
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise InputError(
                f"the backbone {type(self.backbone).__name__} must return logits (b, num_classes) for a prompt "
                f"{tuple(prompt.shape)}, got {got}."
            )
        return logits


def prompt_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The trainable parameters of the prompt (m and n), for an optimiser group of their own without weight decay.

    Accepts a `MotionPrompted` model or a bare layer; empty for the controls.
    """
    layer = model.layer if isinstance(model, MotionPrompted) else model
    return (
        layer.prompt_parameters()
        if isinstance(layer, PromptLayer)
        else [p for p in layer.parameters() if p.requires_grad]
    )
