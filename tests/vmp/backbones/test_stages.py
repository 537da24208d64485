"""Stages of a backbone: their names, what is frozen, what learns slowly, what is computed twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vmp.backbones.registry import BACKBONES, CustomBackbone, build_backbone
from vmp.backbones.stages import frozen_names, stages
from vmp.core.errors import InputError
from vmp.core.fingerprint import fingerprint
from vmp.data.registry import MotionData, load_data
from vmp.data.sampling import Uniform
from vmp.experiment import Experiment, Runtime, build_loaders, build_trainer, run_experiment
from vmp.identity import identity
from vmp.layer.config import LAYERS
from vmp.layer.prompted import MotionPrompted
from vmp.layer.published import VideoMotionPrompt
from vmp.training.loop import Checkpointing, TrainConfig
from vmp.training.optim import SGD, AdamW
from vmp.training.regularizers import RegularizerConfig

DATA = MotionData(train=8, val=6, test=6, size=32, num_frames=6)
BLOCKS, LAYERS_OF_VIDEOMAE = ([f"{name}.{i}" for i in range(4)] for name in ("blocks", "videomae.encoder.layer"))
TRAIN = TrainConfig(epochs=2, batch_size=4, optimizer=AdamW(lr=1e-2))


def experiment(kind: str = "slow_tiny", train: TrainConfig = TRAIN, **backbone: Any) -> Experiment:
    return Experiment(
        data=DATA,
        sampling=Uniform(num_frames=4),
        train=train,
        regularizer=RegularizerConfig(lambda_=1.0),
        backbone=BACKBONES[kind](**backbone),
    )


@pytest.fixture
def pretrained(tmp_path: Path) -> Callable[[str, int], Path]:
    """Makes a checkpoint file of a backbone of this kind with a classifier for so many classes."""

    def make(kind: str, classes: int) -> Path:
        torch.manual_seed(5)
        module = build_backbone(BACKBONES[kind](), num_classes=classes, num_frames=4, size=32)
        module.train()(torch.randn(4, 3, 4, 32, 32))  # running statistics of its own
        path = tmp_path / f"{kind}-{classes}.safetensors"
        save_file({name: value.contiguous() for name, value in module.state_dict().items()}, path)
        return path

    return make


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("cnn3d_tiny", ["features", "classifier"]),
        ("slow_tiny", [f"blocks.{i}" for i in range(6)]),
        ("slowfast_tiny", [f"blocks.{i}" for i in (0, 1, 2, 3, 4, 6)]),
        ("mvit_tiny", ["patch_embed", "cls_positional_encoding", *BLOCKS, "norm_embed", "head"]),
        ("videomae_tiny", ["videomae.embeddings", *LAYERS_OF_VIDEOMAE, "fc_norm", "classifier"]),
    ],
)
def test_stages_have_the_names_of_the_library(kind: str, names: list[str]) -> None:
    module = build_backbone(BACKBONES[kind](), num_classes=3, num_frames=4, size=32)
    assert list(stages(module)) == names
    head = {name for name, _ in module.named_parameters()} - frozen_names(module, "all_but_head", 3)
    assert {name.rpartition(".")[2] for name in head} == {"weight", "bias"}


def test_an_unknown_stage_is_refused_before_anything_runs_and_the_stages_are_listed(
    pretrained: Callable[[str, int], Path],
) -> None:
    path = pretrained("slow_tiny", 4)
    with pytest.raises(ValueError, match=r"unknown stage 'blocks\.9'.*blocks\.0.*blocks\.5"):
        experiment(freeze="until:blocks.9", checkpoint=path)
    with pytest.raises(ValueError, match="last stage; say all"):
        experiment(freeze="until:blocks.5", checkpoint=path)
    with pytest.raises(ValueError, match="must be one of none, all, all_but_head, until:<stage>, got 'some'"):
        experiment(freeze="some", checkpoint=path)


def test_what_chance_drew_is_not_frozen(pretrained: Callable[[str, int], Path]) -> None:
    with pytest.raises(ValueError, match=r"freezes random weights: give backbone\.checkpoint"):
        experiment(freeze="all_but_head")
    other = experiment(freeze="all", checkpoint=pretrained("slow_tiny", 7))  # a classifier for other classes
    with pytest.raises(InputError, match=r"freezes blocks\.5\.proj.*freeze all_but_head or none"):
        run_experiment(other, 0)


@pytest.mark.parametrize("freeze", ["all", "all_but_head", "until:blocks.2"])
@pytest.mark.parametrize("recompute", [False, True])
def test_the_prompt_learns_in_front_of_what_is_frozen(
    freeze: str, recompute: bool, pretrained: Callable[[str, int], Path]
) -> None:
    """Frozen weights and statistics stay bit for bit; m and n get gradients and move, and so does the rest."""
    classes = len(load_data(DATA).classes)
    made = experiment(freeze=freeze, checkpoint=pretrained("slow_tiny", classes))
    runtime, data = Runtime(gradient_checkpointing=recompute), load_data(DATA)
    loaders = build_loaders(made, data, 0, runtime)
    trainer = build_trainer(made, data, 0, runtime)
    start = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.losses(next(iter(loaders["train"].epoch(0)))).total.backward()
    layer = trainer.model.layer
    assert all(parameter.grad.abs().max() > 0 for parameter in (layer.m, layer.n))
    trainer.model.zero_grad()
    trainer = build_trainer(made, data, 0, runtime)
    trainer.fit(loaders["train"], loaders["val"])
    stages_frozen = {"all": range(6), "all_but_head": range(6), "until:blocks.2": range(3)}[freeze]
    learn = {"blocks.5.proj.weight", "blocks.5.proj.bias"} if freeze == "all_but_head" else set()
    for name, value in trainer.model.state_dict().items():
        own = name.removeprefix("backbone.")
        is_frozen = own.startswith(tuple(f"blocks.{i}." for i in stages_frozen)) and own not in learn
        assert torch.equal(value, start[name]) == is_frozen, name


def test_a_frozen_backbone_behind_a_layer_that_learns_nothing_is_measured(
    pretrained: Callable[[str, int], Path],
) -> None:
    path = pretrained("slow_tiny", len(load_data(DATA).classes))
    made = dataclasses.replace(experiment(freeze="all", checkpoint=path), layer=LAYERS["none"]())
    outcome = run_experiment(made, 0)
    assert outcome.status == "complete"
    assert len(set(outcome.curves["val_loss"])) == 1


@pytest.mark.parametrize("kind", ["slow_tiny", "slowfast_tiny", "mvit_tiny", "timesformer_tiny"])
def test_computing_activations_twice_changes_no_number(kind: str) -> None:
    made = experiment(kind, dropout=0.3)
    plain, twice = (run_experiment(made, 1, runtime=Runtime(gradient_checkpointing=on)) for on in (False, True))
    assert plain.model_dump() == twice.model_dump()


def test_each_stage_learns_at_the_rate_of_its_depth() -> None:
    """Right values by hand: 3 stages of one weight and one bias, rates lr * (1/4, 1/2, 1)."""

    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Parameter(torch.zeros(2, 2))  # of no stage: as slow as the first
            self.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))

    model = MotionPrompted(Tower(), VideoMotionPrompt((0.45,) * 3, (0.225,) * 3))
    built = AdamW(lr=0.4, layer_decay=0.5, weight_decay=0.1).build(model)
    rates = {id(p): group["lr"] for group in built.param_groups for p in group["params"]}
    decays = {id(p): group["weight_decay"] for group in built.param_groups for p in group["params"]}
    assert rates[id(model.backbone.embedding)] == pytest.approx(0.1)
    for block, rate in zip(model.backbone.blocks, (0.1, 0.2, 0.4), strict=True):
        assert rates[id(block.weight)] == rates[id(block.bias)] == pytest.approx(rate)
        assert (decays[id(block.weight)], decays[id(block.bias)]) == (0.1, 0.0)
    assert rates[id(model.layer.m)] == 0.4
    assert len(SGD(lr=0.4).build(model).param_groups) == 3, "without a decay the groups are as before"


def test_half_precision_is_for_cuda_and_scales_its_loss(tmp_path: Path) -> None:
    """The scaler's loop itself runs here on the CPU, where a resumed run must give the same numbers as a whole one."""
    half = experiment(train=dataclasses.replace(TRAIN, precision="float16", epochs=3))
    with pytest.raises(InputError, match="float16 needs CUDA, and the device is cpu; use bfloat16 or float32"):
        run_experiment(half, 0, runtime=Runtime(device="cpu"))
    full = experiment(train=dataclasses.replace(TRAIN, epochs=3))
    data = load_data(DATA)
    loaders = build_loaders(full, data, 0, Runtime())

    def fit(checkpoint: Checkpointing | None = None, dies_after: int = 9) -> Any:
        def on_epoch(epoch: int, figures: Any) -> None:
            if epoch > dies_after:
                raise KeyboardInterrupt

        trainer = dataclasses.replace(build_trainer(full, data, 0, Runtime()), settings=half.train)
        return trainer.fit(loaders["train"], loaders["val"], checkpoint=checkpoint, on_epoch=on_epoch).curves

    whole = fit()
    assert whole["train_loss"][-1] < whole["train_loss"][0]
    kept = Checkpointing(path=tmp_path / "half.pt", key="half", every_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        fit(kept, dies_after=1)
    assert fit(kept) == whole


def test_one_name_for_each_computation(pretrained: Callable[[str, int], Path]) -> None:
    """Freezing all stages but the classifier's is the linear probe; with it no stage is left to learn more slowly."""
    path = pretrained("cnn3d_tiny", len(load_data(DATA).classes))

    def name(freeze: str, decay: float = 1.0, **backbone: Any) -> str:
        train = dataclasses.replace(TRAIN, optimizer=AdamW(lr=1e-2, layer_decay=decay))
        made = experiment("cnn3d_tiny", train, freeze=freeze, checkpoint=path, **backbone)
        computed = run_experiment(made, 0).model_dump_json()
        named = fingerprint(identity(made))
        assert names.setdefault(named, computed) == computed
        assert list(names.values()).count(computed) == 1, "two names for one computation"
        return named

    names: dict[str, str] = {}
    assert name("until:features") == name("until:features", 0.5) == name("all_but_head") == name("all_but_head", 0.5)
    assert name("all") == name("all", 0.5) == name("all", dropout=0.4)
    assert (
        len({name("none"), name("none", 0.5), name("all"), name("all_but_head"), name("all_but_head", dropout=0.4)})
        == 5
    )


class OfMyOwn(nn.Module):
    """A network that brings its own weights: several lists of blocks, so its children are the stages."""

    def __init__(self, num_classes: int, **_: Any) -> None:
        super().__init__()
        self.low = nn.Sequential(nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4))
        self.high = nn.Sequential(nn.Conv3d(4, 4, 1), nn.BatchNorm3d(4))
        self.out = nn.Linear(4, num_classes)

    def forward(self, clip: Tensor) -> Tensor:
        return self.out(self.high(self.low(clip)).mean((2, 3, 4)))


def test_a_backbone_of_ones_own_can_be_frozen_without_a_checkpoint() -> None:
    own = CustomBackbone(factory=f"{__name__}:OfMyOwn", freeze="until:low")
    outcome = run_experiment(dataclasses.replace(experiment(), backbone=own), 0)
    assert outcome.status == "complete"
    with pytest.raises(ValueError, match=r"unknown stage 'lo'.*Did you mean 'low'.*high, low, out"):
        dataclasses.replace(experiment(), backbone=dataclasses.replace(own, freeze="until:lo"))
