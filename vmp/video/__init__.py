"""Encoded video files in, exact frames out. PyAV decodes."""

from vmp.video.containers import open_video
from vmp.video.decoding import VideoInfo, decode, decode_to
from vmp.video.geometry import Geometry, Pixels
from vmp.video.index import PacketIndex, build_index
from vmp.video.reader import VideoReader

__all__ = [
    "Geometry",
    "PacketIndex",
    "Pixels",
    "VideoInfo",
    "VideoReader",
    "build_index",
    "decode",
    "decode_to",
    "open_video",
]
