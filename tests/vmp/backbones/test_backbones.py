"""One contract for all backbones: logits of the right shape, gradients down to m and n, clear refusals."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vmp.backbones.registry import BACKBONES, DESIGNS, CustomBackbone, build_backbone, check_backbone
from vmp.backbones.stems import widen_stems
from vmp.backbones.weights import load_checkpoint, read_weights
from vmp.core.config import Choice
from vmp.core.errors import InputError
from vmp.core.fingerprint import file_hash
from vmp.data.loading import NormalizeConfig
from vmp.experiment import build_model
from vmp.layer.config import AppendedConfig, ControlConfig
from vmp.layer.motion.differences import RGBDifferenceConfig
from vmp.layer.prompted import MotionPrompted
from vmp.layer.published import VideoMotionPrompt

FRAMES = 8


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "custom"])  # that one has no network of its own
def test_contract(name: str) -> None:
    torch.manual_seed(0)
    size = max(32, DESIGNS[name].min_size if name in DESIGNS else 0)
    backbone = build_backbone(BACKBONES[name](), num_classes=5, num_frames=FRAMES, size=size)
    model = MotionPrompted(backbone, VideoMotionPrompt((0.45,) * 3, (0.225,) * 3)).eval()
    clip = torch.randn(2, 3, FRAMES + 1, size, size)
    logits, variation = model(clip)
    assert logits.shape == (2, 5)
    assert not torch.allclose(logits.softmax(1), logits, atol=1e-3), "the backbone returns probabilities"
    assert (logits.sum(1) - 1).abs().max() > 1e-3
    (logits.square().sum() + variation).backward()
    assert model.layer.m.grad.abs() > 0
    assert model.layer.n.grad.abs() > 0
    with torch.no_grad():  # in eval mode a clip's logits must not depend on its neighbours in the batch
        torch.testing.assert_close(model(clip[:1]).logits, logits[:1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", DESIGNS)
def test_a_widened_backbone_starts_as_it_was_and_learns_from_what_is_appended(name: str) -> None:
    size, frames = max(32, DESIGNS[name].min_size), torch.Generator().manual_seed(1)
    models = []
    for layer in (ControlConfig(), AppendedConfig(motion=RGBDifferenceConfig())):
        torch.manual_seed(0)
        arguments: dict[str, Any] = {"frames": FRAMES, "size": size, "classes": 5}
        models.append(build_model(BACKBONES[name](), layer, NormalizeConfig(), **arguments).eval())
    control, appended = models
    clip = torch.randn(2, 3, FRAMES + 1, size, size, generator=frames)
    assert appended.layer(clip).prompt.shape[1] == 6
    logits = appended(clip).logits
    torch.testing.assert_close(logits, control(clip).logits, rtol=1e-4, atol=1e-5)
    logits.square().sum().backward()
    stems = [part for part in appended.backbone.modules() if getattr(part, "in_channels", 0) == 6]
    assert all(part.weight.grad[:, 3:].abs().sum() > 0 for part in stems)
    assert len(stems) == (2 if name.startswith("slowfast") else 1)


def test_a_backbone_that_reads_no_frames_cannot_be_widened() -> None:
    with pytest.raises(InputError, match="Sequential has no convolution that reads three channels"):
        widen_stems(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), 4)


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("slowfast_tiny", {"num_frames": 9}, "multiples of 4, but 9 reach it.*num_frames = 12"),
        ("timesformer_tiny", {"size": 40}, "multiples of 16, got 40. Use 48"),
        ("slow_tiny", {"size": 16}, "at least 32.*got 16. Use 32"),
        ("slow_tiny", {"num_classes": 1}, "at least 2 classes"),
        ("timesformer_tiny", {"size": (32, 64)}, "square clips"),
        ("c2d_tiny", {"num_frames": 1}, "at least 2 frames"),
        ("videomae_tiny", {"num_frames": 7}, "multiples of 2, but 7 reach it"),
    ],
)
def test_clips_that_a_backbone_cannot_take_are_refused_before_it_is_built(
    name: str, arguments: dict, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        build_backbone(BACKBONES[name](), **{"num_classes": 5, "num_frames": FRAMES, "size": 32, **arguments})


def test_a_timesformer_refuses_a_length_it_was_not_built_for() -> None:
    backbone = build_backbone(BACKBONES["timesformer_tiny"](), num_classes=5, num_frames=8, size=32)
    with pytest.raises(InputError, match=r"built for 8 frames of 32 x 32, got a clip \(1, 3, 9, 32, 32\)"):
        backbone(torch.zeros(1, 3, 9, 32, 32))


def test_an_unknown_name_points_at_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown backbone 'slow_tny'\. Did you mean 'slow_tiny'"):
        Choice(BACKBONES, "backbone").validate("slow_tny")


@pytest.mark.parametrize("name", ["x3d_tiny", "slow_tiny", "slowfast_tiny", "i3d_tiny", "csn_tiny", "r2plus1d_tiny"])
def test_convolutional_backbones_take_other_lengths_and_sizes_than_the_published(name: str) -> None:
    backbone = build_backbone(BACKBONES[name](), num_classes=3, num_frames=12, size=(40, 56)).eval()
    assert backbone(torch.randn(1, 3, 12, 40, 56)).shape == (1, 3)


class First(nn.Module):
    """A user's own module: the mean colour of the first frame."""

    def __init__(self, num_classes: int, time: int) -> None:
        super().__init__()
        self.head, self.time = nn.Linear(3, num_classes), time

    def forward(self, clip: Tensor) -> Tensor:
        return self.head(clip.select(self.time, 0).mean(dim=(2, 3)))


def factory(num_classes: int, num_frames: int, size: tuple[int, int], time: int = 2) -> nn.Module:
    assert num_frames == 8
    assert size == (16, 16)
    return First(num_classes, time)


def test_a_module_of_ones_own_by_dotted_path_in_either_layout() -> None:
    clip, outputs = torch.randn(2, 3, 8, 16, 16), []
    for layout, time in (("bcthw", 2), ("btchw", 1)):
        torch.manual_seed(0)
        cfg = CustomBackbone(factory=f"{__name__}:factory", layout=layout, options={"time": time})
        outputs.append(build_backbone(cfg, num_classes=4, num_frames=8, size=16)(clip))
    assert torch.equal(outputs[0], outputs[1])


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("no_such_package:build", "cannot import 'no_such_package'"),
        (f"{__name__}:factry", r"has no 'factry' that can be called. It has: .*factory"),
        ("torch.nn:Linear", "cannot be called with num_classes, num_frames, size"),
        ("builtins:dict", "must return a torch.nn.Module, got dict"),
    ],
)
def test_a_dotted_path_that_cannot_work_says_why(name: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        build_backbone(CustomBackbone(factory=name), num_classes=4, num_frames=8, size=16)


def tiny(num_classes: int, **settings: object) -> nn.Module:
    cfg = BACKBONES["slowfast_tiny"](**settings)
    return build_backbone(cfg, num_classes=num_classes, num_frames=8, size=32)


SAVERS: dict[str, Callable[[dict[str, Tensor], Path], Path]] = {
    "safetensors": lambda w, d: (save_file(w, d / "w.safetensors"), d / "w.safetensors")[1],
    "torch": lambda w, d: (torch.save(w, d / "w.pth"), d / "w.pth")[1],
    "nested in a training state": lambda w, d: (torch.save({"model_state": w, "epoch": 3}, d / "w.pyth"), d / "w.pyth")[
        1
    ],
    "behind other wrappers": lambda w, d: (
        save_file({f"module.{k.removeprefix('network.')}": v for k, v in w.items()}, d / "w.safetensors"),
        d / "w.safetensors",
    )[1],
}


@pytest.mark.parametrize("saver", SAVERS)
def test_a_checkpoint_is_loaded_and_what_did_not_fit_is_told(saver: str, tmp_path: Path) -> None:
    weights = tiny(7).state_dict()
    path = SAVERS[saver](weights, tmp_path)
    module = tiny(7)
    assert load_checkpoint(module, path).missing == ()
    assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())
    other = tiny(5)
    report = load_checkpoint(other, path)
    assert len(report.reshaped) == 2  # weight and bias of the classifier
    assert "another shape in the file" in str(report)
    assert torch.equal(next(other.parameters()), next(module.parameters()))
    built = tiny(7, checkpoint=path).state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in built.items())


def test_names_that_a_library_has_changed_since_a_file_was_published_fit() -> None:
    """Published VideoMAE files keep the biases of query and value apart, as transformers did before version 5."""
    module = build_backbone(BACKBONES["videomae_tiny"](), num_classes=4, num_frames=8, size=32)
    old = {"query.bias": "q_bias", "value.bias": "v_bias"}
    published = {}
    for name, value in module.state_dict().items():
        ending = next((one for one in old if name.endswith(f"attention.attention.{one}")), "")
        published[name.removeprefix("network.").removesuffix(ending) + old.get(ending, "")] = value
    assert sum(name.endswith("q_bias") for name in published) == 4
    with tempfile.TemporaryDirectory() as folder:
        report = load_checkpoint(module, SAVERS["safetensors"](published, Path(folder)))
    assert report.is_complete


class Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit",)


def test_checkpoints_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    (tmp_path / "damaged.safetensors").write_bytes(b"no tensors")
    torch.save({"weights": Code()}, tmp_path / "code.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    save_file({"something.else": torch.zeros(3)}, tmp_path / "other.safetensors")
    for name, match in (
        ("missing.pth", "does not exist"),
        ("damaged.safetensors", "cannot be read"),
        ("code.pth", "holds more than tensors and is not read"),
        ("empty.pth", "holds no tensors by name"),
    ):
        with pytest.raises(InputError, match=match):
            read_weights(tmp_path / name)
    with pytest.raises(InputError, match=r"fits nothing.*something.else.*Choose the backbone"):
        load_checkpoint(tiny(3), tmp_path / "other.safetensors")


def test_what_a_checkpoint_leaves_out_is_a_warning_and_a_whole_one_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = SAVERS["safetensors"](tiny(7).state_dict(), tmp_path)
    tiny(7, checkpoint=path)
    assert not caplog.records
    tiny(5, checkpoint=path)
    assert "another shape in the file" in caplog.text


def test_a_slowfast_refuses_a_length_that_its_pathways_cannot_share() -> None:
    with pytest.raises(InputError, match="takes multiples of 4 frames, got 6"):
        tiny(3)(torch.zeros(1, 3, 6, 32, 32))


def test_what_is_not_there_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    for cfg, match in (
        (BACKBONES["slow_tiny"](checkpoint=tmp_path / "no.pth"), "does not exist"),
        (CustomBackbone(factory="no_such_package:build"), "cannot import"),
        (CustomBackbone(factory=f"{__name__}:factry"), "has no 'factry' that can be called"),
    ):
        with pytest.raises(InputError, match=match):
            check_backbone(cfg, num_classes=4, num_frames=8, size=32)


def test_a_module_in_the_present_folder_is_found_from_any_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_of_a_user.py").write_text("from torch.nn import Identity\ndef build(**_): return Identity()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [p for p in sys.path if p])
    cfg = CustomBackbone(factory="module_of_a_user:build")
    assert isinstance(build_backbone(cfg, num_classes=4, num_frames=8, size=16), nn.Identity)


def test_a_backbone_names_the_files_that_decide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"one")
    assert BACKBONES["slow_tiny"](checkpoint=weights).files() == {"checkpoint": weights}
    source = tmp_path / "module_to_be_hashed.py"
    source.write_text("def build(**_): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert CustomBackbone(factory="module_to_be_hashed:build").files() == {"module": source}
    assert BACKBONES["slow_tiny"]().files() == {}
    before = file_hash(weights)
    weights.write_bytes(b"another")
    assert file_hash(weights) != before
