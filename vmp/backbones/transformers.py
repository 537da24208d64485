"""Builders on transformers: TimeSformer. Each takes (b, 3, t, h, w) of exactly the length and size it was built for."""

from __future__ import annotations

from torch import Tensor, nn

from vmp.errors import InputError


class FixedClip(nn.Module):
    """Puts a clip into the (b, t, c, h, w) layout of transformers, refusing any length or size but the built one.

    Without the check a TimeSformer interpolates its time embedding for the wrong length and runs, silently wrong.

    Args:
        network: takes `pixel_values` (b, t, c, h, w), returns an output with `logits`.
        num_frames, size: of the clips that the network was built for.

    Shapes: (b, 3, num_frames, *size) -> (b, num_classes).

    Raises: `InputError` for any other shape.
    """

    def __init__(self, network: nn.Module, num_frames: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.network, self.num_frames, self.size = network, num_frames, size

    def forward(self, clip: Tensor) -> Tensor:
        if tuple(clip.shape[2:]) != (self.num_frames, *self.size):
            raise InputError(
                f"this {type(self.network).__name__} was built for {self.num_frames} frames of "
                f"{self.size[0]} x {self.size[1]}, got a clip {tuple(clip.shape)} (b, 3, t, h, w). "
                "Build it with num_frames and size of the clips."
            )
        return self.network(pixel_values=clip.transpose(1, 2)).logits


def build_timesformer(
    *, num_classes: int, num_frames: int, size: tuple[int, int], dropout: float, hidden: int, layers: int, heads: int
) -> nn.Module:
    """A TimeSformer with divided space-time attention and patches of 16, for square clips of exactly this length."""
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    if size[0] != size[1]:
        raise InputError(f"TimeSformer takes square clips, got {size[0]} x {size[1]}. Crop to a square.")
    network = TimesformerForVideoClassification(
        TimesformerConfig(
            image_size=size[0],
            patch_size=16,
            num_frames=num_frames,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * hidden,
            hidden_dropout_prob=dropout,
            num_labels=num_classes,
            attention_type="divided_space_time",
        )
    )
    return FixedClip(network, num_frames, size)
