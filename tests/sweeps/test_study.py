"""Definitions and plans: YAML and Python are one, errors say what to do, a cell's name is its science."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from sweeps import cost
from sweeps.plan import arm_tasks, explain_changes, grid_tasks, make_plan
from sweeps.record import CellRecord, StudyFolder
from sweeps.study import Study, builtin_studies, load_study
from vmp.backbones.registry import BackboneConfig
from vmp.core.errors import InputError
from vmp.core.fingerprint import code_fingerprints
from vmp.data.registry import MotionData
from vmp.training.loop import TrainConfig

LAMBDA = Study(name="lambda", factors={"prompt": ("none", "control", "vmp"), "lambda": (0, 1, 10)}, seeds=(0, 1))


def test_a_factor_that_does_nothing_in_an_arm_makes_no_cells() -> None:
    arms = [factors for factors, _ in LAMBDA.arms()]
    assert arms[:2] == [{"prompt": "none", "lambda": None}, {"prompt": "control", "lambda": None}]
    assert arms[2:] == [{"prompt": "vmp", "lambda": weight} for weight in (0, 1, 10)]
    hashes = [task.hash for task in grid_tasks(LAMBDA)]
    assert len(hashes) == len(set(hashes)) == 5 * 2


def test_what_belongs_to_the_sigmoid_does_nothing_beside_another_normalisation() -> None:
    study = Study(name="x", factors={"layer.normalization": ("sigmoid", "gamma"), "m": (0.1, 0.5)})
    arms = [tuple(factors.values()) for factors, _ in study.arms()]
    assert arms == [("sigmoid", 0.1), ("sigmoid", 0.5), ("gamma", None)]


def test_parameters_for_each_point_in_time_follow_the_number_of_frames() -> None:
    factors = {"layer.sharing": ("layer", "time"), "sampling.num_frames": (4, 8)}
    maps = [experiment.layer.maps for _, experiment in Study(name="x", factors=factors).arms()]
    assert maps == [None, None, 4, 8]


def test_yaml_and_python_make_the_same_study(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(LAMBDA.to_plain()))
    assert load_study(path) == LAMBDA
    assert [t.hash for t in grid_tasks(load_study(path))] == [t.hash for t in grid_tasks(LAMBDA)]


def test_cost_is_measured_once_for_cells_that_differ_in_numbers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter(range(1, 9))
    monkeypatch.setattr(cost, "_measure", lambda experiment, device: float(next(measured)))
    factors = {"prompt": ("control", "vmp"), "layer.motion": ("frame_difference", "codec_vectors"), "lambda": (0, 1)}
    tasks = grid_tasks(Study(name="cost", factors=factors, seeds=(0, 1)))
    seconds = cost.estimate_seconds(tasks)
    assert [seconds[task.hash] for task in tasks] == [1.0] * 2 + [2.0] * 4 + [3.0] * 4


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
        ("train.epoch=3", r"'train\.epoch'; did you mean 'epochs'"),
        ("trane.epochs=3", r"'trane'; did you mean 'train'"),
        ("factors.lamda=[0]", r"factors\.lamda.*did you mean 'lambda'"),
        ("factors.train.optimizer.lrr=[0]", r"did you mean 'lr'"),
        ("factors.train=[0]", r"'train' is a section"),
        ("train.epochs=0", r"train\.epochs.*greater than or equal to 1, got 0"),
        ("train.lambda=-1", r"train\.lambda.*got -1"),
        ("factors.lambda=[0, -1]", r"lambda=-1.*greater than or equal to 0"),
        ("factors.lambda=[1, 1]", r"factors\.lambda lists a value twice"),
        ("factors.m=[0.0]", r"m = 0.*cannot be learnt"),
        ("sampling.strategy=unifrom", r"unifrom.*uniform"),
        ("backbone.name=slow_tny", r"slow_tny.*slow_tiny"),
        ("data.kind=folder", r"data\.path is required and missing"),
        ("data.kind=videos", r"data\.kind.*'manifest'"),
        ("data.sise=3", r"'data\.sise'; did you mean 'size'"),
        ("reference={lambda: 7}", r"reference \{'lambda': 7\} is none of the arms"),
        ("seeds=[]", r"seeds.*at least 1"),
        ("metric=accuracy", r"metric.*'top1'"),
        ("factors.layer.motion=[motion_tokens]", r"motion 'motion_tokens' needs .* multiples of 8, got 36. Use 40"),
        ("layer={sharing: time, maps: 7}", r"layer\.maps = 7, but sampling\.num_frames = 8 make 8 attention maps"),
        ("backbone.checkpoint=absent.pth", r"absent\.pth does not exist"),
        ("backbone.name=no_such:thing", r"cannot import 'no_such'"),
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
    settings = ["factors.lambda=[1]", "regularizer.adaptive=gradient_ratio"]
    with pytest.raises(InputError, match=r"gradient_ratio.*this layer learns none \(linear\); learn one, or use"):
        load_study("lambda", [*settings, "layer={normalization: linear}"])
    load_study("lambda", [*settings, "layer={normalization: gamma, learn_parameter: true}"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: [", "not valid YAML"),
        ("- a\n- b", "must hold a mapping"),
        ("name: x\n!!python/object/apply:os.system ['true']: 1", "not valid YAML"),
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
    study = dataclasses.replace(LAMBDA, backbone=BackboneConfig(checkpoint=weights))
    tasks = grid_tasks(study)
    assert {t.hash for t in tasks} == {t.hash for t in grid_tasks(study)}
    folder = StudyFolder(tmp_path / "study")
    folder.create()
    folder.write_plan(make_plan(study, tasks, search={"method": "grid"}))
    record = CellRecord(
        hash=tasks[0].hash, factors=tasks[0].factors, seed=0, status="complete", settings=tasks[0].settings
    )
    folder.write_cell(record)
    weights.write_bytes(b"another")
    changed = grid_tasks(study)
    assert not {t.hash for t in tasks} & {t.hash for t in changed}
    why = explain_changes(folder, make_plan(study, changed, search={"method": "grid"}), changed)
    assert why[1:] == ["the backbone's checkpoint or the source of its module changed"]


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
    plan = make_plan(LAMBDA, tasks, search={"method": "grid"})
    folder.write_plan(plan)
    for task in tasks[:3]:
        record = CellRecord(
            hash=task.hash, factors=task.factors, seed=task.seed, status="complete", settings=task.settings
        )
        folder.write_cell(record)

    def why(study: Study) -> str:
        changed = grid_tasks(study)
        return " ".join(explain_changes(folder, make_plan(study, changed, search={"method": "grid"}), changed))

    assert why(LAMBDA) == ""
    assert why(dataclasses.replace(LAMBDA, seeds=(0, 1, 2))) == ""  # more seeds cost nothing that is done
    assert "train.epochs was 8 and is now 9" in why(dataclasses.replace(LAMBDA, train=TrainConfig(epochs=9)))
    assert "the data changed" in why(dataclasses.replace(LAMBDA, data=MotionData(seed=9)))
    assert "seed 1 is no longer" in why(dataclasses.replace(LAMBDA, seeds=(0,)))


def test_what_the_seeds_can_show_is_known_before_the_run() -> None:
    assert [dataclasses.replace(LAMBDA, seeds=tuple(range(n))).smallest_p_value() for n in (1, 3, 5, 6, 8)] == [
        1.0,
        0.25,
        0.0625,
        0.03125,
        0.0078125,
    ]
    assert len(arm_tasks(LAMBDA, *next(LAMBDA.arms()))) == 2
