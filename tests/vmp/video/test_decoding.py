"""Exact frames: whatever the container says, frame i is the i-th frame that a plain decoder gives."""

from __future__ import annotations

import dataclasses
import random
import shutil
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from tests.vmp.data.tiny_videos import numbers, picture, write_video
from vmp.core.errors import InputError
from vmp.layer.streaming import video_frames
from vmp.video import Geometry, PacketIndex, VideoReader, build_index, decode

NATIVE = Geometry()
FORMATS: dict[str, dict] = {
    "b-frames.mp4": {"frames": 40, "options": {"x264-params": "keyint=12:bframes=3"}},
    "open-gop.mp4": {"frames": 40, "options": {"x264-params": "keyint=12:bframes=3:open-gop=1:scenecut=0"}},
    "intra-refresh.mp4": {"frames": 30, "options": {"x264-params": "keyint=12:bframes=0:intra-refresh=1"}},
    "jumping-pts.avi": {"frames": 40, "options": {"bf": "2", "g": "12"}},
    "b-frames.avi": {"frames": 40, "codec": "mpeg4", "options": {"bf": "2", "g": "12"}},
    "pictures.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "vp9.webm": {"frames": 30, "codec": "libvpx-vp9", "options": {"g": "10", "deadline": "realtime", "cpu-used": "8"}},
    "b-frames.mkv": {"frames": 30, "options": {"bf": "2", "g": "10"}},
    "stream.ts": {"frames": 30, "options": {"bf": "2", "g": "10"}},
    "program.mpg": {"frames": 30, "codec": "mpeg2video", "options": {"bf": "2", "g": "10"}},
    "raw.h264": {"frames": 30, "container": "h264", "options": {"g": "10"}},
    "variable-rate.mp4": {"frames": 12, "stamps": [0, 1, 3, 4, 9, 10, 12, 13, 14, 20, 21, 30]},
    "odd-size.mp4": {"width": 51, "height": 49, "pix_fmt": "yuv444p"},
    "odd-size.avi": {"width": 51, "height": 49, "codec": "mpeg4"},
    "grey.mp4": {"pix_fmt": "gray"},
    "ten-bit.mp4": {"pix_fmt": "yuv420p10le"},
    "one-frame.mp4": {"frames": 1},
    "with-sound.mp4": {"audio": True},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name, options in FORMATS.items():
        write_video(folder / name, **options)
    return folder


def plain_decode(path: Path) -> list[np.ndarray]:
    """The bare loop: the independent answer."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", FORMATS)
def test_frames_are_those_of_a_plain_decode_in_any_order(folder: Path, name: str) -> None:
    path = folder / name
    expected = plain_decode(path)
    frames, info = decode(path)
    assert info.frames == len(expected) == FORMATS[name].get("frames", 12)
    assert numbers(frames) == [(0, i) for i in range(len(expected))]
    assert all(np.array_equal(a, b) for a, b in zip(frames, expected, strict=True))

    index = PacketIndex.from_bytes(build_index(path).to_bytes())
    assert (index.frames, index.height, index.width) == (info.frames, info.height, info.width)
    assert index.fps == pytest.approx(info.fps)
    assert tuple(index.key_frames) == info.key_frames
    reader = VideoReader(path, NATIVE, index)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(len(expected)), 2))
    assert np.array_equal(reader.read(order), frames[order])
    assert np.array_equal(reader.read(order[:1]), frames[order[:1]])
    if name not in ("intra-refresh.mp4", "program.mpg", "raw.h264"):
        assert reader.fallbacks == 0, "these are to be reached by their index"


def test_the_real_trouble_is_in_these_files(folder: Path) -> None:
    with av.open(str(folder / "jumping-pts.avi")) as container:
        stamps = [frame.pts for frame in container.decode(video=0)]
    assert stamps != sorted(stamps), "AVI with B-frames has jumping time stamps"


def test_rotation_is_applied(tmp_path: Path) -> None:
    upright = decode(write_video(tmp_path / "a.mp4", 3, width=64))[0]
    for degrees in (90, 180, -90):
        path = write_video(tmp_path / f"{degrees}.mp4", 3, width=64, rotation=degrees)
        frames, info = decode(path)
        assert np.array_equal(frames, np.rot90(upright, degrees // 90, axes=(1, 2)))
        assert (info.height, info.width) == frames.shape[1:3]
        assert np.array_equal(VideoReader(path, NATIVE).read([2, 0]), frames[[2, 0]])


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_display_matrix_says_where_each_pixel_goes(tmp_path: Path, turns: int, mirrored: bool) -> None:
    """A front camera's matrix mirrors, which no angle can say. Right answer: every pixel moved by the matrix itself."""
    path = write_video(tmp_path / "a.mp4", 3, width=64)
    upright = decode(path)[0]
    a, b, c, d = {0: (1, 0, 0, 1), 1: (0, -1, 1, 0), 2: (-1, 0, 0, -1), 3: (0, 1, -1, 0)}[turns]
    if mirrored:
        a, c = -a, -c
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44  # ISO 14496-12, track header box: a b u, c d v, x y w as 16.16 and 2.30
    content[matrix : matrix + 20] = struct.pack(">5i", a << 16, b << 16, 0, c << 16, d << 16)
    path.write_bytes(content)

    height, width = upright.shape[1:3]
    y, x = np.mgrid[:height, :width]
    shown_x, shown_y = a * x + c * y, b * x + d * y
    shown_x, shown_y = shown_x - shown_x.min(), shown_y - shown_y.min()
    expected = np.zeros((3, shown_y.max() + 1, shown_x.max() + 1, 3), np.uint8)
    expected[:, shown_y, shown_x] = upright
    frames, info = decode(path)
    assert np.array_equal(frames, expected)
    assert (info.height, info.width) == expected.shape[1:3]
    assert np.array_equal(VideoReader(path, NATIVE).read([2, 0]), expected[[2, 0]])
    assert np.array_equal(np.stack(list(video_frames(path))), expected)


def test_the_first_film_of_several_streams_is_read_and_a_cover_picture_is_none(tmp_path: Path) -> None:
    two, cover = tmp_path / "two.mkv", tmp_path / "cover.mp4"
    for path, kinds in ((two, ("libx264", "libx264")), (cover, ("mjpeg", "libx264"))):
        with av.open(str(path), "w") as out:
            streams = []
            for kind in kinds:
                stream = out.add_stream(kind, rate=25)
                stream.width, stream.height = 48, 48
                stream.pix_fmt = "yuvj420p" if kind == "mjpeg" else "yuv420p"
                streams.append(stream)
            if kinds[0] == "mjpeg":
                streams[0].disposition = Disposition.attached_pic
            for number, stream in enumerate(streams):
                for frame in range(1 if kinds[number] == "mjpeg" else 6):
                    grey = picture(frame, number)
                    made = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), format="rgb24")
                    made.pts = frame
                    out.mux(stream.encode(made))
                out.mux(stream.encode(None))
    frames, info = decode(two)
    assert (info.streams, numbers(frames)) == (2, [(0, i) for i in range(6)])
    assert build_index(two).streams == 2
    frames, info = decode(cover)
    assert (info.streams, numbers(frames)) == (1, [(1, i) for i in range(6)])


def test_a_picture_that_changes_its_size_is_one_sentence_for_single_frames_too(tmp_path: Path) -> None:
    parts = [write_video(tmp_path / f"{side}.h264", 4, width=side, container="h264") for side in (48, 80)]
    both = tmp_path / "both.h264"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(InputError, match=r"both\.h264: the picture changes from 48 x 48 to 80 x 48"):
        VideoReader(both, NATIVE).read([0, 7])
    assert VideoReader(both, Geometry(size=32)).read([0, 7]).shape == (2, 32, 32, 3)


def test_frames_hidden_by_an_edit_list_do_not_count(tmp_path: Path) -> None:
    source = write_video(tmp_path / "whole.mp4", 20, options={"x264-params": "keyint=20:bframes=0"})
    cut = tmp_path / "cut.mp4"
    with av.open(str(source)) as whole, av.open(str(cut), "w") as out:
        stream = out.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.dts is not None:
                shift = int(5 / 25 / float(packet.time_base))
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                out.mux(packet)
    frames, info = decode(cut)
    assert info.frames == len(plain_decode(cut))
    assert np.array_equal(VideoReader(cut, NATIVE).read(range(info.frames)), frames)
    assert build_index(cut).frames == info.frames


@pytest.mark.parametrize(("fit", "shape"), [("crop", (24, 24)), ("short", (24, 40)), ("stretch", (24, 24))])
def test_working_size(tmp_path: Path, fit: str, shape: tuple[int, int]) -> None:
    path = write_video(tmp_path / "wide.mp4", 3, width=80)
    geometry = Geometry(size=24, fit=fit)
    frames, info = decode(path, geometry)
    assert frames.shape == (3, *shape, 3)
    assert geometry.shape(info.height, info.width) == shape
    if fit != "crop":
        assert numbers(frames) == [(0, 0), (0, 1), (0, 2)]
    else:
        middle = picture(2, width=80)[:, 16:64].astype(float)
        assert np.abs(frames[2].mean(axis=2) - middle.reshape(24, 2, 24, 2).mean(axis=(1, 3))).mean() < 6


def test_a_wrong_index_costs_time_but_never_a_frame(folder: Path) -> None:
    right = decode(folder / "b-frames.mp4")[0]
    index = build_index(folder / "b-frames.mp4")
    exact = build_index(folder / "b-frames.mp4", exact=True)
    wrong_order = dataclasses.replace(exact, order=np.roll(exact.order, 3))
    wrong_places = dataclasses.replace(index, position=index.position + 1)
    other_file = build_index(folder / "open-gop.mp4")
    for wrong in (wrong_order, wrong_places, other_file):
        reader = VideoReader(folder / "b-frames.mp4", NATIVE, wrong)
        assert np.array_equal(reader.read([30, 3]), right[[30, 3]])
        assert reader.fallbacks == 1


def test_asking_for_frames_that_are_not_there(folder: Path) -> None:
    reader = VideoReader(folder / "one-frame.mp4", NATIVE)
    with pytest.raises(InputError, match=r"one-frame\.mp4: has frames 0 to 0, asked for 0 to 1"):
        reader.read([0, 1])
    with pytest.raises(InputError, match="asked for -1"):
        reader.read([-1])


def test_unusable_files_are_named_in_one_sentence(tmp_path: Path) -> None:
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as out:
        stream = out.add_stream("aac", rate=8000)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        block.sample_rate = 8000
        out.mux(stream.encode(block))
        out.mux(stream.encode(None))
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.avi").write_text("not a video\n" * 1000)
    (tmp_path / "folder.mp4").mkdir()
    reasons = {
        "missing.mp4": "no such file",
        "empty.mp4": r"empty \(0 bytes\)",
        "text.avi": "not a readable video file",
        "folder.mp4": "a folder without images",
        "sound.mp4": "no video stream",
    }
    for name, reason in reasons.items():
        with pytest.raises(InputError, match=rf"{name}: .*{reason}") as caught:
            decode(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "playlist",
    ["ffconcat version 1.0\nfile '{}'\n", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"],
)
def test_a_text_file_cannot_show_another_video(folder: Path, tmp_path: Path, playlist: str) -> None:
    fake = tmp_path / "fake.mp4"
    fake.write_text(playlist.format(folder / "b-frames.mp4"))
    with pytest.raises(InputError, match="not a readable video file"):
        decode(fake)


def test_a_header_that_lies_about_the_frame_count(tmp_path: Path) -> None:
    data = bytearray(write_video(tmp_path / "a.avi", 9, codec="mpeg4").read_bytes())
    for tag, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        at = data.index(tag) + offset
        assert int.from_bytes(data[at : at + 4], "little") == 9
        data[at : at + 4] = (5000).to_bytes(4, "little")
    liar = tmp_path / "liar.avi"
    liar.write_bytes(data)
    with av.open(str(liar)) as container:
        assert container.streams.video[0].frames == 5000
    assert decode(liar)[1].frames == build_index(liar).frames == 9


def damaged(data: bytes, chance: random.Random) -> bytes:
    broken = bytearray(data)
    at = chance.randrange(len(data))
    match chance.choice(["truncate", "flip", "many", "header", "zero", "cut", "insert"]):
        case "truncate":
            del broken[at:]
        case "flip":
            broken[at] ^= 1 << chance.randrange(8)
        case "many":
            for _ in range(chance.randrange(2, 100)):
                broken[chance.randrange(len(data))] = chance.randrange(256)
        case "header":
            for _ in range(chance.randrange(1, 20)):
                broken[chance.randrange(min(len(data), 800))] = chance.randrange(256)
        case "zero":
            broken[at : at + 2000] = bytes(len(broken[at : at + 2000]))
        case "cut":
            del broken[at : at + 1000]
        case "insert":
            broken[at:at] = chance.randbytes(500)
    return bytes(broken)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["b-frames.mp4", "jumping-pts.avi", "vp9.webm", "b-frames.mkv", "stream.ts"])
def test_damaged_files_give_a_sentence_or_their_own_frames(folder: Path, tmp_path: Path, name: str) -> None:
    av.logging.set_level(av.logging.PANIC)
    data, geometry = (folder / name).read_bytes(), Geometry(size=16)
    chance = random.Random(name)
    path = tmp_path / name
    shutil.copy(folder / "grey.mp4", tmp_path / "neighbour.mp4")
    read_whole = 0
    for _ in range(60):
        path.write_bytes(damaged(data, chance))
        try:
            frames, info = decode(path, geometry)
            assert frames.shape == (info.frames, 16, 16, 3)
            exact = VideoReader(path, geometry, build_index(path, exact=True)).read([info.frames - 1, 0])
            quick = VideoReader(path, geometry)
            read = quick.read([quick.index.frames - 1])
        except InputError as error:
            message = str(error)
        else:
            assert np.array_equal(exact, frames[[-1, 0]])
            assert read.shape == frames[:1].shape
            read_whole += 1
            continue
        assert name in message
    assert 0 < read_whole < 60, "some are refused, and some are read"
