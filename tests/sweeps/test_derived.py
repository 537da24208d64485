"""Definitions that extend others, and their sizes: what changes, what stays, and what is said of a wrong one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sweeps.study import Study
from sweeps.study_files import builtin_studies, load_study, study_sizes
from vmp.core.config import to_plain
from vmp.core.errors import InputError


def written(folder: Path, file: str, /, **plain: Any) -> Path:
    path = folder / f"{file}.yaml"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(plain))
    return path


def changed_from(base: Study, study: Study) -> dict[str, Any]:
    before, after = to_plain(base), to_plain(study)
    return {key: after[key] for key in after if after[key] != before[key]}


def test_sections_change_key_by_key_and_all_else_is_replaced(tmp_path: Path) -> None:
    base = load_study("lambda")
    child = written(
        tmp_path,
        "child",
        extends="lambda",
        name="mine",
        factors={"lambda": [0, 3]},
        train={"optimizer": {"lr": 0.01}},
        sampling={"kind": "random", "rate": 4},
    )
    study = load_study(child)
    assert set(changed_from(base, study)) == {"name", "factors", "train", "sampling"}
    assert study.factors == {"lambda": (0, 3)}
    assert study.train == base.train.__class__(**to_plain(base.train) | {"optimizer": study.train.optimizer})
    assert (study.train.optimizer.lr, study.train.optimizer.prompt_lr) == (0.01, base.train.optimizer.prompt_lr)
    assert to_plain(study.sampling)["rate"] == 4


def test_another_kind_starts_a_section_anew_and_null_removes_a_key(tmp_path: Path) -> None:
    first = written(tmp_path, "first", extends="motion", layer={"motion": {"kind": "multi_step", "steps": 5}})
    second = written(tmp_path, "second", extends="first.yaml", layer={"motion": "high_pass"}, reference=None)
    assert to_plain(load_study(first).layer)["motion"] == {"kind": "multi_step", "channel_order": "RGB", "steps": 5}
    assert load_study(second).layer.motion.kind == "high_pass"  # type: ignore[attr-defined]
    assert to_plain(load_study(second).layer)["normalization"] == to_plain(load_study("motion").layer)["normalization"]
    assert load_study(second).reference is None
    assert load_study(second, ["layer.motion.tau=5"]).layer.motion.tau == 5  # type: ignore[attr-defined]


def test_paths_start_from_the_file_that_names_them(tmp_path: Path) -> None:
    base = written(tmp_path / "there", "base", name="b", data={"kind": "manifest", "path": "clips.csv"})
    child = written(tmp_path / "here", "child", extends="../there/base.yaml", data={"quarantine": "bad.csv"})
    data = to_plain(load_study(child).data)
    assert data["quarantine"] == str(tmp_path / "here" / "bad.csv")
    assert Path(data["path"]).resolve() == tmp_path / "there" / "clips.csv"
    assert to_plain(load_study(base).data)["path"] == str(tmp_path / "there" / "clips.csv")


def test_a_size_changes_the_base_before_the_file_and_the_file_after(tmp_path: Path) -> None:
    written(
        tmp_path,
        "base",
        name="b",
        seeds=[0],
        train={"epochs": 1},
        sizes={"large": {"takes": "an hour", "changes": {"seeds": [0, 1, 2], "train": {"epochs": 9}}}},
    )
    child = written(
        tmp_path,
        "child",
        extends="base.yaml",
        train={"batch_size": 4},
        sizes={"large": {"changes": {"train": {"epochs": 5}}}, "small": None},
    )
    plain, large, small = load_study(child), load_study(child, size="large"), load_study(child, size="small")
    assert (plain.seeds, plain.train.epochs, plain.train.batch_size) == ((0,), 1, 4)
    assert (large.seeds, large.train.epochs, large.train.batch_size) == ((0, 1, 2), 5, 4)
    assert small == plain
    assert study_sizes(tmp_path / "base.yaml")["large"].takes == "an hour"
    assert load_study(child, ["train.epochs=2"], size="large").train.epochs == 2


@pytest.mark.parametrize(
    ("plain", "size", "message"),
    [
        ({"extends": "child.yaml"}, None, "extends itself"),
        ({"extends": ["lambda"]}, None, "extends must name a built-in study or a file"),
        ({"extends": "nowhere"}, None, r"no study '.*nowhere'"),
        ({"extends": "lambda", "train": {"epoch": 3}}, None, r"train\.epoch is an unknown key; did you mean 'epochs'"),
        ({"extends": "lambda", "layer": {"kind": "vpm"}}, None, "did you mean 'vmp'"),
        ({"name": "x"}, "large", "has no sizes: leave --size out"),
        ({"name": "x", "sizes": {"small": {}}}, "large", "--size large: .* has the sizes small"),
        ({"name": "x", "sizes": ["small"]}, "small", "sizes must map names"),
        ({"name": "x", "sizes": {"small": {"change": {}}}}, "small", r"sizes\.small.*change .*did you mean 'changes'"),
    ],
)
def test_a_wrong_definition_is_one_sentence(
    plain: dict[str, Any], size: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"(?is){message}"):
        load_study(written(tmp_path, "child", **plain), size=size)


@pytest.mark.parametrize("name", builtin_studies())
def test_the_sizes_of_a_built_in_study_load(name: str) -> None:
    for size in study_sizes(name):
        assert load_study(name, size=size).question.endswith("?")


def test_another_kind_keeps_only_what_means_the_same_in_it(tmp_path: Path) -> None:
    lists = ["data.kind=mmaction", "data.train=train.txt"]
    assert to_plain(load_study("lambda", lists).data)["val"] is None, "300 videos are no list of videos"
    shards = written(tmp_path, "shards", extends="lambda", data={"kind": "webdataset", "train": "s-*.tar", "size": 32})
    data = to_plain(load_study(shards).data)
    assert (data["train"], data["val"], data["test"], data["size"]) == (str(tmp_path / "s-*.tar"), None, None, 32)
