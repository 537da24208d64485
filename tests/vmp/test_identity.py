"""One computation, one cell: each setting of each kind changes the hash if and only if it can change a training.

The settings are found by introspection. A number or a text needs another value to compare with in `OTHERS`; a new
setting without one fails here, so that nobody can forget to say whether it matters.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import itertools
import shutil
import sys
import threading
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import numpy as np
import pytest
import torch

import vmp
from tests.vmp.data.tiny_videos import write_video
from vmp.backbones.registry import BACKBONES
from vmp.core.config import Choice, from_plain, key_of
from vmp.core.errors import InputError
from vmp.core.fingerprint import _hash_and_imports, fingerprint
from vmp.core.overrides import put
from vmp.data.registry import DATASETS, load_data
from vmp.data.sampling import SAMPLERS
from vmp.experiment import Experiment, run_experiment
from vmp.identity import canonical, code_of, identity, is_read
from vmp.layer.motion.registry import MOTIONS
from vmp.layer.normalizations import NORMALIZATIONS
from vmp.training.optim import OPTIMIZERS, RATES
from vmp.training.regularizers import REMEDIES, SCHEDULES, WEIGHTS

# class that declares the field, or None for any . field -> values to compare with the one in the base.
OTHERS: dict[str, list[Any]] = {
    "Sampler.num_frames": [5],
    "Random.rate": [2.0],
    "Random.target_fps": [12.5],
    "Dense.window": [8],
    "MotionData.train": [18],
    "MotionData.val": [12],
    "MotionData.test": [12],
    "MotionData.num_frames": [12],
    "MotionData.size": [32],
    "MotionData.radius": [5.0],
    "MotionData.speed": [[1.0, 3.0]],
    "MotionData.camera": [1.0],
    "MotionData.occluders": [1],
    "MotionData.decimation": [2],
    "MotionData.noise": [0.1],
    "MotionData.flicker": [0.1],
    "MotionData.shortcut": [0.8],
    "MotionData.test_shortcut": [-0.8],
    "MotionData.seed": [1],
    "MotionData.still": [1, 2],
    "NormalizeConfig.mean": [[0.4, 0.45, 0.45]],
    "NormalizeConfig.std": [[0.2, 0.225, 0.225]],
    "DesignedBackbone.dropout": [0.3],
    "GrayMotionConfig.channel_order": ["BGR"],
    "HighPassConfig.tau": [4.0],
    "MultiStepConfig.steps": [2, 3, 4, 5],
    "OpticalFlowConfig.full_scale": [4.0],
    "CodecVectorsConfig.full_scale": [4.0],
    "ConvStemConfig.width": [4],
    "MotionTokensConfig.width": [16],
    "MotionTokensConfig.heads": [2],
    "OneParameterConfig.value": [3.0],
    "FixedStart.m": [0.3],
    "FixedStart.n": [0.3],
    "FixedStart.slope": [20.0],
    "FixedStart.shift": [0.2],
    "PresetStart.name": ["hmdb51_drink"],
    "AugmentConfig.scale": [[1.0, 1.5]],
    "AugmentConfig.flip": [0.5],
    "AugmentConfig.brightness": [0.4],
    "AugmentConfig.contrast": [0.4],
    "AugmentConfig.saturation": [0.9],
    "AugmentConfig.hue": [0.4],
    "TrainConfig.epochs": [3],
    "TrainConfig.batch_size": [6],
    "TrainConfig.accumulate": [2],
    "Optimizer.lr": [1e-2],
    "Optimizer.prompt_lr": [1e-1],
    "Optimizer.weight_decay": [0.9],
    "Optimizer.clip_norm": [0.01],
    "Optimizer.layer_decay": [0.5],
    "SGD.momentum": [0.5],
    "LearningRate.warmup_epochs": [1.0, 2.0, 3.0],
    "SteppedRate.milestones": [[2], [3], [1, 3], [2, 1]],
    "SteppedRate.gamma": [0.5],
    "RegularizerConfig.lambda": [10.0],
    "WarmUp.share": [0.5],
    "GradientRatio.every": [1, 3],
    "GradientRatio.max_weight": [0.01],
    "Uncertainty.max_weight": [0.01],
    "StdFloor.floor": [0.3],
    "StdFloor.weight": [5.0],
    "ClosedAtRest.ceiling": [0.1],
    "ClosedAtRest.weight": [50.0],
    "TestConfig.views": [2],
}
# Settings that another test compares: they need files, or sections of their own.
ELSEWHERE = {"data", "backbone.checkpoint", "backbone.freeze", "test.crops"}
# The data that a layer was learnt on count with all their videos, also those that no figure comes from.
ELSEWHERE |= {"transfer.data.val", "transfer.data.test", "transfer.data.test_shortcut"}

# Colours and room, so that the settings of augmentation matter; few pixels, so that a training takes 50 ms.
BASE: dict[str, Any] = {
    "data": {
        "kind": "motion", "train": 12, "val": 8, "test": 8, "num_frames": 9, "size": 16, "shortcut": 0.5,
    },
    "sampling": {"kind": "random", "num_frames": 4},
    "backbone": {"kind": "cnn3d_tiny"},
    "layer": {"kind": "vmp", "normalization": {"start": {"kind": "fixed", "n": -0.3}}},  # open where nothing moves
    "train": {"epochs": 2, "batch_size": 4},
    "regularizer": {"lambda": 1.0},
}  # fmt: skip
# name -> what differs from BASE, and the sections walked there ([] for all): those whose settings may be idle.
BASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "layer": ({}, []),
    "no lambda": ({"regularizer.lambda": 0}, ["regularizer"]),
    "nothing learnt": (
        {"layer.normalization.learn_slope": False, "layer.normalization.learn_shift": False},
        ["layer", "regularizer", "train.optimizer"],
    ),
    "control": ({"layer.kind": "control"}, ["sampling", "layer", "regularizer", "train.optimizer"]),
    "none": ({"layer.kind": "none"}, ["sampling", "layer", "regularizer", "train.optimizer"]),
    "appended": ({"layer.kind": "appended"}, ["layer", "regularizer", "train.optimizer", "transfer"]),
    "learnt on other data": ({"transfer.kind": "learnt_on"}, ["transfer", "train.optimizer"]),
}
# What makes the settings of a kind matter in so short a training.
TELLING = {
    "gradient_ratio": {"regularizer.weight.every": 2},
    "maxexp": {"layer.normalization.value": 1.0},
    "sigme": {"layer.normalization.value": 1.0},
}
# (section, name of the table, its kinds): walked within the sections named last, once for each kind.
TABLES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("sampling", SAMPLERS, {}, ["sampling"]),
    ("layer.motion", MOTIONS, {"data.size": 32}, ["layer"]),
    ("layer.normalization", NORMALIZATIONS, {}, ["layer.normalization", "layer.prompted_frame", "regularizer.remedy"]),
    ("regularizer.schedule", SCHEDULES, {}, ["regularizer"]),
    ("regularizer.weight", WEIGHTS, {}, ["regularizer"]),
    ("regularizer.remedy", REMEDIES, {}, ["regularizer"]),
    ("train.optimizer", OPTIMIZERS, {}, ["train"]),
    ("train.optimizer.schedule", RATES, {}, ["train"]),
]
# What these kinds must be given.
NEEDED: dict[str, dict[str, Any]] = {
    "steps": {"milestones": [1]},
    "preset": {"name": "finegym_balance_beam"},
    "learnt_on": {"data": BASE["data"] | {"seed": 7}},
}


def made(**changes: Any) -> Experiment:
    """The base experiment with settings at dotted paths changed, kinds first as they are given."""
    plain: dict[str, Any] = {key: dict(section) for key, section in BASE.items()}
    for path, value in changes.items():
        if isinstance(value, str) and value in NEEDED:
            path, value = path.removesuffix(".kind"), {"kind": value, **NEEDED[value]}
        put(Experiment, plain, path, value)
    return from_plain(Experiment, plain, source="test")


def name_of(experiment: Experiment) -> str:
    return fingerprint(identity(experiment))


@functools.cache
def computed(experiment: Experiment) -> str:
    """Everything that a training gives: losses, figures and scores, what is reported of clips and layer."""
    torch.use_deterministic_algorithms(True)
    try:
        outcome = run_experiment(experiment, 0)
    finally:
        torch.use_deterministic_algorithms(False)
    assert outcome.status == "complete", outcome.reason
    return outcome.model_copy(update={"data": outcome.data.model_copy(update={"hash": ""})}).model_dump_json()


def others(owner: type, field: dataclasses.Field[Any], value: Any, table: dict[str, list[Any]]) -> list[Any]:
    """Values that a field may have instead: of a yes or no and of fixed words all, of numbers those in `OTHERS`."""
    annotation = owner.__pydantic_fields__[field.name].annotation  # type: ignore[attr-defined]
    if annotation is bool:
        return [not value]
    if typing.get_origin(annotation) is Literal:
        return [word for word in typing.get_args(annotation) if word != value]
    declared = next(cls for cls in reversed(owner.__mro__) if field.name in getattr(cls, "__annotations__", {}))
    name = f"{declared.__name__}.{key_of(owner, field.name)}"
    assert name in table, f"say in OTHERS with which values {name} is to be compared"
    return [other for other in table[name] if other != value]


def settings(section: Any, path: str = "", table: dict[str, list[Any]] = OTHERS) -> Iterator[tuple[str, list[Any]]]:
    """(dotted path, other values) of every setting below a section, choices of kind among them."""
    for field in dataclasses.fields(section):
        here, value = f"{path}{key_of(type(section), field.name)}", getattr(section, field.name)
        if field.name == "kind" or here in ELSEWHERE:
            continue
        info = type(section).__pydantic_fields__[field.name]
        choice = next((one for one in info.metadata if isinstance(one, Choice)), None)
        if choice is not None:
            yield f"{here}.kind", [kind for kind in choice.table if kind != value.kind]
        if dataclasses.is_dataclass(value):
            yield from settings(value, f"{here}.", table)
        elif choice is None:
            yield here, others(type(section), field, value, table)


SKIPPED_KINDS = {
    "train.precision": {"float16"},  # needs CUDA
    "sampling.kind": {"key-frame"},  # needs encoded video
    "backbone.kind": set(BACKBONES) - {"cnn3d_tiny"},  # each is built in test_kinds.py
    "layer.motion.kind": set(MOTIONS) - {"rgb_difference", "multi_step"},  # each has a base of its own below
}


def compare(base: dict[str, Any], below: list[str]) -> Iterator[str]:
    """A sentence for each setting whose hash does not say what the training says."""
    first, has_compared = made(**base), False
    start = getattr(getattr(first.layer, "normalization", None), "start", None)
    given = {"m": "slope", "slope": "m", "n": "shift", "shift": "n"}  # of each pair, one is given
    for path, values in settings(first):
        if below and not any(path == one or path.startswith(f"{one}.") for one in below):
            continue
        if getattr(start, given.get(path.rpartition(".")[2], ""), None) is not None:
            continue
        variants = {"the base": first}
        for value in values:
            if value not in SKIPPED_KINDS.get(path, ()):
                with contextlib.suppress(InputError):  # settings that do not fit each other make no cell
                    variants[f"{value!r}"] = made(**base | {path: value})
        for (one, a), (other, b) in itertools.combinations(variants.items(), 2):
            has_compared = True
            is_same_hash, is_same_result = name_of(a) == name_of(b), computed(a) == computed(b)
            if is_same_hash != is_same_result:
                what = "two cells of one computation" if is_same_result else "one cell of two computations"
                yield f"{path}: {one} and {other} make {what}"
            if not is_same_hash and not is_read(first, path):
                yield f"{path} is said to do nothing and changes the hash"
    if not has_compared:
        yield "no setting has two values that fit"


@pytest.mark.parametrize("name", BASES)
def test_every_setting_changes_the_hash_if_and_only_if_it_changes_the_training(name: str) -> None:
    assert not list(compare(*BASES[name]))


@pytest.mark.parametrize(
    ("section", "kind"), [(section, kind) for section, table, _, _ in TABLES for kind in table if kind != "key-frame"]
)
def test_every_setting_of_every_kind_changes_the_hash_if_and_only_if_it_changes_the_training(
    section: str, kind: str
) -> None:
    base, below = next((base, below) for name, _, base, below in TABLES if name == section)
    assert not list(compare(base | {f"{section}.kind": kind} | TELLING.get(kind, {}), below))


DATA_OTHERS: dict[str, list[Any]] = {
    "FileDataConfig.size": [24],
    "FileDataConfig.working_size": [16, 20],
    "FileDataConfig.val_fraction": [0.5],
    "FileDataConfig.split_seed": [1],
    "FileDataConfig.quarantine": ["quarantine.csv"],
    "FileDataConfig.longest": [0.2, 100.0],
    "FileDataConfig.frame_rate": [10.0],  # these files state theirs
    "ManifestData.path": ["moved/list.csv", "list2.csv"],
    "ManifestData.root": [".", "moved"],
    "ManifestData.path_column": ["other_path"],
    "ManifestData.label_column": ["other_label"],
    "ManifestData.group_column": ["other_group"],
    "ManifestData.split_column": ["other_split"],
    "CarvedDataConfig.test_fraction": [0.5],
    "CarvedDataConfig.fold": ["1/3", "2/3", "1/2"],
    "ManifestData.start_column": ["start"],
    "ManifestData.end_column": ["end"],
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a list of tiny wide videos, the same list at another place, and one that leaves out a video."""
    root = tmp_path_factory.mktemp("videos")
    header = "path,label,group,other_path,other_label,other_group,other_split,start,end\n"
    rows = []
    for i in range(12):
        write_video(root / f"{i}.mp4", 8, video=i, width=96)
        part = ("train", "val", "test")[i // 2 % 3]
        rows.append(
            f"{i}.mp4,{'ab'[i % 2]},source{i // 2},{11 - i}.mp4,{'ab'[i % 3 // 2]},source{i // 3},{part},0.08,0.24\n"
        )
    (root / "list.csv").write_text(header + "".join(rows))
    (root / "list2.csv").write_text(header + "".join(rows[:-1]))
    (root / "quarantine.csv").write_text("id,reason\n3.mp4,broken\n")
    shutil.copytree(root, root / "moved")
    return root


def drawn(settings: Any) -> Any:
    """All that a training can see of a data set: labels, splits, groups, names of classes, and every pixel."""
    data = load_data(settings)
    videos = [
        (v.id, v.label, v.split, v.group, v.tags, v.fps, data.read(i, np.arange(v.num_frames)).tobytes())
        for i, v in enumerate(data.videos)
    ]
    return settings.size, data.classes, videos


@pytest.mark.parametrize("kind", ["motion", "manifest"])
def test_every_setting_of_a_data_set_changes_the_hash_if_and_only_if_it_changes_the_clips(
    kind: str, manifest: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VMP_CACHE_DIR", str(tmp_path))
    monkeypatch.chdir(manifest)
    base = BASE["data"] if kind == "motion" else {"kind": kind, "path": "list.csv", "size": 16, "test_fraction": 0.3}
    first = from_plain(DATASETS[kind], base, source="test")
    for path, values in settings(first, table=OTHERS | DATA_OTHERS):
        variants = [first]
        for value in values:
            with contextlib.suppress(InputError):
                variants.append(from_plain(DATASETS[kind], base | {path: value}, source="test"))
        assert len(variants) > 1, path
        for a, b in itertools.combinations(variants, 2):
            names = [(load_data(one).fingerprint, one.size) for one in (a, b)]
            assert (names[0] == names[1]) == (drawn(a) == drawn(b)), f"{path} of {kind}: {a} and {b}"


FIXED_SLOPE = {"layer.normalization.learn_slope": False}
SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "0 and 0.0": ({"regularizer.lambda": 0}, {"regularizer.lambda": 0.0}),
    "a preset and its m and n": (
        {"layer.normalization.start": {"kind": "preset", "name": "hmdb51_drink"}},
        {"layer.normalization.start": {"kind": "fixed", "m": 0.2646, "n": -0.6615}},
    ),
    "a slope and its m": (
        {"layer.normalization.start": {"kind": "fixed", "slope": 50.0, "shift": 0.0}} | FIXED_SLOPE,
        {"layer.normalization.start": {"kind": "fixed", "m": 0.0, "n": 0.0}} | FIXED_SLOPE,
    ),
    "no dropout and the default": ({"backbone.dropout": 0.0}, {"backbone.dropout": None}),
    "no regulariser and one that does nothing": ({"regularizer": None}, {"regularizer": {"lambda": 0}}),
    "the rate of m and n and that of all": ({"train.optimizer.prompt_lr": 1e-3}, {"train.optimizer.prompt_lr": None}),
    "the default radius": ({"data.radius": 0.22 * 16}, {"data.radius": None}),
    "the shortcut of training in test": ({"data.test_shortcut": 0.5}, {"data.test_shortcut": None}),
    "an order of milestones": (
        {"train.optimizer.schedule": {"kind": "steps", "milestones": [2, 1]}},
        {"train.optimizer.schedule": {"kind": "steps", "milestones": [1, 2]}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_two_spellings_of_one_computation_have_one_hash_and_one_result(name: str) -> None:
    first, second = (made(**changes) for changes in SAME[name])
    assert name_of(first) == name_of(second)
    assert computed(first) == computed(second)
    assert name_of(canonical(first)) == name_of(first)
    assert computed(canonical(first)) == computed(first)


PACKAGE = Path(vmp.__file__).parent


def _executed(run: Callable[[], object]) -> set[str]:
    """The modules of this package of which a function ran, in any thread; importing a module runs none."""
    files: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        del argument
        if event == "call" and frame.f_code.co_flags & inspect.CO_NEWLOCALS and frame.f_code.co_name != "<module>":
            files.add(frame.f_code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    inside = [Path(file).relative_to(PACKAGE.parent) for file in files if Path(file).is_relative_to(PACKAGE)]
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in inside}


@pytest.mark.parametrize(
    ("settings", "unused"),
    [
        ({}, "vmp.layer.motion.optical_flow"),
        ({"layer": "control", "backbone": "cnn3d_tiny"}, "vmp.backbones.pytorchvideo"),
        ({"layer": {"kind": "vmp", "motion": "conv_stem"}, "backbone": "cnn3d_tiny"}, "vmp.layer.motion.codec"),
        ({"layer": {"kind": "vmp", "motion": "compensated_difference"}}, "vmp.data.sets.video_files"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_the_code_of_a_cell_is_all_that_it_runs_and_no_kind_beside(settings: dict[str, Any], unused: str) -> None:
    data = {"kind": "motion", "train": 16, "val": 8, "test": 8}
    plain = {"data": data, "train": {"epochs": 1}, **settings}
    experiment = from_plain(Experiment, plain, source="test")
    load_data(experiment.data)  # reading annotations shows in the fingerprint of the data
    code = code_of(experiment)
    ran = _executed(lambda: run_experiment(experiment, 0))
    assert {"vmp.experiment", "vmp.training.loop", "vmp.data.sets.embedded"} <= ran
    assert ran <= set(code) | {"vmp"}
    assert unused not in code


def test_a_layer_that_learns_nothing_counts_no_code_of_data_to_learn_on(manifest: Path) -> None:
    videos = {"kind": "manifest", "path": str(manifest / "list.csv"), "size": 16}
    plain = BASE | {"transfer": {"kind": "learnt_on", "data": videos}}
    assert "vmp.data.sets.video_files" in code_of(from_plain(Experiment, plain, source="test"))
    control = from_plain(Experiment, plain | {"layer": "control"}, source="test")
    assert code_of(control) == code_of(canonical(control)), "planned from the one, computed from the other"


def test_the_code_of_a_cell_on_videos_decodes_and_reads_no_annotations(manifest: Path) -> None:
    data = {"kind": "manifest", "path": str(manifest / "list.csv"), "size": 32}
    sampling = {"kind": "uniform", "num_frames": 4}
    plain = {"data": data, "sampling": sampling, "train": {"epochs": 1}, "backbone": "cnn3d_tiny"}
    experiment = from_plain(Experiment, plain, source="test")
    load_data(experiment.data)
    code = code_of(experiment)
    ran = _executed(lambda: run_experiment(experiment, 0))
    assert "vmp.data.sets.video_files" in ran
    assert "vmp.video.decoding" in code
    assert ran <= set(code) | {"vmp"}
    assert not {"vmp.data.sets.manifest", "vmp.data.sets.embedded"} & set(code)


def test_comments_and_layout_are_no_code(tmp_path: Path) -> None:
    def digits(name: str, text: str) -> str:
        path = tmp_path / f"{fingerprint(text)}-{name}"
        path.write_text(text)
        return _hash_and_imports(path)[0]

    assert digits("a.py", 'def f():\n    """One."""\n    return 1\n') == digits(
        "a.py", "def f():  # two\n    return 1\n"
    )
    assert digits("a.py", "def f():\n    return 1\n") != digits("a.py", "def f():\n    return 2\n")
    plain = 'int f(void) { return g("/* no comment */"); }\n'
    assert digits("a.c", f"// One.\n/* Two\n lines */\n{plain}") == digits("a.c", plain)
    assert digits("a.c", plain.replace("no comment", "other text")) != digits("a.c", plain)
