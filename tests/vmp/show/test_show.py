"""``vmp show``: the figure shows what the layer computes, and files are whole or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from tests.vmp.data.tiny_videos import numbers, write_video
from vmp.commands.show import show
from vmp.core.errors import InputError
from vmp.data.sampling import SAMPLERS
from vmp.show.clip import build_layer, choose_frames, draw_show, prepare_show
from vmp.video import Geometry, VideoReader, decode


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("show") / "numbers.mp4", 30, options={"x264-params": "keyint=10"})


def test_prepared_maps_are_those_of_the_layer(video: Path) -> None:
    layer = build_layer(slope=12, shift=0.1)
    reader = VideoReader(video, Geometry())
    data = prepare_show(reader, np.array([3, 4, 9]), layer)
    assert numbers(data.frames) == [(0, 3), (0, 4), (0, 9)]
    grey = (data.frames / 255) @ np.array([0.299, 0.587, 0.114])
    assert data.difference == pytest.approx(np.diff(grey, axis=0), abs=1e-5)
    assert data.attention == pytest.approx(1 / (1 + np.exp(-12 * (data.difference - 0.1))), abs=1e-4)
    # Zero attention gives mean grey: A x + (mean of the normalisation) (1 - A) in units of [0, 1].
    a = data.attention[..., None]
    assert data.prompt == pytest.approx(np.clip(a * data.frames[1:] / 255 + (1 - a) * 0.45, 0, 1), abs=1e-4)
    assert data.variation == pytest.approx(np.mean(np.diff(data.attention, axis=0) ** 2), rel=1e-3)
    figure = draw_show(data)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["frame 4", "frame 9"]


@pytest.mark.parametrize("kind", SAMPLERS)
def test_every_sampler_can_choose_the_frames(video: Path, kind: str) -> None:
    chosen = choose_frames(VideoReader(video, Geometry()), SAMPLERS[kind](num_frames=5))
    assert chosen.shape == (5,)
    assert kind != "key-frame" or {0, 10, 20} <= set(chosen.tolist())


def test_command_writes_a_picture_and_a_video(video: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    torch.save({"model": {"layer.m": torch.tensor(0.5), "layer.n": torch.tensor(-0.2)}}, state)
    options = ["--out", tmp_path / "a.png", "--video", tmp_path / "a.mp4", "--frames", 4, "--size", 48]
    result = CliRunner().invoke(show, [str(o) for o in (video, *options, "--checkpoint", state)])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    frames, info = decode(tmp_path / "a.mp4")
    assert (info.frames, info.fps) == (29, 25)
    assert frames.shape[1:3] == (48, 4 * 48)
    assert numbers(frames[:, :, :48]) == [(0, i) for i in range(1, 30)], "the later frame of each pair"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "a.png", "state.pt"], "nothing half-written is left"


def test_a_gif_is_a_gif(video: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.gif"
    options = ["--out", tmp_path / "a.png", "--video", target, "--frames", 4, "--size", 48]
    result = CliRunner().invoke(show, [str(o) for o in (video, *options)])
    assert result.exit_code == 0, result.output
    assert target.read_bytes().startswith(b"GIF89a")
    frames, info = decode(target)
    assert (info.frames, info.fps, info.container) == (29, pytest.approx(25), "gif")
    assert numbers(frames[:, :, :48]) == [(0, i) for i in range(1, 30)]


def test_mistakes_are_named(video: Path, tmp_path: Path) -> None:
    def error(*options: object) -> str:
        raised = CliRunner().invoke(show, [str(o) for o in (video, "--out", tmp_path / "x.png", *options)]).exception
        assert isinstance(raised, InputError)
        return str(raised)

    assert "slope" in error("--slope", 3)
    assert "unknown sampler 'random-ish'" in error("--sampling", "random-ish")
    assert "written as .png" in error("--out", tmp_path / "x.jpeg")
    assert "films are written as .mp4, .m4v, .mov, .mkv or .gif" in error("--video", tmp_path / "x.webp")
    assert "cannot be written" in error("--out", tmp_path / "nowhere" / "x.png")
    torch.save({"model": {"backbone.weight": torch.zeros(1)}}, tmp_path / "control.pt")
    assert "holds no learnt slope and shift" in error("--checkpoint", tmp_path / "control.pt")
    assert "either a checkpoint or slope" in error("--checkpoint", tmp_path / "control.pt", "--slope", 20)
    assert not (tmp_path / "x.png").exists()
