"""The tools that a sweep can be shown to: one visible table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sweeps.track.base import Tracker
from vmp.core.choices import find_object, lookup


def make_trackers(
    names: Sequence[str], folder: Path, *, metric: str, storage: str | None, is_search: bool
) -> dict[str, Tracker]:
    """The trackers of a run. A search is mirrored into ``DIR/search.db`` unless `storage` names another place.

    Args:
        names: Keys of `TRACKERS`, or dotted paths of trackers of your own.
        folder: The study's; given to each tracker.
        metric: ``top1`` or ``mean_class``.
        storage: URL of an Optuna storage.
        is_search: Whether Optuna proposes the arms.

    Raises:
        InputError: No such tracker, or its package is not installed; see `sweeps.track.storage.StorageMirror`.
    """
    made = {}
    for name in dict.fromkeys(names):
        make = find_object(name, "tracker") if ":" in name else lookup(TRACKERS, name, "tracker")
        made[f"--track {name}"] = make(folder)
    if storage is not None or is_search:
        from sweeps.track.storage import StorageMirror, file_url  # a grid does not wait for Optuna

        url = storage or file_url(folder / "search.db")
        made["the storage" if storage is None else "--storage"] = StorageMirror(url, folder, metric)
    return made


def _tensorboard(folder: Path) -> Tracker:
    from sweeps.track.tensorboard import TensorBoard

    return TensorBoard(folder)


def _mlflow(folder: Path) -> Tracker:
    from sweeps.track.mlflow import MLflow

    return MLflow(folder)


def _wandb(folder: Path) -> Tracker:
    from sweeps.track.wandb import WandB

    return WandB(folder)


TRACKERS: dict[str, Callable[[Path], Tracker]] = {"mlflow": _mlflow, "tensorboard": _tensorboard, "wandb": _wandb}
"""Name -> constructor of every tracker that ``vmp sweep run --track`` takes; each is given the study's folder."""
