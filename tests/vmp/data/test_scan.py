"""``vmp data``: what a user learns of a data set before spending days on it. And what augmentation must not do."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmp.data.tiny_videos import write_video
from vmp.commands.data import data
from vmp.core.errors import InputError
from vmp.data.augment import AugmentConfig, augment_clip, draw, view_crop
from vmp.data.motion_scores import motion_scores
from vmp.data.scan import scan
from vmp.data.sets.manifest import ManifestData

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("VMP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("VMP_CACHE_LIMIT_GB", raising=False)
    return lambda *arguments: CliRunner().invoke(data, [str(a) for a in arguments])


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """A manifest with a broken, a missing and a copied video, and a source that feeds two splits."""
    root = tmp_path / "set"
    rows = [["path", "label", "split", "group"]]
    for i in range(8):
        write_video(root / f"{i}.mp4", 10 + i, video=i, fps=25 if i else 50)
        rows.append([f"{i}.mp4", "ab"[i % 2], ["train", "val", "test", "train"][i // 2], f"g{i}"])
    shutil.copy(root / "0.mp4", root / "4.mp4")
    (root / "1.mp4").write_bytes((root / "1.mp4").read_bytes()[:300])
    (root / "5.mp4").unlink()
    with (root / "list.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return root / "list.csv"


def test_scan_finds_what_is_wrong_and_training_honours_the_quarantine(
    leaky: Path, tmp_path: Path, command: Command
) -> None:
    report = scan(ManifestData(path=str(leaky)))
    assert (report.listed, report.usable) == (8, 6)
    assert [name for name, _, _ in report.broken] == ["1.mp4", "5.mp4"]
    assert report.copies == ((("0.mp4", "train"), ("4.mp4", "test")),)
    assert report.balance == {("a", "train"): 2, ("b", "train"): 1, ("a", "val"): 1, ("b", "val"): 1, ("a", "test"): 1}
    assert report.rates == {50.0: 2, 25.0: 4}
    assert max(report.seconds) == pytest.approx(17 / 25)

    result = command("scan", leaky)
    assert result.exit_code == 3
    for text in ("6 of 8", "1.mp4 (train)", "5.mp4 (test): ", "no such video file", "0.mp4 (train), 4.mp4 (test)"):
        assert text in result.output
    quarantine = tmp_path / "quarantine.csv"
    assert command("scan", leaky, "--quarantine", quarantine).exit_code == 0
    clean = command("scan", leaky, "--set", f"quarantine={quarantine}")
    assert clean.exit_code == 0
    assert "Quarantined (2)" in clean.output
    trained = ManifestData(path=str(leaky), quarantine=str(quarantine)).load()
    assert [name for name, _ in trained.excluded] == ["1.mp4", "5.mp4"]
    assert len(trained.videos) == 6


def test_a_yaml_file_or_a_study_names_a_data_set(leaky: Path, tmp_path: Path, command: Command) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(f"name: x\ndata: {{kind: manifest, path: {leaky}, size: 16}}\n")
    assert "6 of 8" in command("scan", study).output
    for text, message in {
        "data: {kind: folders, path: x}": "kind: unknown data set 'folders'. Did you mean 'folder'",
        "data: {kind: folder, path: x, sise: 3}": "sise is an unknown key; did you mean 'size'",
        "data: {kind: motion}": "has no video files",
        "name: x": "names no data set",
    }.items():
        study.write_text(text)
        error = command("scan", study).exception
        assert isinstance(error, InputError)
        assert message in str(error)


def test_prepare_then_show_then_clear_the_cache(leaky: Path, tmp_path: Path, command: Command) -> None:
    for i in (1, 5):
        write_video(leaky.parent / f"{i}.mp4", 10, video=i)
    assert "8 videos ready" in command("prepare", leaky, "--set", "size=16").output
    assert "7 clips" in command("cache").output, "two files have the same content: one clip"
    assert "deleted 7 clips" in command("cache", "--clear").output
    assert "0 clips" in command("cache").output
    assert str(tmp_path / "cache") in command("cache").output


augmentations = st.builds(
    AugmentConfig,
    scale=st.tuples(st.floats(1, 1.2), st.floats(1.2, 1.5)),
    crop=st.sampled_from(["random", "center"]),
    flip=st.sampled_from([0.0, 0.5, 1.0]),
    brightness=st.sampled_from([0.0, 0.4]),
    contrast=st.sampled_from([0.0, 0.4]),
    saturation=st.sampled_from([0.0, 0.4]),
    hue=st.sampled_from([0.0, 0.1]),
)


@settings(max_examples=40, deadline=None)
@given(cfg=augmentations, epoch=st.integers(0, 9))
def test_augmentation_fakes_no_motion_and_depends_on_its_stream_alone(cfg: AugmentConfig, epoch: int) -> None:
    rng = np.random.default_rng(epoch)
    clip = rng.integers(0, 256, (4, 40, 52, 3), dtype=np.uint8)
    still = np.repeat(clip[:1], 4, axis=0)
    made = augment_clip(still, cfg, 32, seed=0, epoch=epoch, video_id="v")
    assert made.shape == (4, 32, 32, 3)
    assert made.dtype == np.uint8
    assert (made == made[:1]).all(), "a still clip stays still"
    augment_clip(clip, cfg, 32, seed=0, epoch=epoch, video_id="another in between")
    assert np.array_equal(made, augment_clip(still, cfg, 32, seed=0, epoch=epoch, video_id="v"))


def test_one_augmentation_does_not_move_another() -> None:
    where = {"seed": 3, "epoch": 1, "video_id": "v"}
    alone, both = (
        draw(AugmentConfig(crop="random"), **where),
        draw(AugmentConfig(crop="random", hue=0.2, flip=1), **where),
    )
    assert (alone.top, alone.left) == (both.top, both.left)
    assert both.flip
    assert both.hue != 0
    assert draw(AugmentConfig(crop="random"), seed=3, epoch=2, video_id="v") != alone


def test_the_default_changes_nothing_and_crops_lie_along_the_long_side() -> None:
    clip = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    assert np.array_equal(augment_clip(clip, AugmentConfig(), 32, seed=0, epoch=0, video_id="v"), clip[:, :, 8:40])
    for crop, left in enumerate((0, 8, 16)):
        assert np.array_equal(view_crop(clip, 32, crop=crop, crops=3), clip[:, :, left : left + 32])
    assert np.array_equal(view_crop(clip, 32), clip[:, :, 8:40])
    with pytest.raises(InputError, match="crop 3 of 3"):
        view_crop(clip, 32, crop=3, crops=3)
    with pytest.raises(InputError, match="smaller than the network's size"):
        view_crop(clip, 33)


def test_motion_scores_by_hand() -> None:
    flat = np.zeros((3, 9, 9, 3), np.uint8)
    flat[1:] = 100
    # Flat pictures have no variance: SSIM = (2 a b + c1) / (a^2 + b^2 + c1) with a = 0, b = 100.
    c1 = (0.01 * 255) ** 2
    assert motion_scores(flat) == pytest.approx([1 - c1 / (100**2 + c1), 0], abs=1e-9)
    noise = np.random.default_rng(0).integers(0, 256, (130, 12, 12, 3), dtype=np.uint8)
    scores = motion_scores(noise)
    assert scores.shape == (129,)
    assert scores[64] == pytest.approx(motion_scores(noise[64:66])[0]), "chunks do not show"
    assert motion_scores(noise[:1]).shape == (0,)
