"""The embedded benchmark: six motions of a textured disc, distinguished by motion alone.

A disc with a 1/f texture moves over a 1/f background of the same statistics. Four classes translate (right, left,
down, up), two rotate (clockwise, counter-clockwise). Position, texture angle and both textures are drawn uniformly on
the torus, so a single frame has the same distribution under every class: appearance alone stays at chance (1/6), and
`tests/vmp/data/test_embedded.py` checks it with probes on single frames. The knobs break it in the ways in which real
video breaks frame differencing: a moving camera, occlusion, a low frame rate, noise, flicker, an appearance shortcut,
classes in which nothing moves.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vmp.core.config import config, to_plain
from vmp.core.errors import InputError
from vmp.core.fingerprint import fingerprint
from vmp.core.seeding import generator
from vmp.data.base import SPLITS, SplitName, Video
from vmp.data.motion_scores import motion_scores
from vmp.data.sampling import Timeline

CLASSES = ("right", "left", "down", "up", "clockwise", "counter-clockwise")
# Unit motion of each class in image coordinates (y down): x velocity, y velocity, rotation.
_MOTIONS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float)
STILL = ("still red", "still green", "still blue")
FRAME_RATE = 25.0
_CONTRAST = 0.18  # standard deviation of a texture around mid-grey
_TINT = 0.25  # how strongly the appearance shortcut colours a clip
CONDITIONS: dict[str, dict[str, float]] = {
    "none": {},
    "moving_camera": {"camera": 1.0},
    "low_frame_rate": {"decimation": 3},
    "occluded": {"occluders": 4},
    "noisy": {"noise": 0.1},
    "flickering": {"flicker": 0.1},
    "still_classes": {"still": 3},
}
"""Settings that go by one name, so that a study can have them as one factor."""
# Videos, and frames of them, that are rendered together: they bound the working memory and change no byte.
_CHUNK, _PIECE, _FRAMES = 64, 512, 2048


@config
class MotionData:
    """Settings of the procedural motion data set.

    Attributes:
        kind: Names this data set in a study file.
        train, val, test: Number of videos in each split; classes are balanced.
        num_frames: Frames in each video, after `decimation`.
        size: Height and width in pixels.
        radius: Disc radius in pixels; None takes 0.22 of `size`.
        speed: Lowest and highest speed of a translation in pixels a frame, before decimation. A rotation moves the
            disc's rim by the same number of pixels.
        camera: Largest camera velocity in pixels a frame, drawn for each video and axis in [-camera, camera].
        occluders: Number of textured squares, a quarter of `size` wide, fixed in front of the scene.
        decimation: Every n-th frame is kept: the frame rate falls and the motion between frames grows.
        noise: Standard deviation of the sensor noise, in units of the full grey range.
        flicker: Standard deviation of the relative brightness change from frame to frame.
        background: 1/f ``texture``, or ``plain`` mid-grey.
        shortcut: Correlation rho between label and colour tint in train and val: with probability |rho| a clip
            wears the tint of its class (rho > 0) or of the next class (rho < 0), else a random class's. 0: no tint.
            The tag ``tint`` of a clip says whether it wears that of its ``own`` class or of ``another``.
        test_shortcut: The same for test; None takes `shortcut`. Train at rho and test at -rho to see who relied on it.
        still: Further classes, at most 3, in which nothing moves and the tint alone tells one from another.
        condition: One of `CONDITIONS`: the name of settings in which real video differs from this one.
        seed: Equal settings and seed give identical bytes.
    """

    kind: Literal["motion"] = "motion"
    train: Annotated[int, Field(ge=len(CLASSES))] = 600
    val: Annotated[int, Field(ge=len(CLASSES))] = 300
    test: Annotated[int, Field(ge=len(CLASSES))] = 600
    num_frames: Annotated[int, Field(ge=2, le=65536)] = 9
    size: Annotated[int, Field(ge=16, le=512)] = 32
    radius: Annotated[float, Field(gt=0)] | None = None
    speed: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] = (1.0, 2.0)
    camera: Annotated[float, Field(ge=0)] = 0.0
    occluders: Annotated[int, Field(ge=0, le=16)] = 0
    decimation: Annotated[int, Field(ge=1, le=64)] = 1
    noise: Annotated[float, Field(ge=0, le=1)] = 0.02
    flicker: Annotated[float, Field(ge=0, le=1)] = 0.0
    background: Literal["texture", "plain"] = "texture"
    shortcut: Annotated[float, Field(ge=-1, le=1)] = 0.0
    test_shortcut: Annotated[float, Field(ge=-1, le=1)] | None = None
    still: Annotated[int, Field(ge=0, le=len(STILL))] = 0
    condition: Literal[
        "none", "moving_camera", "low_frame_rate", "occluded", "noisy", "flickering", "still_classes"
    ] = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name, value in CONDITIONS[self.condition].items():
            if getattr(self, name) not in (value, defaults[name]):
                raise ValueError(f"condition = {self.condition} stands for {name} = {value:g}; leave one of them out")
        smallest = min(self.train, self.val, self.test)
        if smallest < len(self.classes):
            raise ValueError(f"each split needs a video of each of {len(self.classes)} classes, got {smallest}")
        if self.speed[0] > self.speed[1]:
            raise ValueError(f"speed must rise from lowest to highest, got {list(self.speed)}")
        if self.radius is not None and self.radius > self.size / 2:
            raise ValueError(f"radius must be at most half of size ({self.size / 2:g}), got {self.radius:g}")

    def canonical(self) -> MotionData:
        """The same data set with nothing left to a default that depends on another setting."""
        shortcut = self.shortcut if self.test_shortcut is None else self.test_shortcut
        named: dict[str, Any] = {"condition": "none", **CONDITIONS[self.condition]}
        return dataclasses.replace(self, radius=self.disc_radius, test_shortcut=shortcut, **named)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return CLASSES + STILL[: int(CONDITIONS[self.condition].get("still", self.still))]

    @property
    def disc_radius(self) -> float:
        """Radius of the disc in pixels."""
        return 0.22 * self.size if self.radius is None else self.radius

    @property
    def has_room(self) -> bool:
        """Whether a frame is larger than what the network sees, so that it matters where it is cropped."""
        return False

    def load(self) -> MotionVideos:
        return MotionVideos(self.canonical())


class MotionVideos:
    """The rendered data set; see `vmp.data.base.VideoSet` for the interface.

    Grey pixels are kept (uint8, ``(videos, frames, size, size)``) and coloured on reading: a third of the memory.
    Rendering waits for the first read, so that planning a study costs nothing.
    """

    def __init__(self, settings: MotionData) -> None:
        self.settings, self.name = settings, "motion"
        self.classes: tuple[str, ...] = settings.classes
        self.excluded: tuple[tuple[str, str], ...] = ()
        self.notes: tuple[str, ...] = ()
        counts: dict[SplitName, int] = {"train": settings.train, "val": settings.val, "test": settings.test}
        self.decoded_bytes = sum(counts.values()) * settings.num_frames * settings.size**2  # grey
        fps = FRAME_RATE / settings.decimation
        self.videos = tuple(
            Video(
                id=f"{split}/{i}",
                label=i % len(self.classes),
                split=split,
                num_frames=settings.num_frames,
                fps=fps,
                tags=_tags(settings, split, i),
            )
            for split in SPLITS
            for i in range(counts[split])
        )
        # Rendering is a pure function of the settings and of this module, whose text is part of every cell's code hash.
        self.fingerprint = fingerprint(to_plain(settings.canonical()))
        self._grey: NDArray[np.uint8] | None = None
        self._tint: NDArray[np.float32] | None = None

    def read(self, index: int, frames: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Frames of one video, uint8 RGB ``(t, size, size, 3)``."""
        if self._grey is None or self._tint is None:
            self._grey, self._tint = _render_all(self.settings, self.videos)
        grey = self._grey[index, frames][..., None]
        if not _is_coloured(self.settings):
            return np.broadcast_to(grey, (*grey.shape[:-1], 3))
        return np.clip(np.rint(grey * self._tint[index]), 0, 255).astype(np.uint8)

    def timeline(self, index: int, what: Literal["key_frames", "motion"]) -> Timeline:
        """Motion scores of one video. Raises InputError for key frames: nothing here was ever encoded."""
        if what == "key_frames":
            raise InputError("the embedded benchmark has no key frames: sample key-frame from video files only")
        return Timeline(motion=motion_scores(self.read(index, np.arange(self.settings.num_frames))))


def _tags(settings: MotionData, split: SplitName, number: int) -> tuple[tuple[str, str], ...]:
    label = number % len(settings.classes)
    motion = (("motion", _kind_of_motion(settings.classes[label])),)
    wearer = _wearer(settings, split, f"{split}/{number}", label)
    return motion if wearer is None else (*motion, ("tint", "own" if wearer == label else "another"))


def _kind_of_motion(name: str) -> str:
    if name in STILL:
        return "still"
    return "rotation" if name.endswith("clockwise") else "translation"


def _is_coloured(settings: MotionData) -> bool:
    return settings.shortcut != 0 or bool(settings.test_shortcut) or settings.still > 0


def _render_all(settings: MotionData, videos: tuple[Video, ...]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    size, frames = settings.size, settings.num_frames
    grey = np.empty((len(videos), frames, size, size), np.uint8)
    tint = np.ones((len(videos), 3), np.float32)
    together = max(1, min(_CHUNK, _FRAMES // frames))
    for start in range(0, len(videos), together):
        chunk = videos[start : start + together]
        # One stream a video: neither the other videos nor the chunk size can change its pixels.
        streams = [generator(settings.seed, "motion", video.id) for video in chunk]
        grey[start : start + len(chunk)] = _render(settings, np.array([v.label for v in chunk]), streams)
        for i, video in enumerate(chunk):
            tint[start + i] = _tint(settings, video)
    return grey, tint


def _render(settings: MotionData, labels: NDArray[np.int64], streams: list[np.random.Generator]) -> NDArray[np.uint8]:
    """Videos ``(b, frames, size, size)`` for `labels`, each drawn from its own stream in a fixed order."""
    size = settings.size
    spectra = np.stack([s.standard_normal((2, 2, size, size)) for s in streams])
    uniform = np.stack([s.random(8) for s in streams])
    backdrop, skin = _pink_texture(spectra[:, 0]), _pink_texture(spectra[:, 1])
    if settings.background == "plain":
        backdrop = np.full_like(backdrop, 0.5)

    speed = settings.speed[0] + (settings.speed[1] - settings.speed[0]) * uniform[:, 0]
    moves = np.where(labels[:, None] < len(CLASSES), _MOTIONS[labels % len(CLASSES)], 0.0)
    scene = _Scene(
        backdrop=backdrop,
        skin=skin,
        centre=uniform[:, 3:5] * size,
        angle=2 * np.pi * uniform[:, 5],
        shift=uniform[:, 6:8] * size,
        motion=moves * speed[:, None],
        camera=(uniform[:, 1:3] * 2 - 1) * settings.camera,
        radius=settings.disc_radius,
    )
    faults = [_Faults(settings, stream) for stream in streams]
    rendered = np.empty((len(labels), settings.num_frames, size, size), np.uint8)
    for first in range(0, settings.num_frames, _PIECE):
        frames = np.arange(first, min(first + _PIECE, settings.num_frames))
        piece = scene.at(frames.astype(float) * settings.decimation)  # in source frames
        for clip, own in zip(piece, faults, strict=True):
            own.apply(clip, frames)
        rendered[:, frames] = np.rint(np.clip(piece, 0, 1) * 255).astype(np.uint8)
    return rendered


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Scene:
    """What moves how in several videos, each an array with the video first; pixels, and pixels or radians a frame.

    backdrop, skin: textures (b, size, size) of background and disc. centre, angle: of the disc at time 0. shift: of the
    background. motion: of the disc, (x, y, rotation times radius). camera: velocity (x, y).
    """

    backdrop: NDArray[np.float64]
    skin: NDArray[np.float64]
    centre: NDArray[np.float64]
    angle: NDArray[np.float64]
    shift: NDArray[np.float64]
    motion: NDArray[np.float64]
    camera: NDArray[np.float64]
    radius: float

    def at(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Frames (b, times, size, size) at these times, in [0, 1] but for the textures' tails."""
        size, when = self.skin.shape[-1], time[:, None]
        centre = self.centre[:, None] + (self.motion[:, None, :2] + self.camera[:, None]) * when
        angle = self.angle[:, None] + self.motion[:, 2, None] / self.radius * time
        shift = self.shift[:, None] + self.camera[:, None] * when

        y, x = np.meshgrid(np.arange(size, dtype=float), np.arange(size, dtype=float), indexing="ij")
        video = _sample_torus(self.backdrop, y - shift[..., 1, None, None], x - shift[..., 0, None, None])
        # Offsets from the disc's centre on the torus, in [-size/2, size/2), turned into the disc's own frame.
        dy = (y - centre[..., 1, None, None] + size / 2) % size - size / 2
        dx = (x - centre[..., 0, None, None] + size / 2) % size - size / 2
        cos, sin = np.cos(angle)[..., None, None], np.sin(angle)[..., None, None]
        disc = _sample_torus(self.skin, cos * dy - sin * dx, cos * dx + sin * dy)
        mask = np.clip(self.radius + 0.5 - np.hypot(dy, dx), 0, 1)
        video += mask * (disc - video)
        return video


class _Faults:
    """Occluders, flicker and noise of one video; its pieces are asked for in the order of time."""

    def __init__(self, settings: MotionData, stream: np.random.Generator) -> None:
        size, width = settings.size, settings.size // 4
        self._noise, self._stream = settings.noise, stream
        self._occluders = []
        for _ in range(settings.occluders):
            top, left = stream.integers(0, size - width + 1, 2)
            patch = _pink_texture(stream.standard_normal((1, 2, size, size)))[0, :width, :width]
            self._occluders.append((slice(top, top + width), slice(left, left + width), patch))
        draws = stream.standard_normal((settings.num_frames, 1, 1)) if settings.flicker else None
        self._brightness = None if draws is None else 1 + settings.flicker * draws

    def apply(self, clip: NDArray[np.float64], frames: NDArray[np.int64]) -> None:
        """Change these frames of the video in place."""
        for rows, columns, patch in self._occluders:
            clip[:, rows, columns] = patch
        if self._brightness is not None:
            clip *= self._brightness[frames]
        if self._noise:
            clip += self._noise * self._stream.standard_normal(clip.shape)


def _wearer(settings: MotionData, split: SplitName, name: str, label: int) -> int | None:
    """The class whose tint a clip wears; None where the shortcut tints no clip, and in classes that stand still."""
    rho = settings.shortcut
    if split == "test" and settings.test_shortcut is not None:
        rho = settings.test_shortcut
    if label >= len(CLASSES) or (settings.shortcut == 0 and not settings.test_shortcut):
        return None
    stream = generator(settings.seed, "tint", name)
    linked = stream.random() < abs(rho)
    return (label + (rho < 0)) % len(CLASSES) if linked else int(stream.integers(len(CLASSES)))


def _tint(settings: MotionData, video: Video) -> NDArray[np.float64]:
    """Channel gains of one clip: a hue for each class, around 1."""
    if video.label >= len(CLASSES):
        return 1 + _TINT * np.cos(2 * np.pi * (video.label - len(CLASSES) - np.arange(3)) / 3)
    wearer = _wearer(settings, video.split, video.id, video.label)
    if wearer is None:
        return np.ones(3)
    hue = 2 * np.pi * (wearer / len(CLASSES) + np.arange(3) / 3)
    return 1 + _TINT * np.cos(hue)


def _pink_texture(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Periodic textures with a 1/f amplitude spectrum, mean 0.5, from ``(b, 2, size, size)`` white noise."""
    size = noise.shape[-1]
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    frequency[0, 0] = np.inf  # no constant part: every texture has the same mean
    field = np.fft.ifft2((noise[:, 0] + 1j * noise[:, 1]) / frequency).real
    return 0.5 + _CONTRAST * field / field.std(axis=(-2, -1), keepdims=True)


def _sample_torus(texture: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bilinear samples of periodic textures ``(b, s, s)`` at ``y, x`` ``(b, frames, s, s)``."""
    size = texture.shape[-1]
    y0, x0 = np.floor(y), np.floor(x)
    fy, fx = y - y0, x - x0
    top, left = y0.astype(np.int64) % size, x0.astype(np.int64) % size
    bottom, right = (top + 1) % size, (left + 1) % size
    flat = texture.reshape(len(texture), -1)
    videos = np.arange(len(texture)).reshape(-1, *[1] * (y.ndim - 1))
    upper = (1 - fx) * flat[videos, top * size + left] + fx * flat[videos, top * size + right]
    lower = (1 - fx) * flat[videos, bottom * size + left] + fx * flat[videos, bottom * size + right]
    return (1 - fy) * upper + fy * lower
