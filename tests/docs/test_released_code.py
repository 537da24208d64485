"""docs/released-code.md: its settings exist and give the layer of the released code, and the differences are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from sweeps.study_files import load_study
from tests.conftest import ROOT
from vmp.backbones.registry import BACKBONES, build_backbone
from vmp.backbones.weights import load_checkpoint
from vmp.core.config import from_plain, to_plain
from vmp.core.documents import parse_yaml
from vmp.core.errors import InputError
from vmp.core.overrides import get, kinds_first, put
from vmp.data.sampling import Random, Span, sample_indices
from vmp.experiment import Experiment, build_model
from vmp.layer.config import PromptConfig
from vmp.layer.published import VideoMotionPrompt

PAGE = (ROOT / "docs" / "released-code.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
AS_RELEASED = [(row[0], row[-1]) for row in ROWS if ": " in row[-1] and "seeds" not in row[-1]]
(SETTINGS,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def released() -> Experiment:
    return from_plain(Experiment, parse_yaml(SETTINGS, source="the page"), source="the page")


def steps(clip: torch.Tensor, m: torch.Tensor, n: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The released steps as the page has them: prompt and V of a normalised clip (b, 3, t, h, w)."""
    red, green, blue = (clip * 0.225 + 0.45).unbind(1)
    gray = 0.114 * red + 0.587 * green + 0.299 * blue
    slope, shift = 5 / (0.45 * m.tanh().abs() + 0.1), 0.6 * n.tanh()
    attention = 1 / (1 + (-slope * (gray.diff(dim=1) - shift)).exp())
    changes = attention.diff(dim=1)
    return attention[:, None] * clip[:, :, 1:], changes.square().sum() / changes.numel()


def test_the_layer_of_the_settings_is_that_of_the_released_code(released: Experiment) -> None:
    torch.manual_seed(0)
    layer = released.layer.build(released.normalize.mean, released.normalize.std, maps=8)
    assert isinstance(layer, VideoMotionPrompt)
    clip = (torch.rand(2, 3, 9, 16, 16) - 0.45) / 0.225
    m, n = (one.detach().clone().requires_grad_() for one in (layer.m, layer.n))
    prompt, variation = steps(clip, m, n)
    (prompt.square().sum() + variation).backward()
    out = layer(clip)
    assert out.variation is not None
    (out.prompt.square().sum() + out.variation).backward()
    torch.testing.assert_close(out.prompt, prompt, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(out.variation, variation, rtol=1e-5, atol=1e-7)
    for ours, theirs in ((layer.m, m), (layer.n, n)):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-3)
    right_order = PromptConfig().build(released.normalize.mean, released.normalize.std, maps=8)
    assert right_order(clip).prompt.sub(prompt).abs().max() > 0.1


def test_the_start_is_drawn_as_published(released: Experiment) -> None:
    torch.manual_seed(0)
    layers = [released.layer.build((0.45,) * 3, (0.225,) * 3, maps=8) for _ in range(400)]
    drawn = torch.stack([layer.m.detach() for layer in layers if isinstance(layer, VideoMotionPrompt)])
    assert len(drawn) == 400
    assert drawn.mean().abs() < 0.15
    assert 0.9 < drawn.std() < 1.1
    assert (VideoMotionPrompt((0.45,) * 3, (0.225,) * 3).m.item(), 0.0) == (pytest.approx(0.1), 0.0)


@pytest.mark.parametrize(("what", "cell"), AS_RELEASED, ids=[what for what, _ in AS_RELEASED])
def test_a_setting_of_the_last_column_exists_and_is_the_default_where_the_page_says_so(what: str, cell: str) -> None:
    shown = {}
    for text in re.findall(r"`([\w.]+: [^`]+)`", cell):
        ((path, value),) = parse_yaml(text, source=what).items()
        shown[path] = value
    plain: dict[str, Any] = {"data": {"kind": "motion"}}
    if any(path.startswith("sampling") for path in shown):
        put(Experiment, plain, "sampling.kind", "random")
    if any("schedule" in path for path in shown):
        put(Experiment, plain, "train.optimizer.schedule.kind", "cosine")
    default = to_plain(from_plain(Experiment, plain, source=what))
    for path in kinds_first(shown):
        put(Experiment, plain, path, shown[path])
    set_so = to_plain(from_plain(Experiment, plain, source=what))
    assert (set_so == default) == ("the default" in cell)


def test_the_settings_reach_what_the_tables_say(released: Experiment) -> None:
    plain = to_plain(released)
    for row in ROWS:
        for text in re.findall(r"`((?:layer|regularizer|normalize|sampling|train)\.[\w.]+: [^`]+)`", row[-1]):
            ((path, value),) = parse_yaml(text, source="the page").items()
            there = get(plain, path)
            assert (there.get("kind") if isinstance(there, dict) else there) == value, path


def test_the_differences_are_as_the_page_says(released: Experiment) -> None:
    clip = torch.zeros(1, 3, 2, 8, 8)
    assert VideoMotionPrompt((0.45,) * 3, (0.225,) * 3)(clip).variation is None
    with pytest.raises(InputError, match="cannot be learnt"):
        VideoMotionPrompt((0.45,) * 3, (0.225,) * 3, m=0.0)
    of_spans = {}
    for span in get_args(Span):
        sampler = Random(num_frames=8, rate=32, span=span)
        of_spans[span] = sample_indices(sampler, 600, 30.0, frames=9, train=False, seed=0, epoch=0, video_id="v")
    assert [int(frames[-1] - frames[0]) for frames in of_spans.values()] == [8 * 32 - 1, 9 * 32 - 1]
    assert of_spans["baseline"][0] == (600 - 8 * 32) // 2, "a single test view lies in the centre"
    torch.manual_seed(0)
    backbone = BACKBONES["timesformer_tiny"](kind="timesformer_tiny")
    model = build_model(backbone, released.layer, released.normalize, frames=8, size=32, classes=3)
    groups = released.train.optimizer.build(model).param_groups
    (prompt,) = (group for group in groups if any(p is model.layer.m for p in group["params"]))
    assert prompt["weight_decay"] == 0
    assert prompt["lr"] == max(group["lr"] for group in groups), "the rate of the backbone"


def test_no_tensor_of_the_timesformer_of_another_repository_fits(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    module = build_backbone(
        BACKBONES["timesformer_tiny"](kind="timesformer_tiny"), num_classes=3, num_frames=8, size=32
    )
    names = ("model.cls_token", "model.time_embed", "model.blocks.0.attn.qkv.weight", "model.norm.weight")
    torch.save({"model_state": {name: torch.zeros(1) for name in names}}, tmp_path / "theirs.pyth")
    with pytest.raises(InputError, match="fits nothing in this"):
        load_checkpoint(module, tmp_path / "theirs.pyth")


def test_the_studies_of_single_differences_have_their_arms() -> None:
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    commands = [shlex.split(line) for line in block.replace("\\\n", " ").splitlines()]
    assert len(commands) == 3
    for command in commands:
        assert command[:5] == ["$", "vmp", "sweep", "plan", "lambda"]
        study = load_study("lambda", command[6::2])
        varied = next(name for name in study.factors if "." in name)
        values = {factors[varied] for factors, _ in study.arms()}
        assert values >= set(study.factors[varied])
