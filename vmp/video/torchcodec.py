"""The optional second reader: torchcodec, behind the interface of `VideoReader`.

``pip install video-motion-prompts[torchcodec]``; its wheels load only where a system FFmpeg is installed. It orders
frames by time stamps, so it reads what `vmp.video.index` calls ordered containers; the data sets use PyAV.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vmp.core.errors import InputError
from vmp.video.files import open_video
from vmp.video.geometry import Converter, Geometry, Pixels
from vmp.video.reader import check_numbers


class TorchcodecReader:
    """Random access to one file through torchcodec.

    Args:
        path: The file.
        geometry: Working size; scaling happens after the conversion to RGB, so pixels differ slightly from PyAV's.

    Raises:
        InputError: torchcodec cannot be loaded, or the file cannot be read.
    """

    def __init__(self, path: str | Path, geometry: Geometry) -> None:
        self.path = Path(path)
        self.geometry = geometry
        with open_video(path):
            pass  # the same guard: no playlists, no absurd sizes, the same sentences
        decoder = _load()
        try:
            self._decoder = decoder(
                str(self.path.absolute()), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact"
            )
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{path}: torchcodec cannot read it ({_first_line(error)})") from error

    @property
    def frames(self) -> int:
        """Frames in the file."""
        return len(self._decoder)

    def read(self, frames: Sequence[int] | NDArray[np.int64]) -> Pixels:
        """Frames by number, ``(t, h, w, 3)`` RGB uint8 at working size. Any order, repeats allowed.

        Raises:
            InputError: A number outside the file, or a file that does not decode.
        """
        wanted = check_numbers(frames, self.frames, self.path)
        try:
            batch = self._decoder.get_frames_at(wanted.tolist()).data.numpy()
        except (RuntimeError, ValueError, IndexError) as error:
            raise InputError(f"{self.path}: torchcodec cannot decode it ({_first_line(error)})") from error
        if self.geometry.size is None:
            return np.ascontiguousarray(batch)
        convert = Converter(self.geometry, str(self.path))
        return np.stack([convert(av.VideoFrame.from_ndarray(picture, format="rgb24")) for picture in batch])


def _load() -> Any:
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, RuntimeError, OSError) as error:
        raise InputError(
            f"torchcodec cannot be loaded ({_first_line(error)}); install the extra 'torchcodec' and FFmpeg"
        ) from error
    return VideoDecoder


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
