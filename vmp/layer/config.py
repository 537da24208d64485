"""The configuration of what stands between the clip and the backbone, and how it is built: `LayerConfig`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field

from vmp.core.choices import lookup
from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.presets import PRESETS
from vmp.layer.base import FramesOnly, PromptLayer
from vmp.layer.composed import ComposedPrompt
from vmp.layer.functional import check_statistics
from vmp.layer.motion.camera import CompensatedDifference
from vmp.layer.motion.registry import MOTIONS
from vmp.layer.normalizations import NORMALIZATIONS, Sigmoid, build_normalization
from vmp.layer.published import VideoMotionPrompt, check_start, initial_parameters

_OF_SIGMOID = ("m", "n", "slope", "shift", "init", "preset", "learn_slope", "learn_shift", "signed")


@config
class LayerConfig:
    """What stands between the clip and the backbone.

    prompt: "vmp", "control" (attention 1 on the same later frames) or "none" (the backbone alone, on its own K frames).
    channel_order, m, n, slope, shift, init, learn_slope, learn_shift, signed, prompted_frame: see `VideoMotionPrompt`.
    preset: a key of `vmp.core.presets.PRESETS`: published m and n as the start, instead of m, n, slope, shift.
    normalization: a key of `NORMALIZATIONS`. parameter: of one that has a parameter, > 0; learn_parameter: train it.
    motion: a key of `MOTIONS`. compensation: "translation" takes the camera's shift out of the frame difference.
    sharing: one pair (m, n) for the "layer", for each colour "channel", or for each of the t-1 maps ("time").
    maps: t-1, for sharing = "time"; an experiment knows it from its number of frames.
    """

    prompt: Literal["none", "control", "vmp"] = "vmp"
    channel_order: Literal["RGB", "BGR"] = "RGB"
    m: float | None = None
    n: float | None = None
    slope: float | None = None
    shift: float | None = None
    init: Literal["fixed", "published"] = "fixed"
    preset: str | None = None
    learn_slope: bool = True
    learn_shift: bool = True
    signed: bool = True
    prompted_frame: Literal["later", "earlier"] = "later"
    normalization: str = "sigmoid"
    parameter: float | None = Field(default=None, gt=0)
    learn_parameter: bool = False
    motion: str = "frame_difference"
    compensation: Literal["none", "translation"] = "none"
    sharing: Literal["layer", "channel", "time"] = "layer"
    maps: int | None = Field(default=None, ge=1)

    def __post_init__(self) -> None:
        entry = lookup(NORMALIZATIONS, self.normalization, "normalization")
        lookup(MOTIONS, self.motion, "motion")
        if self.preset is not None:
            lookup(PRESETS, self.preset, "preset")
            if any(v is not None for v in (self.m, self.n, self.slope, self.shift)) or self.init != "fixed":
                raise InputError(f"preset {self.preset!r} sets m and n: leave m, n, slope, shift and init out.")
        check_start(*self._start, self.init, self.learn_slope)
        if self.sharing != "time" and self.maps is not None:
            raise InputError(
                'maps is the number of attention maps, t - 1, and belongs to sharing = "time": '
                f"got sharing = {self.sharing!r}, maps = {self.maps}."
            )
        if self.sharing != "layer" and self.normalization != "sigmoid":
            raise InputError(f"sharing = {self.sharing!r} is for the sigmoid, not for {self.normalization!r}.")
        if self.compensation != "none" and self.motion != "frame_difference":
            raise InputError(f"compensation is for motion = 'frame_difference', not for {self.motion!r}.")
        if entry.default is None and (self.parameter is not None or self.learn_parameter):
            build_normalization(self.normalization, parameter=self.parameter, learn=self.learn_parameter)

    @property
    def _start(self) -> tuple[float | None, float | None, float | None, float | None]:
        if self.preset is not None:
            return PRESETS[self.preset].m, PRESETS[self.preset].n, None, None
        return self.m, self.n, self.slope, self.shift

    @property
    def learns(self) -> bool:
        """Whether the attention itself has a parameter that is trained; a motion stem's own do not count."""
        if self.prompt != "vmp":
            return False
        return self.learn_slope or self.learn_shift if self.normalization == "sigmoid" else self.learn_parameter

    @property
    def idle(self) -> tuple[str, ...]:
        """Fields that change nothing beside the others: those of the sigmoid, where another normalisation is used."""
        return () if self.normalization == "sigmoid" else _OF_SIGMOID

    @property
    def extra_frames(self) -> int:
        """Frames that the layer consumes beyond those of the backbone."""
        return 0 if self.prompt == "none" else 1

    @property
    def is_published(self) -> bool:
        """Whether this is the published layer, which has fused kernels, and not one put together from parts."""
        parts = (self.normalization, self.motion, self.compensation, self.sharing)
        return parts == ("sigmoid", "frame_difference", "none", "layer")

    def build(self, mean: Sequence[float], std: Sequence[float]) -> PromptLayer:
        """The layer, with parameters drawn from torch's random stream where `init` says so."""
        return lookup(PROMPTS, self.prompt, "prompt")(self, mean, std)


def _video_motion_prompt(cfg: LayerConfig, mean: Sequence[float], std: Sequence[float]) -> PromptLayer:
    m, n, slope, shift = cfg._start
    if cfg.is_published:
        return VideoMotionPrompt(
            mean, std, cfg.channel_order, m=m, n=n, slope=slope, shift=shift, init=cfg.init,
            learn_slope=cfg.learn_slope, learn_shift=cfg.learn_shift, signed=cfg.signed,
            prompted_frame=cfg.prompted_frame,
        )  # fmt: skip
    check_statistics(mean, std)
    statistics = (mean, std, cfg.channel_order)
    motion = CompensatedDifference(statistics) if cfg.compensation != "none" else MOTIONS[cfg.motion](statistics)
    if cfg.sharing == "time" and cfg.maps is None:
        raise InputError('sharing = "time" needs maps, the number of attention maps: one less than the clip\'s frames.')
    shape = {"layer": (), "channel": (3, 1, 1, 1), "time": (cfg.maps or 1, 1, 1)}[cfg.sharing]
    first_m, first_n = initial_parameters(m, n, slope, shift, cfg.init, cfg.learn_slope, shape)
    sigmoid = Sigmoid(first_m, first_n, shape, cfg.learn_slope, cfg.learn_shift, cfg.signed)
    normalization = build_normalization(
        cfg.normalization, parameter=cfg.parameter, learn=cfg.learn_parameter, sigmoid=sigmoid
    )
    return ComposedPrompt(motion, normalization, cfg.prompted_frame)


def _frames_only(cfg: LayerConfig, mean: Sequence[float], std: Sequence[float]) -> PromptLayer:
    check_statistics(mean, std)
    return FramesOnly(drop_first=cfg.extra_frames == 1)


PROMPTS: dict[str, Callable[[LayerConfig, Sequence[float], Sequence[float]], PromptLayer]] = {
    "none": _frames_only,
    "control": _frames_only,
    "vmp": _video_motion_prompt,
}
