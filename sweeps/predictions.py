"""What a cell's model says of every validation and test video: one Parquet file for each finished cell.

::

    DIR/predictions/<hash>.parquet    clip, split, start, end, group, tags, label, scores

A row is a video. ``scores`` is a list of float32, the natural logarithm of the probability of each class; the classes'
names, the unit of start and end and the cell are in the metadata of the schema. A file takes 4 bytes for each video and
class, and some 10 to 40 for each video. It is written before the cell's record, so a finished cell has one; records of
earlier versions have none.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vmp.core.errors import InputError
from vmp.core.files import replacing
from vmp.core.outcome import Predictions

PREDICTIONS_FOLDER = "predictions"
FORMAT = "1"


@dataclass(frozen=True, kw_only=True)
class PredictedClips:
    """The videos of one split and what a cell's model says of them; entries of equal place belong together.

    Attributes:
        classes: Names by class index.
        clips: Names within the data set.
        files: The same without the part of the file that a clip is.
        labels: Class indices, int (n,).
        log_probabilities: float32 (n, classes).
    """

    classes: tuple[str, ...]
    clips: tuple[str, ...]
    files: tuple[str, ...]
    labels: NDArray[np.int64]
    log_probabilities: NDArray[np.float32]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The class with the highest score, the first of equals, as in the record's hits: int (n,)."""
        return np.asarray(self.log_probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """float64 (n, classes)."""
        return np.exp(self.log_probabilities.astype(np.float64))


def predictions_bytes(videos: int, classes: int) -> int:
    """What a file of so many videos takes at most, to some kilobytes: scores hardly compress, the other columns do."""
    return 4_000 + videos * (4 * classes + 40)


def predictions_path(folder: Path, cell: str) -> Path:
    """Where the predictions of a cell lie below a study's folder."""
    return folder / PREDICTIONS_FOLDER / f"{cell}.parquet"


def predicted_cells(folder: Path) -> set[str]:
    """The cells whose predictions lie below a study's folder."""
    return {path.stem for path in (folder / PREDICTIONS_FOLDER).glob("*.parquet")}


def write_predictions(folder: Path, cell: str, predictions: Predictions) -> None:
    """Leave a cell's predictions below a study's folder, whole or not at all."""
    import pyarrow as pa
    from pyarrow import parquet

    classes = len(predictions.classes)
    scores = np.frombuffer(base64.b64decode(predictions.scores), dtype="<f4").astype(np.float32)
    columns: dict[str, Any] = {
        "clip": pa.array(predictions.clips, pa.string()),
        "split": pa.array(predictions.splits, pa.string()),
        "start": pa.array(predictions.starts, pa.float64()),
        "end": pa.array(predictions.stops, pa.float64()),
        "group": pa.array(predictions.groups, pa.string()),
        "tags": pa.array([list(tags.items()) for tags in predictions.tags], pa.map_(pa.string(), pa.string())),
        "label": pa.array(predictions.labels, pa.int32()),
        "scores": pa.FixedSizeListArray.from_arrays(pa.array(scores), classes),
    }
    about = {"format": FORMAT, "cell": cell, "unit": predictions.unit or "", "classes": json.dumps(predictions.classes)}
    table = pa.table(columns).replace_schema_metadata(about)
    path = predictions_path(folder, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, durable=True) as temporary:
        parquet.write_table(table, temporary, compression="zstd")


def copy_predictions(source: Path, cell: str, target: Path, name: str) -> None:
    """Take a cell's predictions over, if there are any.

    Args:
        source: The folder of the study that has them.
        cell: The cell's name there.
        target: The folder of the study that takes them over.
        name: The cell's name there.
    """
    path, copied = predictions_path(source, cell), predictions_path(target, name)
    if not path.is_file() or path == copied:
        return
    copied.parent.mkdir(parents=True, exist_ok=True)
    with replacing(copied, durable=True) as temporary:
        if name == cell:
            temporary.write_bytes(path.read_bytes())
        else:
            from pyarrow import parquet

            table = parquet.read_table(path)
            about = {**(table.schema.metadata or {}), b"cell": name.encode()}
            parquet.write_table(table.replace_schema_metadata(about), temporary, compression="zstd")


def read_predictions(folder: Path, cell: str, split: Literal["val", "test"] = "test") -> PredictedClips | None:
    """The predictions of a cell for one split; None where its folder has none.

    Raises:
        InputError: The file is damaged, or holds those of another cell.
    """
    path = predictions_path(folder, cell)
    if not path.is_file():
        return None
    import pyarrow as pa
    from pyarrow import parquet

    way = "delete it, or delete the cell's record as well and run the study again"
    try:
        columns = ["clip", "start", "label", "scores"]
        table = parquet.read_table(path, columns=columns, filters=[("split", "==", split)])
        about = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        classes = tuple(json.loads(about["classes"]))
        scores = table["scores"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        clips = table["clip"].to_pylist()
        is_part = table["start"].is_valid().to_pylist()
        made = PredictedClips(
            classes=classes,
            clips=tuple(clips),
            files=tuple(clip.rpartition("/")[0] if part else clip for clip, part in zip(clips, is_part, strict=True)),
            labels=table["label"].to_numpy().astype(np.int64),
            log_probabilities=scores.reshape(-1, len(classes)).astype(np.float32, copy=False),
        )
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise InputError(f"'{path}' is damaged ({str(error).splitlines()[0]}); {way}") from error
    if about.get("format") != FORMAT or about.get("cell") != cell:
        raise InputError(f"'{path}' holds format {about.get('format')} of cell {about.get('cell')}; {way}")
    return made


def largest_gains(gains: NDArray[np.float64], number: int) -> list[int]:
    """Positions of the largest gains, falling, then of the largest losses, at most `number` of each; ties by place.

    Args:
        gains: (videos,).
        number: Of each.
    """
    order = np.argsort(-gains, kind="stable")
    won = [int(i) for i in order[:number] if gains[i] > 0]
    lost = [int(i) for i in np.argsort(gains, kind="stable")[:number] if gains[i] < 0]
    return won + lost[::-1]
