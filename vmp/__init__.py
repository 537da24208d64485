"""Video Motion Prompts: the layer, its backbones, its data and its training loop.

Everything public is listed here and loaded on first use, so that ``import vmp`` (and with it ``vmp --help``) does not
wait for torch. Clips are ``(b, c, t, h, w)`` at every boundary.

    >>> import torch, vmp
    >>> layer = vmp.VideoMotionPrompt(mean=(0.45,) * 3, std=(0.225,) * 3)
    >>> tuple(layer(torch.zeros(2, 3, 9, 32, 32)).prompt.shape)  # 9 frames in, 8 prompts out
    (2, 3, 8, 32, 32)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmp.backbones.registry import BACKBONES as BACKBONES
    from vmp.backbones.registry import BackboneConfig as BackboneConfig
    from vmp.backbones.registry import build_backbone as build_backbone
    from vmp.core.errors import InputError as InputError
    from vmp.core.presets import PRESETS as PRESETS
    from vmp.core.presets import finegym_lambda_table as finegym_lambda_table
    from vmp.data.registry import DATASETS as DATASETS
    from vmp.data.registry import load_data as load_data
    from vmp.data.sampling import SAMPLERS as SAMPLERS
    from vmp.data.sampling import SamplingConfig as SamplingConfig
    from vmp.data.sets.embedded import MotionData as MotionData
    from vmp.data.sets.manifest import FolderData as FolderData
    from vmp.data.sets.manifest import ManifestData as ManifestData
    from vmp.experiment import Experiment as Experiment
    from vmp.experiment import Runtime as Runtime
    from vmp.experiment import run_experiment as run_experiment
    from vmp.layer.base import MotionPrompt as MotionPrompt
    from vmp.layer.base import VideoMotionPrompt as VideoMotionPrompt
    from vmp.layer.config import LayerConfig as LayerConfig
    from vmp.layer.prompted import MotionPrompted as MotionPrompted
    from vmp.layer.streaming import classify_stream as classify_stream
    from vmp.layer.streaming import stream as stream
    from vmp.show.explain import prepare_curve as prepare_curve
    from vmp.show.explain import prepare_overlay as prepare_overlay
    from vmp.show.explain import prepare_trajectories as prepare_trajectories
    from vmp.training.loop import TrainConfig as TrainConfig
    from vmp.training.regularizers import RegularizerConfig as RegularizerConfig

_HOME = {
    # the layer, and a backbone behind it
    "VideoMotionPrompt": "vmp.layer.base",
    "MotionPrompt": "vmp.layer.base",
    "MotionPrompted": "vmp.layer.prompted",
    "LayerConfig": "vmp.layer.config",
    "BACKBONES": "vmp.backbones.registry",
    "BackboneConfig": "vmp.backbones.registry",
    "build_backbone": "vmp.backbones.registry",
    "PRESETS": "vmp.core.presets",
    "finegym_lambda_table": "vmp.core.presets",
    # videos of any length, and looking at what the layer does
    "stream": "vmp.layer.streaming",
    "classify_stream": "vmp.layer.streaming",
    "prepare_curve": "vmp.show.explain",
    "prepare_overlay": "vmp.show.explain",
    "prepare_trajectories": "vmp.show.explain",
    # videos
    "DATASETS": "vmp.data.registry",
    "MotionData": "vmp.data.sets.embedded",
    "FolderData": "vmp.data.sets.manifest",
    "ManifestData": "vmp.data.sets.manifest",
    "load_data": "vmp.data.registry",
    "SAMPLERS": "vmp.data.sampling",
    "SamplingConfig": "vmp.data.sampling",
    # one training run
    "Experiment": "vmp.experiment",
    "Runtime": "vmp.experiment",
    "TrainConfig": "vmp.training.loop",
    "run_experiment": "vmp.experiment",
    "RegularizerConfig": "vmp.training.regularizers",
    "InputError": "vmp.core.errors",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vmp' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
