"""What a cell's model says of each video: written before the record, and the same hits as in it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from sweeps.predictions import (
    copy_predictions,
    predictions_bytes,
    predictions_path,
    read_predictions,
    write_predictions,
)
from sweeps.records.cell_record import CellRecord
from sweeps.records.study_folder import StudyFolder
from sweeps.run import run_study
from sweeps.study import Study
from tests.sweeps.staged import small_study
from vmp.core.errors import InputError
from vmp.core.outcome import Predictions
from vmp.data.registry import load_data
from vmp.experiment import Runtime

CPU = Runtime(device="cpu")
CELL = "0123456789abcdef"


def study(*overrides: str) -> Study:
    return small_study("factors.prompt=[control, vmp]", "factors.lambda=[1]", "train.select=best_val", *overrides)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("predicted")
    run_study(study(), out, runtime=CPU)
    return out


def records(out: Path) -> list[CellRecord]:
    folder = StudyFolder(out)
    return list(folder.records(folder.read_plan()))


def test_hits_by_class_are_those_of_the_record(finished: Path) -> None:
    data = load_data(study().data)
    assert len(records(finished)) == 4
    for record in records(finished):
        for split in ("val", "test"):
            made = read_predictions(finished, record.hash, split)
            assert made is not None
            of_split = [video for video in data.videos if video.split == split]
            assert made.clips == tuple(video.id for video in of_split)
            assert made.labels.tolist() == [video.label for video in of_split]
            assert made.classes == data.classes
            hits = [(int((made.predicted[made.labels == i] == i).sum()), int((made.labels == i).sum()))
                    for i in range(len(made.classes))]  # fmt: skip
            assert hits == [(one.correct, one.total) for one in record.scores[split].classes]
            loss = -made.log_probabilities[np.arange(len(made.labels)), made.labels].mean()
            assert loss == pytest.approx(record.metrics[f"{split}_loss"], rel=1e-5)
            assert made.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_record_is_never_there_without_its_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the two files, the sweep computes the cell again."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StudyFolder, "write_cell", die)
        with pytest.raises(KeyboardInterrupt):
            run_study(study("seeds=[0]"), tmp_path, runtime=CPU)
    assert len(list((tmp_path / "predictions").iterdir())) == 1
    assert not list((tmp_path / "cells").iterdir())
    run_study(study("seeds=[0]"), tmp_path, runtime=CPU)
    names = {path.stem for path in (tmp_path / "cells").glob("*.json")}
    assert names == {path.stem for path in (tmp_path / "predictions").iterdir()}
    assert len(names) == 2


def test_reused_cells_bring_their_predictions_and_older_ones_have_none(finished: Path, tmp_path: Path) -> None:
    (first, *others) = records(finished)
    copied = tmp_path / "earlier"
    StudyFolder(copied).create()
    StudyFolder(copied).write_plan(StudyFolder(finished).read_plan())
    for record in records(finished):
        StudyFolder(copied).write_cell(record)
        if record.hash != first.hash:  # the first cell is one of an earlier version
            copy_predictions(finished, record.hash, copied, record.hash)
    run_study(study(), tmp_path / "new", runtime=CPU, reuse=[copied])
    assert {record.provenance.reused_from for record in records(tmp_path / "new")} == {str(copied)}
    assert read_predictions(tmp_path / "new", first.hash) is None
    for record in others:
        of_both = (predictions_path(out, record.hash).read_bytes() for out in (finished, tmp_path / "new"))
        assert len(set(of_both)) == 1


def test_a_file_is_read_by_pandas_alone(tmp_path: Path) -> None:
    """Start, end, group and tags of a clip that is a part of a file; a class called like a column."""
    scores = np.log(np.array([[0.25, 0.75], [0.5, 0.5]], dtype="<f4"))
    made = Predictions(
        classes=["label", "Läufe"],
        clips=["a.mp4/1-2.5", "b.mp4"],
        splits=["val", "test"],
        starts=[1.0, None],
        stops=[2.5, None],
        unit="seconds",
        groups=["a", None],
        tags=[{"camera": "moving"}, {}],
        labels=[1, 0],
        scores=base64.b64encode(scores.tobytes()).decode(),
    )
    write_predictions(tmp_path, CELL, made)
    table = pd.read_parquet(predictions_path(tmp_path, CELL))
    assert table["clip"].tolist() == ["a.mp4/1-2.5", "b.mp4"]
    assert (table["start"][0], table["end"][0], np.isnan(table["start"][1])) == (1.0, 2.5, True)
    assert dict(table["tags"][0]) == {"camera": "moving"}
    assert np.stack(table["scores"]).dtype == np.float32
    assert np.array_equal(np.stack(table["scores"]), scores)
    metadata = parquet.read_schema(predictions_path(tmp_path, CELL)).metadata
    assert json.loads(metadata[b"classes"]) == ["label", "Läufe"]
    assert (metadata[b"unit"], metadata[b"cell"]) == (b"seconds", CELL.encode())
    first = predictions_path(tmp_path, CELL).read_bytes()
    write_predictions(tmp_path, CELL, made)
    assert predictions_path(tmp_path, CELL).read_bytes() == first
    assert len(first) <= predictions_bytes(2, 2)
    copy_predictions(tmp_path, CELL, tmp_path, CELL[::-1])  # as a cell of other code that is accepted for this one
    copied, read = (read_predictions(tmp_path, cell) for cell in (CELL[::-1], CELL))
    assert copied is not None
    assert read is not None
    assert (copied.clips, copied.files) == (read.clips, read.files) == (("b.mp4",), ("b.mp4",))
    val = read_predictions(tmp_path, CELL, "val")
    assert val is not None
    assert (val.clips, val.files) == (("a.mp4/1-2.5",), ("a.mp4",))


def test_a_damaged_file_is_one_sentence(finished: Path, tmp_path: Path) -> None:
    first, second, *_ = records(finished)
    target = predictions_path(tmp_path, first.hash)
    target.parent.mkdir()
    target.write_bytes(predictions_path(finished, first.hash).read_bytes()[:-40])
    with pytest.raises(InputError, match=rf"{first.hash}\.parquet' is damaged"):
        read_predictions(tmp_path, first.hash)
    target.write_bytes(predictions_path(finished, second.hash).read_bytes())
    with pytest.raises(InputError, match=f"format 1 of cell {second.hash}"):
        read_predictions(tmp_path, first.hash)
    with pytest.raises(ValueError, match="one float32 for each video and class"):
        Predictions(classes=["a"], clips=["x"], splits=["val"], starts=[None], stops=[None], groups=[None], tags=[{}],
                    labels=[0], scores="")  # fmt: skip


def test_half_precision_without_cuda_is_refused_before_the_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="float16 needs CUDA"):
        run_study(study("train.precision=float16"), tmp_path / "new", runtime=CPU)
    with pytest.raises(InputError, match="--compile and --gradient-checkpointing do not go together"):
        run_study(study(), tmp_path / "new", runtime=Runtime(compile=True, gradient_checkpointing=True))
    assert not (tmp_path / "new").exists()
