"""One training run: exact resume, divergence, parameter groups, schedules, metrics."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vmp.backbones.registry import BACKBONES
from vmp.core.config import from_plain
from vmp.core.errors import InputError
from vmp.core.outcome import Figures, Outcome
from vmp.data.augment import AugmentConfig
from vmp.data.loading import ClipLoader
from vmp.data.registry import MotionData, load_data
from vmp.data.sampling import Random, Uniform
from vmp.experiment import Experiment, Runtime, build_loaders, build_trainer, run_experiment
from vmp.identity import canonical
from vmp.layer.config import LAYERS, PromptConfig
from vmp.layer.normalizations import SigmoidConfig
from vmp.layer.published import VideoMotionPrompt
from vmp.layer.starts import FixedStart
from vmp.training.accuracy import Accuracy
from vmp.training.checkpoint import load_checkpoint, save_checkpoint
from vmp.training.loop import Checkpointing, TrainConfig
from vmp.training.optim import SGD, AdamW, ConstantRate, CosineRate, SteppedRate
from vmp.training.regularizers import RegularizerConfig, Uncertainty

TINY = Experiment(
    data=MotionData(train=24, val=12, test=12, size=16, num_frames=6),
    sampling=Uniform(num_frames=4),
    train=TrainConfig(epochs=3, batch_size=8, optimizer=AdamW(lr=1e-2)),
    regularizer=RegularizerConfig(lambda_=1.0),
    backbone=BACKBONES["cnn3d_tiny"](dropout=0.3),
)


class _Killed(Exception):
    pass


@pytest.mark.parametrize("select", ["last", "best_val"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, select: Literal["last", "best_val"]) -> None:
    """Killed in every epoch in turn, with dropout, momentum and a decaying rate: the numbers must not move."""
    tiny = dataclasses.replace(TINY, train=dataclasses.replace(TINY.train, select=select))
    whole = run_experiment(tiny, seed=3)
    checkpoint = Checkpointing(path=tmp_path / "cell.pt", key="cell", every_seconds=0.0)
    for survived in range(1, TINY.train.epochs):

        def die(epoch: int, figures: Figures, last: int = survived + 1) -> None:
            if epoch == last:
                raise _Killed

        with pytest.raises(_Killed):
            run_experiment(tiny, seed=3, checkpoint=checkpoint, on_epoch=die)
        assert load_checkpoint(checkpoint.path)["epoch"] == survived
    resumed = run_experiment(tiny, seed=3, checkpoint=checkpoint)
    assert resumed.curves == whole.curves
    assert resumed.metrics == whole.metrics
    assert (resumed.scores, resumed.selected_epoch) == (whole.scores, whole.selected_epoch)


def test_the_weights_of_the_best_epoch_are_tested_and_kept() -> None:
    """Right value: the test accuracy of a training that ends at the best epoch, whose rate does not know its end."""
    constant = TrainConfig(epochs=6, batch_size=8, optimizer=AdamW(lr=3e-2, schedule=ConstantRate()))
    models = {}

    def run(name: str, **changes: object) -> Outcome:
        train = dataclasses.replace(constant, **changes)
        kept = lambda model, data: models.update({name: model.state_dict()})  # noqa: E731
        return run_experiment(dataclasses.replace(TINY, train=train), seed=1, on_trained=kept)

    best = run("best", select="best_val")
    accuracies = [value for value in best.curves["val_top1"] if value is not None]
    epoch = accuracies.index(max(accuracies)) + 1
    assert epoch < constant.epochs, "else this shows nothing: take another seed"
    assert best.selected_epoch == epoch
    assert best.metrics["val_top1"] == max(accuracies)
    short = run("short", epochs=epoch)
    assert (short.selected_epoch, run("last").selected_epoch) == (epoch, constant.epochs)
    for figure in ("test_top1", "test_loss", "val_loss", "slope"):
        assert best.metrics[figure] == short.metrics[figure]
    assert best.scores == short.scores
    assert all(torch.equal(models["best"][name], value) for name, value in models["short"].items())
    assert any(not torch.equal(models["last"][name], value) for name, value in models["short"].items())


def test_a_training_from_bytes_has_the_figures_of_one_from_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    from_bytes = run_experiment(TINY, seed=3)
    seen: list[torch.dtype] = []
    forward = VideoMotionPrompt.forward
    monkeypatch.setattr(VideoMotionPrompt, "reads_bytes", lambda *_: False)
    monkeypatch.setattr(
        VideoMotionPrompt, "forward", lambda layer, clip: (seen.append(clip.dtype), forward(layer, clip))[1]
    )
    from_floats = run_experiment(TINY, seed=3)
    assert set(seen) == {torch.float32}
    assert from_bytes.metrics == from_floats.metrics
    assert from_bytes.curves == from_floats.curves


def test_a_checkpoint_of_another_cell_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "cell.pt"
    run_experiment(TINY, seed=3, checkpoint=Checkpointing(path=path, key="other", every_seconds=0.0))
    whole = run_experiment(TINY, seed=4)
    assert path.exists()
    assert run_experiment(TINY, seed=4, checkpoint=Checkpointing(path=path, key="mine")).metrics == whole.metrics


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x02cos\nsystem\n(S'true'\ntR."])
def test_a_checkpoint_that_is_damaged_or_hostile_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cell.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cell\.pt.*delete it"):
        load_checkpoint(path)


def test_an_interrupted_write_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "cell.pt"
    save_checkpoint(path, {"epoch": 1})
    with pytest.raises(Exception, match=r"pickle|local object"):
        save_checkpoint(path, {"epoch": lambda: None})
    assert load_checkpoint(path) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["cell.pt"]


def test_divergence_ends_a_run_with_a_reason() -> None:
    wild = dataclasses.replace(TINY.train, optimizer=SGD(lr=1e30, clip_norm=None, schedule=CosineRate(warmup_epochs=0)))
    outcome = run_experiment(dataclasses.replace(TINY, train=wild), seed=0)
    assert outcome.status == "diverged"
    assert outcome.metrics == {}
    assert outcome.reason is not None
    assert "epoch 1" in outcome.reason


def test_every_arm_of_a_seed_starts_from_the_same_backbone_and_other_seeds_do_not() -> None:
    def start(prompt: str, seed: int) -> torch.Tensor:
        moved = PromptConfig(normalization=SigmoidConfig(start=FixedStart(m=0.7)))
        experiment = dataclasses.replace(TINY, layer=moved if prompt == "vmp" else LAYERS[prompt]())
        trainer = build_trainer(experiment, load_data(TINY.data), seed, Runtime())
        return torch.cat([p.detach().flatten() for p in trainer.model.backbone.parameters()])

    assert torch.equal(start("vmp", 0), start("control", 0))
    assert torch.equal(start("vmp", 0), start("none", 0))
    assert not torch.equal(start("vmp", 0), start("vmp", 1))


def test_m_and_n_have_their_own_rate_and_never_decay() -> None:
    trainer = build_trainer(TINY, load_data(TINY.data), 0, Runtime())
    optimizer = AdamW(lr=0.1, prompt_lr=0.3, weight_decay=0.5).build(trainer.model)
    group = next(g for g in optimizer.param_groups if any(p is trainer.model.layer.m for p in g["params"]))
    assert [p is q for p, q in zip(group["params"], (trainer.model.layer.m, trainer.model.layer.n), strict=True)] == [
        True
    ] * 2
    assert (group["lr"], group["weight_decay"]) == (0.3, 0.0)
    held = [id(p) for g in optimizer.param_groups for p in g["params"]]
    assert sorted(held) == sorted(id(p) for p in trainer.model.parameters())  # each exactly once


def test_lambda_moves_the_attention_and_only_the_vmp_arm_has_one() -> None:
    def last(prompt: str, weight: float) -> dict[str, object]:
        changed = dataclasses.replace(
            TINY,
            train=dataclasses.replace(TINY.train, epochs=4, optimizer=AdamW(prompt_lr=0.05)),
            layer=LAYERS[prompt](),
            regularizer=RegularizerConfig(lambda_=weight),
        )
        return dict(run_experiment(canonical(changed), seed=0).metrics)

    free, weighed = last("vmp", 0.0), last("vmp", 100.0)
    assert weighed["variation"] < free["variation"]  # type: ignore[operator]
    assert weighed["lambda"] == 100.0
    control, none = last("control", 100.0), last("none", 100.0)
    assert (control["variation"], control["mean_attention"], control["slope"], control["collapsed"]) == (
        0.0,
        1.0,
        None,
        None,
    )
    assert none["variation"] is None
    assert none["mean_attention"] is None
    assert control["lambda"] == none["lambda"] == 0.0  # nothing for lambda to act on: one cell, not two


def test_batches_do_not_depend_on_loader_processes() -> None:
    def batches(workers: int) -> list[torch.Tensor]:
        loader = ClipLoader(
            load_data(TINY.data),
            "train",
            sampling=Random(num_frames=4),
            frames=5,
            size=16,
            batch_size=8,
            seed=1,
            augment=AugmentConfig(flip=0.5, scale=(1.0, 1.5), crop="random"),
            workers=workers,
        )
        return [batch.frames for epoch in (0, 1) for batch in loader.epoch(epoch)]

    alone, helped = batches(0), batches(2)
    assert all(torch.equal(a, b) for a, b in zip(alone, helped, strict=True))
    assert not torch.equal(alone[0], alone[3])  # a new epoch has a new order


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40),
    st.integers(1, 40),
)
@settings(max_examples=50, deadline=None)
def test_accuracy_against_counting_by_hand(pairs: list[tuple[int, int]], split: int) -> None:
    accuracy = Accuracy(4)
    for part in (pairs[:split], pairs[split:]):
        if part:
            guessed, labels = zip(*part, strict=True)
            accuracy.update(torch.nn.functional.one_hot(torch.tensor(guessed), 4).float(), torch.tensor(labels))
    assert accuracy.top1 == pytest.approx(sum(g == y for g, y in pairs) / len(pairs))
    recalls = [sum(g == y for g, y in pairs if y == c) / sum(y == c for _, y in pairs) for c in {y for _, y in pairs}]
    assert accuracy.mean_class == pytest.approx(sum(recalls) / len(recalls))


def test_schedules() -> None:
    cosine = CosineRate(warmup_epochs=1)
    assert [cosine.factor(epoch=e, epochs=5) for e in (0.5, 1, 3, 5)] == pytest.approx([0.5, 1, 0.5, 0])
    published = SteppedRate(milestones=(11, 14), warmup_epochs=0)
    assert [published.factor(epoch=e, epochs=25) for e in (1, 11, 14, 25)] == pytest.approx([1, 0.1, 0.01, 0.01])
    with pytest.raises(InputError, match=r"schedule\.milestones is required and missing"):
        from_plain(AdamW, {"schedule": "steps"}, source="here")


def test_the_rate_falls_to_the_end_of_the_training_and_not_past_it_where_batches_do_not_divide() -> None:
    """Past its end a cosine would rise again; three batches an epoch, accumulated by twos, end within the epoch."""
    train = TrainConfig(epochs=3, batch_size=8, accumulate=2, optimizer=AdamW(lr=1e-2, schedule=CosineRate()))
    rates = run_experiment(dataclasses.replace(TINY, train=train), seed=0).curves["lr"]
    assert rates == sorted(rates, reverse=True)  # type: ignore[type-var]
    assert rates[-1] == pytest.approx(0, abs=1e-12)


def test_accumulated_batches_equal_one_large_batch() -> None:
    """For a network without batch statistics, 8 clips at once and 2 x 4 accumulated make the same step."""

    def weights(batch_size: int, accumulate: int) -> torch.Tensor:
        optimizer = SGD(lr=0.1, momentum=0.0, schedule=ConstantRate(warmup_epochs=0), clip_norm=None)
        train = TrainConfig(epochs=1, batch_size=batch_size, accumulate=accumulate, optimizer=optimizer)
        experiment = dataclasses.replace(
            TINY,
            train=train,
            data=dataclasses.replace(TINY.data, size=32),
            backbone=BACKBONES["timesformer_tiny"](dropout=0.0),
        )
        data = load_data(experiment.data)
        trainer = build_trainer(experiment, data, 0, Runtime())
        loaders = build_loaders(experiment, data, 0, Runtime())
        trainer.fit(loaders["train"], loaders["val"])
        return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])

    torch.testing.assert_close(weights(8, 1), weights(4, 2), rtol=1e-4, atol=1e-6)


def test_a_run_stops_when_its_listener_says_so_and_keeps_what_it_measured() -> None:
    heard: list[tuple[int, float]] = []

    def listen(epoch: int, figures: Figures) -> str | None:
        heard.append((epoch, float(figures["val_top1"] or 0)))
        return "enough" if epoch == 2 else None

    outcome = run_experiment(TINY, seed=0, on_epoch=listen)
    assert (outcome.status, outcome.reason) == ("stopped", "enough")
    assert [epoch for epoch, _ in heard] == outcome.curves["epoch"] == [1, 2]
    assert outcome.metrics["val_top1"] == heard[-1][1]
    assert "test_top1" not in outcome.metrics
    assert (
        run_experiment(TINY, seed=0, on_epoch=lambda epoch, figures: "late" if epoch == 3 else None).status
        == "complete"
    )


def test_scores_by_class_and_stratum_add_up_to_the_accuracy() -> None:
    outcome = run_experiment(TINY, seed=0)
    for split in ("val", "test"):
        classes, strata = outcome.scores[split].classes, outcome.scores[split].strata  # type: ignore[index]
        assert len(classes) == 6
        assert sum(c.total for c in classes) == sum(s.total for s in strata.values()) == 12
        assert sum(c.correct for c in classes) / 12 == outcome.metrics[f"{split}_top1"]
        assert sum(s.correct for s in strata.values()) == sum(c.correct for c in classes)
    assert outcome.start["slope"] == pytest.approx(34.6, abs=0.1)


def test_the_weight_that_a_regulariser_learns_is_clipped_and_watched_like_any_other() -> None:
    learnt = dataclasses.replace(TINY, regularizer=RegularizerConfig(lambda_=1.0, weight=Uncertainty()))
    data = load_data(TINY.data)
    trainer = build_trainer(learnt, data, 0, Runtime())
    loaders = build_loaders(learnt, data, 0, Runtime())
    trainer.regularizer.log_variance.data.fill_(float("nan"))
    assert trainer.fit(loaders["train"], loaders["val"]).diverged is not None
    clipped = dataclasses.replace(learnt, train=dataclasses.replace(TINY.train, optimizer=SGD(lr=1.0, clip_norm=1e-6)))
    trainer = build_trainer(clipped, data, 0, Runtime())
    before = trainer.regularizer.log_variance.detach().clone()
    trainer.fit(loaders["train"], loaders["val"])
    assert (trainer.regularizer.log_variance - before).abs().max() < 1e-4  # unclipped it moves by tenths
