"""Every entry of every table trains a small cell from a study file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeps.executors.base import Event, Executor, Resources
from sweeps.executors.registry import make_executor
from sweeps.plan import grid_tasks
from sweeps.records.cell_record import CellRecord
from sweeps.study_files import load_study
from vmp.backbones.registry import BACKBONES
from vmp.core.presets import PRESETS
from vmp.data.sampling import SAMPLERS
from vmp.experiment import Runtime
from vmp.layer.motion.registry import MOTIONS
from vmp.layer.normalizations import NORMALIZATIONS
from vmp.training.optim import OPTIMIZERS
from vmp.training.regularizers import REMEDIES, SCHEDULES, WEIGHTS

SMALL_BACKBONES = [name for name in BACKBONES if name.endswith("_tiny")]
STUDIES: dict[str, dict[str, list[Any]]] = {
    "normalization": {"normalization": list(NORMALIZATIONS)},
    "motion": {"motion": list(MOTIONS)},
    "preset": {"layer.normalization.start.name": list(PRESETS)},
    "signed": {"layer.normalization.signed": [True, False], "layer.prompted_frame": ["later", "earlier"]},
    "sharing": {
        "layer.normalization.sharing": ["layer", "channel", "time"],
        "layer.normalization.learn_slope": [True, False],
    },
    "weight": {"regularizer.weight.kind": list(WEIGHTS), "lambda": [1]},
    "schedule": {"regularizer.schedule.kind": list(SCHEDULES), "lambda": [1]},
    "remedy": {"remedy": list(REMEDIES), "lambda": [1]},
    "sampling": {"sampling": [name for name in SAMPLERS if name != "key-frame"]},  # which needs encoded video
    "length": {"data.num_frames": [9, 30]},
    "precision": {"train.precision": ["float32", "bfloat16"]},
    "optimizer": {"train.optimizer.kind": list(OPTIMIZERS), "train.optimizer.schedule.kind": ["constant", "cosine"]},
    "backbone": {"backbone": SMALL_BACKBONES},
}

# of lambda, over the two batches of the one epoch: they start at 0 and at 1/2 of the training
MEAN_SHARE = {"constant": 1, "warmup": 0.5, "cosine": 0.75, "linear": 0.75}


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """One worker for all studies: torch is imported once."""
    folder = tmp_path_factory.mktemp("worker")
    resources = Resources(
        workers=1, runtime=Runtime(device="cpu"), checkpoints=folder / "checkpoints", logs=folder / "logs"
    )
    with make_executor("local", resources) as made:
        yield made


@pytest.mark.parametrize("name", STUDIES)
def test_every_entry_trains_from_a_study_file(name: str, executor: Executor, tmp_path: Path) -> None:
    definition: dict[str, Any] = {
        "name": name,
        "factors": STUDIES[name],
        "seeds": [0],
        "data": {"kind": "motion", "train": 12, "val": 6, "test": 6, "num_frames": 9, "size": 32},
        "sampling": {"num_frames": 8},
        "backbone": "cnn3d_tiny",
        "train": {"epochs": 1, "batch_size": 6},
        "regularizer": {"lambda": 0.1},
    }
    if name == "preset":
        definition["layer"] = {"normalization": {"start": {"kind": "preset", "name": "authors_code"}}}
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(definition))  # every JSON text is YAML
    tasks, events = grid_tasks(load_study(path)), list[Event]()
    executor.run(tasks, events.append)
    records = [event for event in events if isinstance(event, CellRecord)]
    assert [record.reason for record in records] == [None] * len(tasks)
    for record in records:
        assert record.metrics["variation"] >= 0  # type: ignore[operator]
        regularizer: Any = record.settings["regularizer"]
        if regularizer["weight"]["kind"] == "fixed":
            share = MEAN_SHARE[regularizer["schedule"]["kind"]]
            assert record.curves["lambda"] == pytest.approx([share * regularizer["lambda"]])


def test_the_table_of_studies_covers_the_backbones() -> None:
    families = {name.split("_")[0] for name in BACKBONES if name != "custom"}
    assert {name.split("_")[0] for name in SMALL_BACKBONES} == families, "a family has no small configuration"
