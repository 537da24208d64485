"""A kept model stands on its own: elsewhere, in a fresh process, without the study, it says what the study measured."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from sweeps.records.study_folder import StudyFolder
from sweeps.run import run_study
from sweeps.study import Study
from tests.conftest import Vmp
from tests.sweeps.staged import backbone, small_study
from tests.vmp.data.tiny_videos import picture, write_video
from vmp.backbones.registry import BACKBONES, build_backbone
from vmp.commands.show import show
from vmp.core.errors import InputError
from vmp.data.loading import TestConfig
from vmp.data.registry import load_data
from vmp.saved_model import CONFIG_FILE, WEIGHTS_FILE, SavedModel, load_model
from vmp.video import decode

FPS = 25


def study_of(root: Path, sampling: object = "uniform", **data: object) -> Study:
    return Study(
        name="kept",
        factors={"prompt": ("control", "vmp")},
        seeds=(0,),
        data={"kind": "folder", "path": str(root), "size": 32, **data},
        sampling=sampling,
        backbone="cnn3d_tiny",
        train={"epochs": 2, "batch_size": 4},
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    for i in range(24):
        write_video(root / "ab"[i % 2] / f"{i}.mp4", 12, video=i * 5 % 64, width=64, fps=FPS)
    return root


@pytest.fixture(scope="module")
def study(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, StudyFolder]:
    """A small study on real files, with several views and crops, whose chosen model was kept."""
    patch = pytest.MonkeyPatch()
    patch.setenv("VMP_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    made = study_of(videos, {"kind": "random", "num_frames": 4, "rate": 2}, fit="short")
    made = dataclasses.replace(made, test=TestConfig(views=2, crops=2))
    folder = StudyFolder(tmp_path_factory.mktemp("study") / "s")
    run_study(made, folder.path, keep_weights="all")
    patch.undo()
    return made, folder


def test_the_kept_model_repeats_the_studys_test_in_a_fresh_process_after_moving(
    study: tuple[Study, StudyFolder], videos: Path, tmp_path: Path, run_vmp: Vmp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMP_CACHE_DIR", str(tmp_path / "another cache"))
    made, folder = study
    tests = [video for video in load_data(made.data).videos if video.split == "test"]
    for record in folder.records(folder.read_plan()):
        moved = tmp_path / "elsewhere" / record.hash
        shutil.copytree(folder.path / "models" / record.hash, moved)
        assert {path.name for path in moved.iterdir()} == {CONFIG_FILE, WEIGHTS_FILE, "README.md"}
        files = [videos / video.id for video in tests]
        done = run_vmp("predict", moved, *files, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert (answer["schema"], answer["classes"]) == (1, ["a", "b"])
        probabilities = np.array([list(one["predictions"][0]["probabilities"].values()) for one in answer["videos"]])
        labels = np.array([video.label for video in tests])
        assert (probabilities.argmax(1) == labels).mean() == record.metrics["test_top1"]
        loss = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
        assert loss == pytest.approx(float(record.metrics["test_loss"] or 0), rel=1e-4), "two views, two crops each"


def test_the_hubs_layout_round_trips_offline(study: tuple[Study, StudyFolder], tmp_path: Path) -> None:
    _, folder = study
    kept = sorted((folder.path / "models").iterdir())[0]
    model = load_model(kept)
    assert isinstance(model, SavedModel)
    assert model.about["seconds"] == pytest.approx(12 / FPS)
    model.save_pretrained(tmp_path / "again")
    again = SavedModel.from_pretrained(tmp_path / "again")
    clip = torch.randn(2, 3, model.clip_frames, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(again(clip), model(clip))
    assert not again.training
    assert (again.classes, again.settings) == (model.classes, model.settings)
    before = torch.random.get_rng_state()
    load_model(kept)
    assert torch.equal(torch.random.get_rng_state(), before), "loading moves no random stream of the caller's"


def test_long_videos_go_through_in_windows_each_a_video_of_its_own(
    study: tuple[Study, StudyFolder], tmp_path: Path
) -> None:
    _, folder = study
    model = load_model(sorted((folder.path / "models").iterdir())[1])
    long = write_video(tmp_path / "long.mp4", 82, width=64, fps=FPS)  # 6 windows of 12 and one of 10 frames
    found = model.predict(long)
    assert [(one.start, one.stop) for one in found] == [
        (pytest.approx(12 * i / FPS), pytest.approx(min(12 * i + 12, 82) / FPS)) for i in range(7)
    ]
    frames, _ = decode(long, model.settings.geometry)
    for number, one in enumerate(found):
        expected = model.probabilities(frames[12 * number : 12 * number + 12], FPS)
        assert np.array_equal(one.probabilities, expected)
        assert one.probabilities.sum() == pytest.approx(1)
    assert len(model.predict(long, window=1.0)) == 3, "25, 25, 25; what remains is less than half a window"
    assert [one.start for one in model.predict(write_video(tmp_path / "short.mp4", 40, fps=FPS))] == [None]


def test_show_takes_the_layer_that_the_model_has_learnt(study: tuple[Study, StudyFolder], tmp_path: Path) -> None:
    _, folder = study
    video = write_video(tmp_path / "v.mp4", 20, fps=FPS)
    for record in folder.records(folder.read_plan()):
        model = folder.path / "models" / record.hash
        done = CliRunner().invoke(show, [str(video), "--model", str(model), "--out", str(tmp_path / "a.png")])
        if record.factors["prompt"] == "vmp":
            assert done.exit_code == 0, done.output
            layer = load_model(model).model.layer
            assert float(layer.slope.detach().mean()) == pytest.approx(float(record.metrics["slope"] or 0))
        else:
            assert "has no single attention curve to show" in str(done.exception)


def test_a_model_of_a_stranger_runs_no_code_and_reads_nothing_else(
    study: tuple[Study, StudyFolder], tmp_path: Path, call_vmp: Vmp
) -> None:
    _, folder = study
    kept = sorted((folder.path / "models").iterdir())[0]
    video = write_video(tmp_path / "v.mp4", 12)

    def changed(name: str, **config: object) -> Path:
        target = tmp_path / name
        shutil.copytree(kept, target)
        plain = json.loads((target / CONFIG_FILE).read_text())
        for key, value in config.items():
            plain["settings" if key in plain["settings"] else key] = (
                plain["settings"] | {key: value} if key in plain["settings"] else value
            )
        (target / CONFIG_FILE).write_text(json.dumps(plain))
        return target

    code = {"kind": "custom", "factory": "os:_exit", "options": {}}
    hostile = changed("hostile", backbone=code, trust_code=True)
    for call in (lambda: load_model(hostile), lambda: SavedModel.from_pretrained(hostile)):
        with pytest.raises(
            InputError, match=r"names code of its own \(os:_exit\), which would be run: pass trust_code"
        ):
            call()
    assert load_model(changed("checkpoint", backbone={"kind": "cnn3d_tiny", "checkpoint": "/etc/passwd"}))
    with pytest.raises(InputError, match=r"format 2, this version reads 1"):
        load_model(changed("newer", format=2))
    with pytest.raises(InputError, match="weights do not fit"):
        load_model(changed("other", classes=["a", "b", "c"]))
    damaged = changed("damaged")
    (damaged / WEIGHTS_FILE).write_bytes((damaged / WEIGHTS_FILE).read_bytes()[:1000])
    mistakes: Sequence[tuple[object, str]] = (
        (damaged, "weights do not fit"),
        (folder.path, f"holds no model (no {CONFIG_FILE} in it); it holds the models models/"),
        (tmp_path / "nowhere", "no such folder, and no model of that name"),
        (changed("no settings", settings=None), "config.json: must be a mapping"),
        (changed("no classes", classes="ab"), "classes must be a list of texts, got 'ab'"),
    )
    for model, message in mistakes:
        done = call_vmp("predict", model, video)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert message in done.stderr
    (tmp_path / "broken.mp4").write_text("no video")
    done = call_vmp("predict", kept, tmp_path / "broken.mp4", video, "--json")
    assert done.returncode == 3
    broken, whole = json.loads(done.stdout)["videos"]
    assert "broken.mp4: is not a readable video file" in broken["error"]
    assert len(whole["predictions"]) == 1


def test_code_of_ones_own_is_run_on_request(tmp_path: Path, call_vmp: Vmp) -> None:
    study = small_study(
        "factors.prompt=[vmp]", "factors.lambda=null", "seeds=[0]", *backbone("gated", gate=str(tmp_path / "g"), free=9)
    )
    run_study(study, tmp_path / "s")
    (kept,) = (tmp_path / "s" / "models").iterdir()
    with pytest.raises(InputError, match="names code of its own"):
        load_model(kept)
    model = load_model(kept, trust_code=True)
    frames = np.repeat(np.stack([picture(i, height=16, width=16) for i in range(6)])[..., None], 3, axis=-1)
    assert model.probabilities(frames, 25.0).sum() == pytest.approx(1)
    write_video(tmp_path / "v.mp4", 8)
    show = ("show", tmp_path / "v.mp4", "--model", kept, "--out", tmp_path / "v.png")
    refused = call_vmp(*show)
    assert (refused.returncode, "--trust-code" in refused.stderr) == (2, True)
    assert call_vmp(*show, "--trust-code").returncode == 0
    assert (tmp_path / "v.png").is_file()


@pytest.mark.parametrize("keep", ["chosen", "all", "none"])
def test_a_sweep_keeps_what_it_is_asked_to(keep: str, tmp_path: Path, call_vmp: Vmp) -> None:
    study = small_study("factors.prompt=[none, control, vmp]")  # two arms of the prompt with two seeds each
    status = run_study(study, tmp_path, keep_weights=keep)  # type: ignore[arg-type]
    assert status.is_complete
    folder = StudyFolder(tmp_path)
    kept = {path.name for path in (tmp_path / "models").glob("*")}
    means: dict[object, list[float]] = {}
    arms: dict[object, set[str]] = {}
    for record in folder.records(folder.read_plan()):
        arms.setdefault(tuple(record.factors.values()), set()).add(record.hash)
        if record.factors["prompt"] == "vmp":
            means.setdefault(tuple(record.factors.values()), []).append(float(record.metrics["val_top1"] or 0))
    best = max(means, key=lambda arm: sum(means[arm]))
    assert kept == {"chosen": arms[best], "all": set().union(*arms.values()), "none": set()}[keep]
    if keep == "chosen":
        shutil.rmtree(tmp_path / "models" / min(kept))
        said: list[str] = []
        reporter = type(
            "Reporter",
            (),
            {"note": lambda self, text: said.append(text), "planned": lambda *a: None, "event": lambda *a: None},
        )()
        run_study(study, tmp_path, reporter=reporter)
        assert any("Weights of 1 cell of the chosen arm" in text and "are not there" in text for text in said)


def test_a_fine_tune_from_a_pretrained_checkpoint_predicts_what_it_has_not_seen(
    videos: Path, tmp_path: Path, run_vmp: Vmp, call_vmp: Vmp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From weights with another classifier to a moved model and an unseen video, by the command line alone."""
    monkeypatch.setenv("VMP_CACHE_DIR", str(tmp_path / "cache"))
    torch.manual_seed(3)
    pretrained = build_backbone(BACKBONES["slow_tiny"](), num_classes=9, num_frames=4, size=32).state_dict()
    torch.save({"model_state": pretrained, "epoch": 1}, tmp_path / "published.pyth")
    settings = {
        "factors": "{prompt: [vmp]}", "seeds": "[0]", "train.epochs": 1, "sampling.num_frames": 4,
        "data.kind": "folder", "data.path": videos, "data.size": 32, "backbone.kind": "slow_tiny",
        "normalize.mean": "[0.5, 0.5, 0.5]", "backbone.checkpoint": tmp_path / "published.pyth",
        "backbone.freeze": "all_but_head",
    }  # fmt: skip
    asked = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    planned = run_vmp("sweep", "plan", "lambda", *asked, cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "of which 1,026 learn (freeze: all_but_head)" in planned.stdout  # 512 features to 2 classes
    assert "Note: public weights of slow_tiny were trained with normalize.mean [0.45, 0.45, 0.45]" in planned.stdout
    assert "another shape in the file: blocks.5.proj.weight" in planned.stderr
    assert call_vmp("sweep", "run", "lambda", *asked, "--out", "out", cwd=tmp_path).returncode == 0
    (kept,) = (tmp_path / "out" / "models").iterdir()
    tensors = load_model(kept).model.backbone.state_dict()
    assert all(torch.equal(tensors[name], value) for name, value in pretrained.items() if "proj" not in name)
    moved = shutil.move(kept, tmp_path / "elsewhere")
    for gone in ("out", "published.pyth"):
        (tmp_path / gone).rename(tmp_path / f"{gone}.gone")
    unseen = write_video(tmp_path / "unseen.mp4", 12, video=63, width=64, fps=FPS)
    done = run_vmp("predict", moved, unseen, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)["videos"]
    assert sum(answer["predictions"][0]["probabilities"].values()) == pytest.approx(1)
