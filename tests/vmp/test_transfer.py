"""Slope and shift that were learnt on other data: the right ones arrive, stay or move, and survive a kill."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from vmp.core.config import from_plain
from vmp.core.errors import InputError
from vmp.experiment import Experiment, run_experiment
from vmp.training.loop import Checkpointing
from vmp.transfer import LearntOn, NoTransfer, first_checkpoint

SOURCE: dict[str, Any] = {"kind": "motion", "train": 24, "val": 6, "test": 6, "size": 16, "camera": 1.0, "seed": 3}
PLAIN: dict[str, Any] = {
    "data": {"kind": "motion", "train": 24, "val": 6, "test": 6, "size": 16},
    "sampling": {"num_frames": 4},
    "backbone": "cnn3d_tiny",
    "train": {"epochs": 3, "batch_size": 6, "optimizer": {"prompt_lr": 0.05}},
    "transfer": {"kind": "learnt_on", "data": SOURCE},
}
ON_SOURCE = from_plain(Experiment, PLAIN | {"data": SOURCE, "transfer": "none"}, source="test")


def experiment(*, freeze: bool) -> Experiment:
    return from_plain(Experiment, PLAIN | {"transfer": PLAIN["transfer"] | {"freeze": freeze}}, source="test")


@pytest.mark.parametrize("freeze", [True, False])
def test_training_starts_from_what_a_cell_on_the_other_data_ends_with(freeze: bool) -> None:
    learnt, carried = run_experiment(ON_SOURCE, 5), run_experiment(experiment(freeze=freeze), 5)
    for name in ("m", "n", "slope", "shift"):
        assert carried.start[name] == learnt.metrics[name]
        assert (carried.metrics[name] == carried.start[name]) == freeze
    assert carried.start["m"] != run_experiment(ON_SOURCE, 6).metrics["m"], "each seed has its own"


def test_a_killed_cell_does_not_learn_again_what_it_had_learnt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_experiment(experiment(freeze=False), 0)
    checkpoint = Checkpointing(path=tmp_path / "cell.pt", key="cell", every_seconds=0.0)

    class Killed(Exception):
        pass

    def kill(epoch: int, figures: object) -> None:
        del figures
        if epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        run_experiment(experiment(freeze=False), 0, checkpoint=checkpoint, on_epoch=kill)
    assert {file.name for file in tmp_path.iterdir()} == {"cell.pt", "cell.first.pt"}
    assert first_checkpoint(checkpoint).path == tmp_path / "cell.first.pt"
    monkeypatch.setattr("vmp.experiment._learn_first", lambda *_: pytest.fail("it learnt a second time"))
    resumed = run_experiment(experiment(freeze=False), 0, checkpoint=checkpoint)
    assert resumed == whole


def test_a_diverged_first_training_is_the_cells_own_end() -> None:
    setting = experiment(freeze=False)
    hot = dataclasses.replace(setting.train.optimizer, lr=1e30)
    outcome = run_experiment(dataclasses.replace(setting, train=dataclasses.replace(setting.train, optimizer=hot)), 0)
    assert outcome.status == "diverged"
    assert outcome.reason is not None
    assert outcome.reason.startswith("on the data that the layer was to be learnt on, the training loss became")
    assert outcome.metrics == {}


def test_what_cannot_be_carried_over_is_refused_before_anything_runs() -> None:
    frozen: dict[str, Any] = {"transfer": PLAIN["transfer"] | {"freeze": True}}
    frozen["regularizer"] = {"weight": "gradient_ratio", "lambda": 1}
    with pytest.raises(InputError, match="gradient_ratio"):
        from_plain(Experiment, PLAIN | frozen, source="test")
    small = PLAIN["transfer"] | {"data": SOURCE | {"size": 20}}
    with pytest.raises(InputError, match=r"(?s)motion_tokens.*got 20"):
        from_plain(Experiment, PLAIN | {"transfer": small, "layer": {"motion": "motion_tokens"}}, source="test")
    assert isinstance(experiment(freeze=True).transfer, LearntOn)
    assert ON_SOURCE.transfer == NoTransfer()
