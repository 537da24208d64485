"""Videos that were taken apart into pictures: a folder with one image file for each frame."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from vmp.core.errors import InputError
from vmp.video.geometry import MAX_PIXELS, Pixels

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"))


def image_files(folder: str | Path) -> list[Path]:
    """The frames of a folder in the order of the numbers in their names (``img_2.jpg`` before ``img_10.jpg``).

    Raises:
        InputError: The folder holds no images.
    """
    files = [p for p in Path(folder).iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    if not files:
        raise InputError(
            f"{folder}: is a folder without images; name a video, or a folder with an image for each frame"
        )
    return sorted(files, key=lambda file: (_in_order(file.stem), file.name))


def read_image(file: Path) -> Pixels:
    """One frame, RGB uint8 ``(h, w, 3)``, upright. Raises InputError where it cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{file}: claims {image.width} x {image.height} pixels; its header is damaged")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: is not a readable image ({error}); exclude or replace it") from error


def frames_of_folder(files: Sequence[Path]) -> Iterator[VideoFrame]:
    """The images as frames, for the same way to working size as those of a decoder."""
    for file in files:
        yield VideoFrame.from_ndarray(np.ascontiguousarray(read_image(file)), format="rgb24")


def _in_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts runs of digits as numbers and everything else as text."""
    parts = [part for part in re.split(r"(\d+)", name) if part]
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)
