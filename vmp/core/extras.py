"""Libraries that a part of the toolkit needs and the rest does not: which extra of the package brings each."""

from __future__ import annotations

from importlib.util import find_spec

from vmp.core.errors import InputError

EXTRAS: dict[str, tuple[str, str]] = {
    "ray": ("ray", "--engine ray"),
    "transformers": ("transformers", "the backbones timesformer_* and videomae_*"),
    "h5py": ("mpii", "the data set mpii-cooking-2"),
    "cv2": ("flow", "optical flow"),
    "cmaes": ("cmaes", "--search cma_es"),
    "psycopg": ("postgres", "a storage on PostgreSQL"),
    "mlflow": ("mlflow", "--track mlflow"),
    "wandb": ("wandb", "--track wandb"),
    "tensorboardX": ("tensorboard", "--track tensorboard"),
}
"""Module -> extra of the package, and what needs it."""


def not_installed(module: str | None) -> InputError | None:
    """The error of a module that cannot be imported, if an extra brings it."""
    if (name := (module or "").split(".")[0]) not in EXTRAS:
        return None
    extra, part = EXTRAS[name]
    return InputError(f"{part}: needs {name}, which is not installed; pip install 'video-motion-prompts[{extra}]'")


def require(module: str) -> None:
    """Raise InputError where a module of `EXTRAS` is not installed, before anything is run. Others pass."""
    if module not in EXTRAS:
        return
    try:
        is_there = find_spec(module) is not None
    except (ImportError, ValueError):
        is_there = False
    if not is_there and (error := not_installed(module)) is not None:
        raise error
