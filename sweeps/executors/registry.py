"""The engines that cells can run on: one visible table."""

from __future__ import annotations

from collections.abc import Callable

from sweeps.executors.base import Executor, Resources
from vmp.core.choices import lookup


def make_executor(engine: str, resources: Resources) -> Executor:
    """The executor that `engine` names. Raises InputError for an unknown one."""
    return lookup(EXECUTORS, engine, "engine")(resources)


def _local(resources: Resources) -> Executor:
    from sweeps.executors.local import LocalExecutor

    return LocalExecutor(resources)


def _ray(resources: Resources) -> Executor:
    from sweeps.executors.ray_tune import RayTuneExecutor  # Ray takes seconds to import

    return RayTuneExecutor(resources)


EXECUTORS: dict[str, Callable[[Resources], Executor]] = {"local": _local, "ray": _ray}
"""Name -> constructor of every engine that `vmp sweep run --engine` takes."""
