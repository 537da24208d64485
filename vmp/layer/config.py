"""What stands between the clip and the backbone: one table, `LAYERS`, of the layer and what it is compared with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from vmp.core.config import Choice, config
from vmp.layer.appended import AppendedMotion
from vmp.layer.base import FramesOnly, PromptLayer
from vmp.layer.composed import ComposedPrompt
from vmp.layer.functional import check_statistics
from vmp.layer.motion.base import MotionConfig
from vmp.layer.motion.differences import FrameDifferenceConfig
from vmp.layer.motion.registry import MOTIONS
from vmp.layer.normalizations import NORMALIZATIONS, NormalizationConfig, SigmoidConfig
from vmp.layer.published import VideoMotionPrompt


@config
class LayerConfig(ABC):
    """What stands between the clip and the backbone.

    Attributes:
        kind: A key of `LAYERS`, or the dotted path of a class of one's own.
    """

    extra_frames: ClassVar[int] = 1
    """Frames that the layer consumes beyond those of the backbone."""

    has_attention: ClassVar[bool] = True
    """Whether there is an attention for a regulariser to act on; without one it is 1, and V is 0."""

    kind: str

    @property
    def channels(self) -> int:
        """Channels of what reaches the backbone."""
        return 3

    @property
    def learns(self) -> bool:
        """Whether the attention itself has a parameter that is trained; a motion stem's own do not count."""
        return False

    @abstractmethod
    def build(self, mean: Sequence[float], std: Sequence[float], maps: int) -> PromptLayer:
        """The layer; parameters are drawn from torch's random stream where the start says so.

        Args:
            mean, std: Statistics that clips are normalised with, three numbers each.
            maps: Attention maps of a clip: as many as frames reach the backbone.
        """

    def check(self, size: int) -> None:
        """Raise `InputError` if the layer cannot take square frames of this size."""
        del size  # any size will do, unless a kind says otherwise


@config
class NoPromptConfig(LayerConfig):
    """The backbone alone, on its own frames."""

    extra_frames, has_attention = 0, False

    kind: Literal["none"] = "none"

    def build(self, mean: Sequence[float], std: Sequence[float], maps: int) -> PromptLayer:
        check_statistics(mean, std)
        return FramesOnly(drop_first=False)


@config
class ControlConfig(LayerConfig):
    """Attention 1 on the frames that a prompt would weight.

    Attributes:
        prompted_frame: The ``later`` or the ``earlier`` frame of each pair.
    """

    has_attention = False

    kind: Literal["control"] = "control"
    prompted_frame: Literal["later", "earlier"] = "later"

    def build(self, mean: Sequence[float], std: Sequence[float], maps: int) -> PromptLayer:
        check_statistics(mean, std)
        return FramesOnly(drop_first=True, prompted_frame=self.prompted_frame)


@config
class PromptConfig(LayerConfig):
    """The motion prompt: a motion map, a power normalisation, a product.

    Attributes:
        motion: What the attention looks at.
        normalization: How that becomes attention.
        prompted_frame: Which frame of each pair is weighted, ``later`` as published or ``earlier``.
    """

    kind: Literal["vmp"] = "vmp"
    motion: Annotated[MotionConfig, Choice(MOTIONS, "motion map", default="frame_difference")] = FrameDifferenceConfig()
    normalization: Annotated[NormalizationConfig, Choice(NORMALIZATIONS, "power normalization", default="sigmoid")] = (
        SigmoidConfig()
    )
    prompted_frame: Literal["later", "earlier"] = "later"

    @property
    def learns(self) -> bool:
        return self.normalization.learns

    @property
    def is_published(self) -> bool:
        """Whether this is the published layer, which has fused kernels, and not one put together from parts."""
        sigmoid = isinstance(self.normalization, SigmoidConfig) and self.normalization.sharing == "layer"
        return sigmoid and isinstance(self.motion, FrameDifferenceConfig)

    def check(self, size: int) -> None:
        self.motion.check(size)

    def build(self, mean: Sequence[float], std: Sequence[float], maps: int) -> PromptLayer:
        if self.is_published:
            motion, sigmoid = self.motion, self.normalization
            assert isinstance(motion, FrameDifferenceConfig)
            assert isinstance(sigmoid, SigmoidConfig)
            m, n = sigmoid.start.draw()
            return VideoMotionPrompt(
                mean, std, motion.channel_order, m=m.item(), n=n.item(), learn_slope=sigmoid.learn_slope,
                learn_shift=sigmoid.learn_shift, signed=sigmoid.signed, prompted_frame=self.prompted_frame,
            )  # fmt: skip
        check_statistics(mean, std)
        motion_map = self.motion.build(mean, std)  # first: a learnt one draws before the start does
        return ComposedPrompt(motion_map, self.normalization.build(maps), self.prompted_frame)


@config
class AppendedConfig(LayerConfig):
    """The motion map as further channels of the frames that a prompt would weight: information, not attention.

    The backbone's first convolutions take them, with weights that start at zero: training starts at the control.

    Attributes:
        motion: What is appended.
    """

    has_attention = False

    kind: Literal["appended"] = "appended"
    motion: Annotated[MotionConfig, Choice(MOTIONS, "motion map", default="frame_difference")] = FrameDifferenceConfig()

    @property
    def channels(self) -> int:
        return 3 + self.motion.maps

    def check(self, size: int) -> None:
        self.motion.check(size)

    def build(self, mean: Sequence[float], std: Sequence[float], maps: int) -> PromptLayer:
        check_statistics(mean, std)
        return AppendedMotion(self.motion.build(mean, std), tuple(std))


LAYERS: dict[str, type[LayerConfig]] = {
    "none": NoPromptConfig,
    "control": ControlConfig,
    "vmp": PromptConfig,
    "appended": AppendedConfig,
}
