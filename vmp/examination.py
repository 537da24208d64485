"""What is installed, compiled and found on this machine: one page to paste into a bug report."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import psutil

from vmp.core.clash import refuse_clash
from vmp.core.errors import InputError
from vmp.core.text import size_in_words

PACKAGES = {
    "video-motion-prompts": "pip install video-motion-prompts",
    "torch": "pip install torch",
    "torchvision": "pip install torchvision",
    "av": "pip install av",
    "numpy": "pip install numpy",
    "pytorchvideo": "pip install pytorchvideo",
    "transformers": "pip install transformers",
    "ray": "pip install 'ray[tune]'",
    "optuna": "pip install optuna",
    "safetensors": "pip install safetensors",
    "huggingface_hub": "pip install huggingface_hub",
    "opencv-python-headless": "pip install opencv-python-headless (optical flow only)",
    "triton": "comes with torch for CUDA",
}
"""Distributions that matter, and how a missing one is had."""
_CODECS = ("h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg", "prores", "gif")
_VARIABLES = ("VMP_", "RAY_ADDRESS", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "PYTHONPATH", "HF_HUB_OFFLINE")

Page = dict[str, dict[str, str]]
"""Section -> what is asked -> what was found."""


def examine() -> Page:
    """Look at everything. Never fails: what cannot be found out says why."""
    sections: dict[str, Callable[[], dict[str, str]]] = {
        "system": _system,
        "packages": _packages,
        "torch": _torch,
        "layer": _layer,
        "decoder": _decoder,
        "clip cache": _cache,
        "environment": _environment,
    }
    page: Page = {}
    for name, look in sections.items():
        try:
            page[name] = look()
        except Exception as error:  # the page is for machines on which something is wrong
            page[name] = {"cannot be looked at": f"{type(error).__name__}: {error}"}
    return page


def as_text(page: Page) -> str:
    """The page for a terminal."""
    lines = []
    for section, content in page.items():
        width = max(map(len, content), default=0)
        lines += [section, *(f"  {key:<{width}}  {value}" for key, value in content.items()), ""]
    return "\n".join(lines).rstrip()


def _system() -> dict[str, str]:
    memory = psutil.virtual_memory()
    try:
        refuse_clash()
        clash = "none"
    except InputError as error:
        clash = str(error)
    return {
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "cores": f"{os.cpu_count()}, of which {_usable_cores()} may be used",
        "memory": f"{size_in_words(memory.total)}, {size_in_words(memory.available)} free",
        "disk here": f"{size_in_words(shutil.disk_usage(Path.cwd()).free)} free in {Path.cwd()}",
        "name clashes": clash,
    }


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _packages() -> dict[str, str]:
    found = {}
    for name, command in PACKAGES.items():
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = f"not installed; {command}"
    return found


def _torch() -> dict[str, str]:
    import torch

    found = {"built for": f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU", "GPU": "none found"}
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        found["GPU" if not number else f"GPU {number}"] = (
            f"{name}, {size_in_words(free)} free of {size_in_words(total)}"
        )
    return found | {"threads": str(torch.get_num_threads()), "compiler": shutil.which("cc") or "none (torch.compile)"}


def _layer() -> dict[str, str]:
    import torch

    from vmp.layer.kernels.registry import native_works, triton_driver
    from vmp.layer.published import VideoMotionPrompt

    found = {"kernel in C": "not compiled; install again on a machine with a C compiler for twelve times the speed"}
    if native_works():
        from vmp.layer.kernels import native

        clip = torch.randn(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
        fast, slow = (VideoMotionPrompt((0.45,) * 3, (0.225,) * 3, kernel=name)(clip) for name in ("native", "plain"))
        agrees = torch.allclose(fast.prompt, slow.prompt, atol=1e-5)
        found["kernel in C"] = (
            f"{Path(native.__file__).name}, {'agrees with' if agrees else 'DIFFERS FROM'} the plain steps"
        )
    triton = "Triton is there" if triton_driver() is not None else "no Triton"
    found["kernel for CUDA"] = triton if torch.cuda.is_available() else f"{triton}, no GPU to run it on"
    return found


def _decoder() -> dict[str, str]:
    import av
    import numpy as np

    from vmp.video import decode

    codecs = [name for name in _CODECS if name in av.codecs_available]
    libraries = ", ".join(
        f"{name} {'.'.join(map(str, av.library_versions[name]))}" for name in ("libavcodec", "libswscale")
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.mp4"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("mpeg4", rate=25)
            stream.width = stream.height = 32
            for level in (0, 80, 160):
                grey = np.full((32, 32, 3), level, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
            out.mux(stream.encode(None))
        frames = len(decode(path)[0])
    works = "works" if frames == 3 else f"WRONG: {frames} of 3 frames"
    return {"a film of 3 frames": works, "FFmpeg": libraries, "codecs": ", ".join(codecs)}


def _cache() -> dict[str, str]:
    from vmp.data.cache.folder import CacheFolder

    folder = CacheFolder.from_environment()
    clips, size = folder.usage()
    there = next(path for path in (folder.path, *folder.path.absolute().parents) if path.exists())
    return {
        "place": str(folder.path),
        "holds": f"{clips} clips, {size_in_words(size)} of at most {size_in_words(folder.limit)}",
        "disk": f"{size_in_words(shutil.disk_usage(there).free)} free",
    }


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in sorted(os.environ) if name.startswith(_VARIABLES)} or {"set": "nothing"}
