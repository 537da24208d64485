"""Encoded video files in, exact frames out."""

from vmp.video.files import Geometry, VideoInfo, decode, frames_of

__all__ = ["Geometry", "VideoInfo", "decode", "frames_of"]
