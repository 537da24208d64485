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
    from vmp.backbones import BACKBONES as BACKBONES
    from vmp.backbones import BackboneConfig as BackboneConfig
    from vmp.backbones import build_backbone as build_backbone
    from vmp.data import DATASETS as DATASETS
    from vmp.data import load_data as load_data
    from vmp.data.manifest import FolderData as FolderData
    from vmp.data.manifest import ManifestData as ManifestData
    from vmp.data.synthetic import MotionData as MotionData
    from vmp.errors import InputError as InputError
    from vmp.experiment import Experiment as Experiment
    from vmp.experiment import Runtime as Runtime
    from vmp.experiment import run_experiment as run_experiment
    from vmp.explain import prepare_curve as prepare_curve
    from vmp.explain import prepare_overlay as prepare_overlay
    from vmp.explain import prepare_trajectories as prepare_trajectories
    from vmp.layer import MotionPrompt as MotionPrompt
    from vmp.layer import VideoMotionPrompt as VideoMotionPrompt
    from vmp.layer_config import LayerConfig as LayerConfig
    from vmp.presets import PRESETS as PRESETS
    from vmp.presets import finegym_lambda_table as finegym_lambda_table
    from vmp.prompted import MotionPrompted as MotionPrompted
    from vmp.regularizers import RegularizerConfig as RegularizerConfig
    from vmp.sampling import SAMPLERS as SAMPLERS
    from vmp.sampling import SamplingConfig as SamplingConfig
    from vmp.streaming import classify_stream as classify_stream
    from vmp.streaming import stream as stream
    from vmp.training import TrainConfig as TrainConfig

_HOME = {
    # the layer, and a backbone behind it
    "VideoMotionPrompt": "vmp.layer",
    "MotionPrompt": "vmp.layer",
    "MotionPrompted": "vmp.prompted",
    "LayerConfig": "vmp.layer_config",
    "BACKBONES": "vmp.backbones",
    "BackboneConfig": "vmp.backbones",
    "build_backbone": "vmp.backbones",
    "PRESETS": "vmp.presets",
    "finegym_lambda_table": "vmp.presets",
    # videos of any length, and looking at what the layer does
    "stream": "vmp.streaming",
    "classify_stream": "vmp.streaming",
    "prepare_curve": "vmp.explain",
    "prepare_overlay": "vmp.explain",
    "prepare_trajectories": "vmp.explain",
    # videos
    "DATASETS": "vmp.data",
    "MotionData": "vmp.data.synthetic",
    "FolderData": "vmp.data.manifest",
    "ManifestData": "vmp.data.manifest",
    "load_data": "vmp.data",
    "SAMPLERS": "vmp.sampling",
    "SamplingConfig": "vmp.sampling",
    # one training run
    "Experiment": "vmp.experiment",
    "Runtime": "vmp.experiment",
    "TrainConfig": "vmp.training",
    "run_experiment": "vmp.experiment",
    "RegularizerConfig": "vmp.regularizers",
    "InputError": "vmp.errors",
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
