"""The guard in front of networks that are built for one length and size of clips."""

from __future__ import annotations

from torch import Tensor, nn

from vmp.core.errors import InputError


class FixedClip(nn.Module):
    """Passes clips on to `network`, refusing any length or size but the one that it was built for.

    Without the guard a TimeSformer interpolates its time embedding for a wrong length and runs, silently wrong.

    Args:
        network: returns logits, as a tensor or in an attribute `logits`.
        num_frames, size: of the clips that the network was built for.
        time_first: hand over (b, t, c, h, w), as the networks of transformers want it.

    Shapes: (b, 3, num_frames, *size) -> (b, num_classes).

    Raises: `InputError` for any other shape.
    """

    def __init__(self, network: nn.Module, num_frames: int, size: tuple[int, int], time_first: bool = False) -> None:
        super().__init__()
        self.network, self.num_frames, self.size, self.time_first = network, num_frames, size, time_first

    def forward(self, clip: Tensor) -> Tensor:
        if tuple(clip.shape[2:]) != (self.num_frames, *self.size):
            raise InputError(
                f"this {type(self.network).__name__} was built for {self.num_frames} frames of "
                f"{self.size[0]} x {self.size[1]}, got a clip {tuple(clip.shape)} (b, 3, t, h, w). "
                "Build it with num_frames and size of the clips."
            )
        output = self.network(clip.transpose(1, 2) if self.time_first else clip)
        return getattr(output, "logits", output)
