"""The seed planner on a pilot: what it reads from finished cells, and what it says of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sweeps.pilot import read_pilot
from sweeps.records.study_folder import StudyFolder
from sweeps.stats.planner import power
from tests.analysis.study_records import ArmModel, StudyModel, write_study
from tests.conftest import Vmp
from vmp.core.errors import InputError

ARMS = (
    ArmModel(factors={"prompt": "control", "lambda": None}),
    ArmModel(factors={"prompt": "vmp", "lambda": 0}, effect=0.05),
    ArmModel(factors={"prompt": "vmp", "lambda": 1}, effect=0.05, missing=frozenset({4})),
)


@pytest.fixture
def pilot(tmp_path: Path) -> Path:
    write_study(tmp_path / "study", StudyModel(arms=ARMS, seeds=(0, 1, 2, 3, 4)))
    return tmp_path / "study"


def test_a_pilot_is_what_its_cells_show(pilot: Path) -> None:
    folder = StudyFolder(pilot)
    records = list(folder.records(folder.read_plan()))
    values = {(r.factors["prompt"], r.factors["lambda"], r.seed): r.metrics["test_top1"] for r in records}
    differences = [
        [float(values["vmp", weight, seed]) - float(values["control", None, seed]) for seed in seeds]  # type: ignore[arg-type]
        for weight, seeds in ((0, range(5)), (1, range(4)))
    ]
    made = read_pilot(folder, difference=0.04, seeds=(3, 9))
    assert (made.family, made.n) == (2, 4)
    assert made.sd == pytest.approx(math.sqrt(np.mean([np.var(d, ddof=1) for d in differences])))
    assert made.sd_interval[0] < made.sd < made.sd_interval[1]
    assert [row.n for row in made.table] == [3, 9]
    assert made.table[1].given_arm == pytest.approx(power(9, 0.04 / made.sd, 2).item())
    assert read_pilot(folder).difference == folder.read_plan().study.margin


def test_the_command_prints_a_table_or_one_object(pilot: Path, call_vmp: Vmp, tmp_path: Path) -> None:
    done = call_vmp("sweep", "seeds", pilot, "--difference", 5)
    assert done.returncode == 0
    assert "To show a difference of 5 points in a family of 2:" in done.stdout
    printed = json.loads(call_vmp("sweep", "seeds", pilot, "--seeds", "4,8", "--json").stdout)
    assert (printed["schema"], printed["family"], [row["n"] for row in printed["table"]]) == (1, 2, [4, 8])
    for arguments, message in (((pilot, "--seeds", "2"), "at least 3"), ((tmp_path,), "holds no study")):
        refused = call_vmp("sweep", "seeds", *arguments)
        assert refused.returncode == 2
        assert message in refused.stderr


def test_too_little_is_no_pilot(tmp_path: Path) -> None:
    alone = (ARMS[0], ArmModel(factors={"prompt": "vmp", "lambda": 0}, missing=frozenset({1, 2, 3, 4})))
    write_study(tmp_path / "study", StudyModel(arms=alone))
    with pytest.raises(InputError, match="is no pilot yet"):
        read_pilot(StudyFolder(tmp_path / "study"))
