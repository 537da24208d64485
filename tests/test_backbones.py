"""One contract for all backbones: logits of the right shape, gradients down to m and n, clear refusals."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError

from vmp.backbones import BACKBONES, BackboneConfig, build_backbone
from vmp.errors import InputError
from vmp.layer import VideoMotionPrompt
from vmp.prompted import MotionPrompted

FRAMES = 8


@pytest.mark.parametrize("name", BACKBONES)
def test_contract(name: str) -> None:
    torch.manual_seed(0)
    size = max(32, BACKBONES[name].min_size)
    backbone = build_backbone(BackboneConfig(name=name), num_classes=5, num_frames=FRAMES, size=size)
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


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("slowfast_tiny", {"num_frames": 9}, "multiples of 4, but 9 reach it.*num_frames = 12"),
        ("timesformer_tiny", {"size": 40}, "multiples of 16, got 40. Use 48"),
        ("slow_tiny", {"size": 16}, "at least 32.*got 16. Use 32"),
        ("slow_tiny", {"num_classes": 1}, "at least 2 classes"),
        ("timesformer_tiny", {"size": (32, 64)}, "square clips"),
    ],
)
def test_clips_that_a_backbone_cannot_take_are_refused_before_it_is_built(
    name: str, arguments: dict, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        build_backbone(BackboneConfig(name=name), **{"num_classes": 5, "num_frames": FRAMES, "size": 32, **arguments})


def test_a_timesformer_refuses_a_length_it_was_not_built_for() -> None:
    backbone = build_backbone(BackboneConfig(name="timesformer_tiny"), num_classes=5, num_frames=8, size=32)
    with pytest.raises(InputError, match=r"built for 8 frames of 32 x 32, got a clip \(1, 3, 9, 32, 32\)"):
        backbone(torch.zeros(1, 3, 9, 32, 32))


def test_an_unknown_name_points_at_the_nearest() -> None:
    with pytest.raises(ValidationError, match=r"unknown backbone 'slow_tny'\. Did you mean 'slow_tiny'"):
        BackboneConfig(name="slow_tny")


def test_the_table_imports_no_model_library() -> None:
    code = "import vmp.backbones, sys; assert not {'pytorchvideo', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
