"""What a cell takes of a machine, and how many cells therefore run at a time. No part of any cell's identity."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import psutil
from pydantic import BeforeValidator, Field

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.text import size_in_words

_UNITS = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def _bytes(value: Any) -> Any:
    """``4GB``, ``512 MiB`` or a number of bytes, as bytes."""
    if not isinstance(value, str):
        return value
    units = {unit.lower(): factor for unit, factor in _UNITS.items()}
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", value.strip().lower())
    if match is None or match[2].removesuffix("b") + "b" not in {*units, "b"}:
        raise ValueError(f"must be a size such as 512MB, 4GB or 4GiB, got {value!r}")
    return round(float(match[1]) * units.get(match[2], units.get(f"{match[2]}b", 1)))


@config
class CellNeeds:
    """What one cell takes: the `resources` section of a study file.

    Attributes:
        cpus: Cores. None does not count them; Ray then reserves one for each of ``--threads``.
        gpus: The share of a GPU: with 0.5 two cells share one. None does not count them; Ray then reserves one.
        memory: Bytes, or a size such as ``4GB``. None does not count it.
    """

    cpus: Annotated[float, Field(gt=0)] | None = None
    gpus: Annotated[float, Field(ge=0, le=1)] | None = None
    memory: Annotated[int, BeforeValidator(_bytes), Field(gt=0)] | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What this process may use: cores, bytes of memory, and the devices that cells are given."""

    cpus: int
    memory: int
    devices: Sequence[str]

    @classmethod
    def here(cls, devices: Sequence[str]) -> Machine:
        """This machine, as far as a queue or a container lets this process use it."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cls(cpus=cores, memory=min(psutil.virtual_memory().total, *_group_limits()), devices=devices)


def _group_limits() -> list[int]:
    """Limits of memory that control groups (version 2) set around this process, such as a SLURM job's."""
    limits = [2**63]
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        group = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
        folder = Path("/sys/fs/cgroup") / group
        for one in (folder, *folder.parents[: len(Path(group).parts)]):
            with contextlib.suppress(OSError, ValueError):
                limits.append(int((one / "memory.max").read_text()))
    return limits


def cells_that_fit(needs: CellNeeds, machine: Machine, workers: int) -> tuple[int, str | None]:
    """How many of `workers` cells fit into a machine, and the sentence that says why not all.

    Raises:
        InputError: Not even one does.
    """
    limits = []
    if needs.cpus is not None:
        limits.append((math.floor(machine.cpus / needs.cpus + 1e-9), f"{needs.cpus:g} of {machine.cpus} CPUs"))
    if needs.memory is not None:
        text = f"{size_in_words(needs.memory)} of {size_in_words(machine.memory)} of memory"
        limits.append((machine.memory // needs.memory, text))
    gpus = [device for device in machine.devices if device.startswith("cuda")]
    if needs.gpus and gpus:
        share = math.floor(1 / needs.gpus + 1e-9)
        limits.append((len(gpus) * share, f"{needs.gpus:g} of {len(gpus)} GPUs ({', '.join(gpus)})"))
    number, text = min(limits, default=(workers, ""))
    if number == 0:
        raise InputError(f"resources: a cell takes {text}; run on a larger machine, or lower what the study says")
    if number >= workers:
        return workers, None
    return number, f"{number} cells at a time instead of --workers {workers}: the study says a cell takes {text}"


def split_devices(text: str) -> tuple[str, ...]:
    """The devices of ``--device cuda:0,cuda:1``. Raises InputError where one is named twice."""
    devices = tuple(part.strip() for part in text.split(","))
    if len(set(devices)) < len(devices) or not all(devices):
        raise InputError(f"--device lists each device once, such as cuda:0,cuda:1; got {text!r}")
    return devices
