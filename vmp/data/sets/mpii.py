"""MPII Cooking 2 (Rohrbach et al., IJCV 2016): intervals of long videos, read from these videos themselves.

The usual preparation cuts every interval into a file of its own and encodes it again, which is lossy and costs days.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from vmp.core.config import config
from vmp.core.errors import InputError
from vmp.core.paths import PathText, looked_for
from vmp.data.base import SplitName
from vmp.data.interval import Interval
from vmp.data.sets.video_files import FileDataConfig, Item, Listing

MAT_FILE = "attributesAnnotations_MPII-Cooking-2.mat"
_SPLIT_FILES: dict[str, SplitName] = {
    "sequencesTrainAttr.txt": "train",
    "sequencesVal.txt": "val",
    "sequencesTest.txt": "test",
}
_CAMERA = "-cam-002"


@config
class MpiiCooking2Data(FileDataConfig):
    """MPII Cooking 2: 67 activities (those that occur in the attribute map), official train, val and test sequences.

    Frame numbers are taken as the released preparation of arXiv 2407.03179 takes them: counted from 0, the end frame
    included. The group is the subject-and-dish sequence (one long video).

    Attributes:
        kind: ``"mpii-cooking-2"``.
        path: Folder as downloaded: ``videos/<sequence>-cam-002.avi``, ``experimentalSetup/sequences*.txt`` and
            ``attributesAnnotations_MPII-Cooking-2.mat``.
    """

    kind: Literal["mpii-cooking-2"] = "mpii-cooking-2"
    path: PathText = Field(min_length=1)

    def listing(self) -> Listing:
        """Read annotation and split files.

        Raises:
            InputError: A file is missing or not of the official form.
        """
        root = Path(self.path)
        annotations = read_annotations(root / MAT_FILE)
        sequences = read_sequences(root / "experimentalSetup")
        classes = tuple(sorted({activity for activity, _, _, _ in annotations}))
        used = [row for row in annotations if row[1] in sequences]
        labels = [classes.index(activity) for activity, _, _, _ in used]
        splits = self.official_splits(
            [sequences[video] for _, video, _, _ in used],
            labels,
            [video for _, video, _, _ in used],
            where=str(root),
        )
        items = tuple(
            Item(
                id=f"{video}/{first}-{last}/{activity}",
                path=root / "videos" / f"{video}.avi",
                label=label,
                split=split,
                interval=Interval(start=first, stop=last + 1, unit="frames"),
                group=video,
                tags=(("subject", video.split("-")[0]),),
                origin=str(root / MAT_FILE),
            )
            for (activity, video, first, last), label, split in zip(used, labels, splits, strict=True)
        )
        unused = sorted({video for _, video, _, _ in annotations} - sequences.keys())
        excluded = tuple((video, "annotated, but in no split file") for video in unused)
        return Listing(name="mpii-cooking-2", classes=classes, items=items, excluded=excluded)


def read_annotations(file: Path) -> list[tuple[str, str, int, int]]:
    """``(activity, video, first frame, last frame)`` of every interval whose activity is in the attribute map.

    Equal rows (the file has some) are given once, in file order.

    Raises:
        InputError: Missing, no MATLAB 7.3 (HDF5) file, or without the official fields.
    """
    import h5py

    if not file.is_file():
        raise InputError(f"{looked_for(file)}: no such file; `path` names the folder that holds {MAT_FILE}")
    try:
        with h5py.File(file, "r") as mat:
            annos = mat["annos"]
            known = {_text(mat, reference) for reference in annos["attributeMap"][:, 0]}
            columns = [annos[name][:, 0] for name in ("activity", "fileName", "startFrame", "endFrame")]
            rows = [
                (_text(mat, activity), _text(mat, video), int(first), int(last))
                for activity, video, first, last in zip(*columns, strict=True)
            ]
    except PermissionError as error:
        raise InputError(f"{file}: may not be read ({error.strerror}); check its permissions") from error
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"{file}: is not the official annotation ({error}); download it again") from error
    rows = list(dict.fromkeys(row for row in rows if row[0] in known))
    if not rows:
        raise InputError(f"{file}: holds no activity that occurs in its attribute map")
    return rows


def read_sequences(folder: Path) -> dict[str, SplitName]:
    """``{video: split}`` from the files of the experimental setup: the first token of each line names a sequence.

    Raises:
        InputError: The train or test file is missing, or a sequence stands in two files.
    """
    splits: dict[str, SplitName] = {}
    for name, split in _SPLIT_FILES.items():
        file = folder / name
        if not file.is_file():
            if split == "val":
                continue  # carved from train instead
            raise InputError(f"{looked_for(file)}: no such file; the official experimentalSetup folder has it")
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.split():
                video = line.split()[0] + _CAMERA
                if splits.setdefault(video, split) != split:
                    raise InputError(f"{file}: {video} is also in the {splits[video]} sequences")
    return splits


def _text(mat: Any, reference: Any) -> str:
    """A MATLAB string: a reference to UTF-16 code units."""
    return bytes(mat[reference][()].astype("<u2").ravel().tobytes()).decode("utf-16-le")
