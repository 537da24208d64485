"""Definitions and plans: YAML and Python are one, errors say what to do, a cell's name is its science."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from sweeps import cost
from sweeps.plan import explain_changes, grid_tasks, make_plan
from sweeps.records.cell_record import CellRecord, Provenance
from sweeps.records.study_folder import StudyFolder
from sweeps.study import Study
from sweeps.study_files import builtin_studies, load_study
from tests.vmp.data.tiny_videos import write_video
from vmp.backbones.registry import BACKBONES
from vmp.core.config import from_plain, to_plain
from vmp.core.errors import InputError
from vmp.core.fingerprint import code_fingerprints
from vmp.data.registry import MotionData, load_data
from vmp.experiment import Experiment
from vmp.training.loop import TrainConfig

OLD = Path(__file__).parent / "studies_of_0_1_0"
LAMBDA = Study(name="lambda", factors={"prompt": ("none", "control", "vmp"), "lambda": (0, 1, 10)}, seeds=(0, 1))


def test_a_factor_that_does_nothing_in_an_arm_makes_no_cells() -> None:
    arms = [factors for factors, _ in LAMBDA.arms()]
    assert arms[:2] == [{"prompt": "none", "lambda": None}, {"prompt": "control", "lambda": None}]
    assert arms[2:] == [{"prompt": "vmp", "lambda": weight} for weight in (0, 1, 10)]
    hashes = [task.hash for task in grid_tasks(LAMBDA)]
    assert len(hashes) == len(set(hashes)) == 5 * 2


def test_what_belongs_to_the_sigmoid_does_nothing_beside_another_normalisation() -> None:
    study = Study(name="x", factors={"normalization": ("sigmoid", "gamma"), "m": (0.1, 0.5)})
    arms = [tuple(factors.values()) for factors, _ in study.arms()]
    assert arms == [("sigmoid", 0.1), ("sigmoid", 0.5), ("gamma", None)]


def test_a_factor_over_kinds_drops_what_a_kind_does_not_read() -> None:
    study = Study(
        name="x",
        factors={"sampling": ("uniform", "random", "dense"), "sampling.rate": (1, 2)},
        sampling={"kind": "random", "num_frames": 4, "target_fps": 25},  # type: ignore[arg-type]
    )
    arms = [(tuple(factors.values()), to_plain(experiment.sampling)) for factors, experiment in study.arms()]
    assert [factors for factors, _ in arms] == [("uniform", None), ("random", 1), ("random", 2), ("dense", None)]
    assert arms[0][1] == {"kind": "uniform", "num_frames": 4}
    assert (arms[1][1]["rate"], arms[1][1]["target_fps"]) == (1, 25)
    assert (arms[3][1]["num_frames"], arms[3][1]["window"]) == (4, 64)


def test_a_factor_that_no_arm_reads_is_said_and_a_value_twice_is_an_error() -> None:
    notes: list[str] = []
    load_study("lambda", ["factors.prompt=[control]", "factors.sampling.window=[32, 64]"], note=notes.append)
    assert notes == [
        "the factor lambda does nothing: no kind in any arm reads regularizer.lambda",
        "the factor sampling.window does nothing: no kind in any arm reads sampling.window",
    ]
    with pytest.raises(ValueError, match="lists a value twice"):
        Study(name="x", factors={"lambda": (0, 0.0)})


def test_two_spellings_of_one_computation_are_one_arm() -> None:
    preset = {"normalization": {"start": {"kind": "preset", "name": "authors_code"}}}
    starts = {"layer.normalization.start.kind": ("fixed", "preset")}
    study = Study(name="x", factors=starts, layer=preset)  # type: ignore[arg-type]
    assert [f for f, _ in study.arms()] == [{"layer.normalization.start.kind": "fixed"}]  # m = 0.1, n = 0
    same = {"lambda": (0, 1), "regularizer.schedule.kind": ("constant", "cosine")}
    assert [tuple(f.values()) for f, _ in Study(name="x", factors=same).arms()] == [
        (0, None),
        (1, "constant"),
        (1, "cosine"),
    ]


def test_data_at_another_place_are_the_same_data(tmp_path: Path) -> None:
    for label in ("left", "right"):
        for number in range(8):
            write_video(tmp_path / "here" / label / f"{number}.mp4", 8, video=number)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    hashes = []
    for place in ("here", "there"):
        data = {"kind": "folder", "path": str(tmp_path / place), "size": 32}
        study = Study(name="x", factors={"prompt": ("control",)}, data=data, sampling={"num_frames": 4})  # type: ignore[arg-type]
        hashes.append([task.hash for task in grid_tasks(study)])
    assert hashes[0] == hashes[1]


def test_yaml_and_python_make_the_same_study(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps(LAMBDA.to_plain()))
    assert load_study(path) == LAMBDA
    assert [t.hash for t in grid_tasks(load_study(path))] == [t.hash for t in grid_tasks(LAMBDA)]


def test_cost_is_measured_once_for_cells_that_differ_in_numbers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter(range(1, 9))
    whole = cost.Learning(kind="slow_tiny", freeze="none", parameters=1, trainable=1)

    def made(seconds: float) -> cost._Measured:
        return cost._Measured(seconds=seconds, first=10 * seconds, memory=10**9, device_memory=None, learning=whole)

    monkeypatch.setattr(cost, "_measure", lambda experiment, opened, runtime: made(float(next(measured))))
    monkeypatch.setattr(cost, "_import_seconds", lambda: 5.0)
    factors = {"prompt": ("control", "vmp"), "motion": ("frame_difference", "codec_vectors"), "lambda": (0, 1)}
    tasks = grid_tasks(Study(name="cost", factors=factors, seeds=(0, 1)))
    estimate = cost.estimate_cost(tasks)
    assert [estimate.seconds[task.hash] for task in tasks] == [1.0] * 2 + [2.0] * 4 + [3.0] * 4
    assert estimate.start == 5 + 30, "imports and the slowest warm-up"
    assert estimate.wall_seconds(tasks, 1) == 35 + 2 + 8 + 12
    assert estimate.wall_seconds(tasks, 3) == 35 + 9, "by hand: 1 2 3 3, 1 2 3 and 2 2 3 seconds, each taking the next"
    with pytest.raises(InputError, match=r"--workers 10000000: each holds about 1 GB.*use --workers \d+ at most"):
        cost.refuse_too_much(estimate, 10_000_000)


def test_cost_opens_each_data_set_once_and_says_what_it_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[MotionData] = []
    load, steps = MotionData.load, list[tuple[int, int, str]]()
    monkeypatch.setattr(MotionData, "load", lambda data: opened.append(data) or load(data))  # type: ignore[func-returns-value]
    study = Study(
        name="counted",
        factors={"prompt": ("control", "vmp"), "sampling": ("uniform", "random"), "data.noise": (0, 0.01, 0.03)},
        data={"kind": "motion", "train": 12, "val": 12, "test": 12, "size": 16},  # type: ignore[arg-type]
        backbone="cnn3d_tiny",  # type: ignore[arg-type]
        train={"epochs": 1, "batch_size": 12},  # type: ignore[arg-type]
    )
    tasks = grid_tasks(study)
    for task in tasks:
        load_data(from_plain(Experiment, task.settings, source="test").data)  # as planning has done
    opened.clear()
    estimate = cost.estimate_cost(tasks, progress=lambda *step: steps.append(step))
    assert [data.noise for data in opened] == [0, 0.01, 0.03]
    assert estimate.seconds.keys() == {task.hash for task in tasks}
    assert [done for done, _, what in steps if what.startswith("training")] == list(range(12))
    assert [done for done, _, what in steps if what.startswith("opening the data set motion for")] == [0, 4, 8]
    assert steps[-1] == (11, 12, "training a few steps of prompt=vmp sampling=random data.noise=0.03")


@pytest.mark.parametrize("name", builtin_studies())
def test_built_in_studies_load_and_ask_their_question(name: str) -> None:
    study = load_study(name)
    assert study.question.endswith("?")
    assert {"lambda", "init", "sampling"} <= set(builtin_studies())
    assert len(list(study.arms())) > 2


def test_overrides() -> None:
    changed = load_study(
        "lambda", ["train.epochs=2", "factors.lambda=[0, 5]", "seeds=[7]", "factors.train.optimizer.lr=[0.1]"]
    )
    assert changed.train.epochs == 2
    assert changed.seeds == (7,)
    assert [f["lambda"] for f, _ in changed.arms()] == [None, None, 0, 5]
    assert all(e.train.optimizer.lr == 0.1 for _, e in changed.arms())
    assert "lambda" not in load_study("lambda", ["factors.lambda=null"]).factors
    # another kind of data starts its section anew, whatever the order of the options
    assert load_study("lambda", ["data.path=clips.csv", "data.kind=manifest"]).data.kind == "manifest"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", r"train\.epoch is an unknown key; did you mean 'epochs'"),
        ("trane.epochs=3", r"trane is an unknown key; did you mean 'train'"),
        ("factors.lamda=[0]", r"factors\.lamda.*did you mean 'lambda'"),
        ("factors.train.optimizer.lrr=[0]", r"did you mean 'lr'"),
        ("factors.train=[0]", r"train must be a mapping of keys to values, got 0"),
        ("train.epochs=0", r"train\.epochs.*greater than or equal to 1, got 0"),
        ("regularizer.lambda=-1", r"regularizer\.lambda.*got -1"),
        ("factors.lambda=[0, -1]", r"lambda=-1.*greater than or equal to 0"),
        ("factors.lambda=[1, 1]", r"factors\.lambda lists a value twice"),
        ("factors.m=[0.0]", r"m = 0.*cannot be learnt"),
        ("sampling.kind=unifrom", r"sampling\.kind: unknown sampler 'unifrom'. Did you mean 'uniform'"),
        ("backbone.kind=slow_tny", r"slow_tny.*slow_tiny"),
        ("sampling.num_frames=1", r"sampling\.num_frames = 1 makes a single map; sample at least 2 frames"),
        ("sampling.window=32", r"sampling\.window is read by dense alone: set sampling\.kind"),
        ("train.epochs=[1, 2]", r"train\.epochs must be a whole number, got \[1, 2\]"),
        ("data.speed=3", r"data\.speed must be a list of 2 numbers, got 3"),
        ("data.kind=folder", r"data\.path is required and missing"),
        ("data.kind=videos", r"data\.kind: unknown data set 'videos'.*manifest"),
        ("data.sise=3", r"data\.sise is an unknown key; did you mean 'size'"),
        ("reference={lambda: 7}", r"reference \{lambda: 7\} is none of the arms"),
        ("seeds=[]", r"seeds.*at least 1"),
        ("metric=accuracy", r"metric.*'top1'"),
        ("factors.motion=[motion_tokens]", r"motion 'motion_tokens' needs .* multiples of 8, got 36. Use 40"),
        ("backbone.checkpoint=absent.pth", r"absent\.pth \(in .*\) does not exist"),
        ("backbone={kind: custom, factory: no_such:thing}", r"cannot import 'no_such'"),
        ("train.epochs", r"must be key=value"),
        ("train.epochs=[", r"not valid YAML"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_way_out(override: str, message: str) -> None:
    size = ["data.size=36"] if "motion_tokens" in override else []
    with pytest.raises(InputError, match=message) as error:
        load_study("lambda", [override, *size])
    assert "\n" not in str(error.value)


def test_a_gradient_ratio_needs_an_attention_that_learns() -> None:
    settings = ["factors.lambda=[1]", "regularizer.weight=gradient_ratio"]
    with pytest.raises(InputError, match=r"gradient_ratio.*this layer learns none; learn one, or use"):
        load_study("lambda", [*settings, "layer={normalization: linear}"])
    load_study("lambda", [*settings, "layer={normalization: {kind: gamma, learn: true}}"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: [", "not valid YAML"),
        ("- a\n- b", "must hold a mapping"),
        ("name: x\n!!python/object/apply:os.system ['true']: 1", "not valid YAML"),
        ("name: x\nseeds: [0]\nseeds: [1]", "the key 'seeds' is given twice"),
    ],
)
def test_a_study_file_that_is_none(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        load_study(path)
    with pytest.raises(InputError, match="built-in studies"):
        load_study("lamda")
    with pytest.raises(InputError, match="No such file"):
        load_study(tmp_path / "absent.yaml")


def test_a_hash_names_the_science_and_nothing_else() -> None:
    def first(study: Study) -> str:
        return grid_tasks(study)[0].hash

    base = first(LAMBDA)
    assert base == first(dataclasses.replace(LAMBDA, name="other", question="?", seeds=(0, 5), margin=0.1))
    assert base == first(dataclasses.replace(LAMBDA, factors={"prompt": ("none",)}))
    assert base != first(dataclasses.replace(LAMBDA, seeds=(1,)))
    assert base != first(dataclasses.replace(LAMBDA, train=TrainConfig(epochs=9)))
    assert base != first(dataclasses.replace(LAMBDA, data=MotionData(seed=9)))


def test_a_hash_follows_the_weights_that_a_cell_starts_from(tmp_path: Path) -> None:
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"one")
    study = dataclasses.replace(LAMBDA, backbone=BACKBONES["slow_tiny"](checkpoint=weights))
    tasks = grid_tasks(study)
    assert {t.hash for t in tasks} == {t.hash for t in grid_tasks(study)}
    folder = StudyFolder(tmp_path / "study")
    folder.create()
    folder.write_plan(make_plan(study, tasks))
    record = CellRecord(
        hash=tasks[0].hash,
        factors=tasks[0].factors,
        seed=0,
        status="complete",
        settings=tasks[0].settings,
        provenance=Provenance(engine="local"),
    )
    folder.write_cell(record)
    weights.write_bytes(b"another")
    changed = grid_tasks(study)
    assert not {t.hash for t in tasks} & {t.hash for t in changed}
    why = explain_changes(folder, make_plan(study, changed), changed)
    assert why[1:] == ["the backbone's checkpoint or the source of a part of your own changed"]


@pytest.mark.parametrize("old", sorted(OLD.iterdir()), ids=lambda path: path.stem)
def test_study_files_of_the_first_release_keep_working(old: Path) -> None:
    notes: list[str] = []
    study, now = load_study(old, note=notes.append), load_study(old.stem)
    assert [to_plain(e) for _, e in study.arms()] == [to_plain(e) for _, e in now.arms()]
    assert any("backbone.name is now written backbone.kind" in note for note in notes)
    notes.clear()
    load_study("lambda", ["backbone.name=slow_tiny", "factors.regularizer.remedy=[none, relative]"], note=notes.append)
    assert notes == [
        "--set backbone.name is now written backbone.kind",
        "built-in study 'lambda': the factor regularizer.remedy is now called regularizer.remedy.kind",
    ]


def test_a_sampler_of_ones_own_is_a_value_of_a_factor_beside_a_section_without_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "last_frames.py").write_text(
        "from vmp.core.config import config\n"
        "from vmp.data.sampling import Uniform\n"
        "@config\n"
        "class Last(Uniform):\n"
        "    kind: str = 'last_frames:Last'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "own.yaml"
    path.write_text("name: own\nfactors: {sampling: [uniform, 'last_frames:Last']}\nsampling: {num_frames: 4}\n")
    kinds = [experiment.sampling.kind for _, experiment in load_study(path).arms()]
    assert kinds == ["uniform", "last_frames:Last"]


def test_what_old_files_said_in_other_words_is_translated(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(
        "name: old\n"
        "factors: {lambda: [1], regularizer.adaptive: [none, uncertainty]}\n"
        "sampling: {strategy: dense, num_frames: 4, window: 32, rate: 2}\n"
        "layer: {preset: hmdb51_drink, compensation: translation, channel_order: BGR, learn_slope: false}\n"
        "train: {optimizer: {name: sgd, momentum: 0.8, schedule: steps, milestones: [3], warmup_epochs: 0}}\n"
        "regularizer: {schedule: warmup, warmup: 0.5, remedy: closed_at_rest, rest_ceiling: 0.4, spread_floor: 0.1}\n"
    )
    notes: list[str] = []
    study = load_study(path, note=notes.append)
    plain = to_plain(study, defaults=False)
    assert plain["sampling"] == {"kind": "dense", "num_frames": 4, "window": 32}
    assert plain["layer"]["motion"] == {"kind": "compensated_difference", "channel_order": "BGR"}
    assert plain["layer"]["normalization"]["start"] == {"kind": "preset", "name": "hmdb51_drink"}
    assert plain["train"]["optimizer"] == {
        "kind": "sgd",
        "momentum": 0.8,
        "schedule": {"kind": "steps", "milestones": [3], "warmup_epochs": 0},
    }
    assert plain["regularizer"] == {
        "schedule": {"kind": "warmup", "share": 0.5},
        "remedy": {"kind": "closed_at_rest", "ceiling": 0.4},
    }
    assert study.factors == {"lambda": (1,), "regularizer.weight.kind": ("fixed", "uncertainty")}
    assert any("sampling.rate did nothing for the sampler 'dense'" in note for note in notes)
    assert any("regularizer.spread_floor did nothing here" in note for note in notes)


def test_code_that_computes_a_cell_is_hashed_and_code_that_draws_is_not() -> None:
    modules = code_fingerprints()
    assert {
        "vmp.layer.base",
        "vmp.layer.functional",
        "vmp.training.loop",
        "vmp.data.sampling",
        "vmp.data.sets.embedded",
        "vmp.core.seeding",
    } <= set(modules)
    assert not {"vmp.cli", "vmp.__main__"} & set(modules)


def test_why_finished_cells_are_not_used_is_said(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    folder.create()
    tasks = grid_tasks(LAMBDA)
    plan = make_plan(LAMBDA, tasks)
    folder.write_plan(plan)
    for task in tasks[:3]:
        record = CellRecord(
            hash=task.hash,
            factors=task.factors,
            seed=task.seed,
            status="complete",
            settings=task.settings,
            provenance=Provenance(engine="local"),
        )
        folder.write_cell(record)

    def why(study: Study) -> str:
        changed = grid_tasks(study)
        return " ".join(explain_changes(folder, make_plan(study, changed), changed))

    assert why(LAMBDA) == ""
    assert why(dataclasses.replace(LAMBDA, seeds=(0, 1, 2))) == ""  # more seeds cost nothing that is done
    assert "train.epochs was 8 and is now 9" in why(dataclasses.replace(LAMBDA, train=TrainConfig(epochs=9)))
    assert "the data changed" in why(dataclasses.replace(LAMBDA, data=MotionData(seed=9)))
    assert "seed 1 is no longer" in why(dataclasses.replace(LAMBDA, seeds=(0,)))
