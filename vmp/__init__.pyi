# the layer, and a backbone behind it
from .backbones.registry import BACKBONES as BACKBONES
from .backbones.registry import build_backbone as build_backbone

# configuration, and what is wrong with it
from .core.config import config as config
from .core.errors import InputError as InputError
from .core.presets import PRESETS as PRESETS
from .core.presets import finegym_lambda_table as finegym_lambda_table

# videos
from .data.registry import DATASETS as DATASETS
from .data.registry import load_data as load_data
from .data.sampling import SAMPLERS as SAMPLERS
from .data.sets.class_folders import FolderData as FolderData
from .data.sets.embedded import MotionData as MotionData
from .data.sets.manifest import ManifestData as ManifestData

# one training run
from .experiment import Experiment as Experiment
from .experiment import Runtime as Runtime
from .experiment import run_experiment as run_experiment
from .layer.base import MotionPrompt as MotionPrompt
from .layer.config import LAYERS as LAYERS
from .layer.config import PromptConfig as PromptConfig
from .layer.prompted import MotionPrompted as MotionPrompted
from .layer.published import VideoMotionPrompt as VideoMotionPrompt

# videos of any length, and looking at what the layer does
from .layer.streaming import classify_stream as classify_stream
from .layer.streaming import stream as stream

# a trained model on its own
from .saved_model import SavedModel as SavedModel
from .saved_model import load_model as load_model
from .show.curve import prepare_curve as prepare_curve
from .show.explain import prepare_overlay as prepare_overlay
from .show.explain import prepare_trajectories as prepare_trajectories
from .training.loop import TrainConfig as TrainConfig
from .training.regularizers import RegularizerConfig as RegularizerConfig
