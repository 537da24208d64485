"""Test clips as pictures for the report: examples for its explorer, attention maps of videos won and lost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sweeps.records.file_format import FORMAT, Hash
from vmp.core.outcome import Plain


class ExampleClip(Plain):
    """A test clip as a picture.

    Attributes:
        video: The video's id.
        label: Its class.
        frames: Which frames of the video, in the clip's order.
        png: These frames side by side, as a PNG in base64.
    """

    video: str
    label: str
    frames: list[int] = Field(min_length=2)
    png: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+=*$")]


class ExampleClips(Plain):
    """Test clips that the report's explorer draws the attention on, see `sweeps.example_clips`.

    Attributes:
        format: Of the file.
        data: Hash of the data set.
        size: Side of the frames that the cells see, in pixels.
        side: Side of the pictures, at most `size`.
        mean, std: Channel statistics that a clip is normalised with.
        clips: One of each class, of the first classes.
    """

    format: Literal[2] = FORMAT
    data: str
    size: int = Field(ge=1)
    side: int = Field(ge=1)
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    clips: list[ExampleClip]


class ClipMap(Plain):
    """A test video that an arm wins or loses, as a picture.

    Attributes:
        video: The video's id.
        frames: The frames shown, as numbers in the video.
        mean: Mean attention of the whole clip, in [0, 1].
        jpeg: These frames side by side, below them their attention, as a JPEG in base64.
        width, height: Of the picture, in pixels.
    """

    video: str
    frames: list[int] = Field(min_length=1)
    mean: float
    jpeg: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+=*$")]
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class ClipMapsOfArm(Plain):
    """The videos that one chosen arm wins and loses most, see `sweeps.clip_maps`.

    Attributes:
        cells: Whose predictions say so: the arm's, then its reference's.
        model: The arm's cell whose model draws the attention.
        seed: Its seed.
        maps: One for each video.
    """

    cells: list[Hash]
    model: Hash
    seed: int
    maps: list[ClipMap]


class ClipMaps(Plain):
    """Attention maps of the test videos that the chosen arms win and lose."""

    format: Literal[2] = FORMAT
    arms: list[ClipMapsOfArm]
