"""What `vmp sweep` says before anything runs: the plan and its cost, and bad input in one sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import Vmp
from tests.sweeps.command_line import GRID


def test_plan_for_scripts(call_vmp: Vmp, finished: Path, tmp_path: Path) -> None:
    printed = call_vmp("sweep", "plan", *GRID, "--json", "--workers", 2, cwd=tmp_path)
    assert printed.returncode == 0
    plan = json.loads(printed.stdout)
    assert plan["cells"] == json.loads((finished / "plan.json").read_text())["cells"]
    assert [cell for arm in plan["arms"] for cell in arm["cells"]] == [cell["hash"] for cell in plan["cells"]]
    assert (plan["schema"], plan["seeds"], plan["workers"]) == (1, [0, 1], 2)
    prompts = [arm["factors"]["prompt"] for arm in plan["arms"]]
    assert plan["comparisons"] == prompts.count("vmp") < len(prompts)  # every prompt with its reference
    assert plan["search"] is None
    assert plan["seconds"] > 0
    searched = call_vmp("sweep", "plan", *GRID, "--json", "--search", "gp", "--arms", 3, cwd=tmp_path)
    assert json.loads(searched.stdout)["search"]["method"] == "gp"
    assert not list(tmp_path.iterdir())


def test_plan_prints_cells_cost_and_what_they_can_show(call_vmp: Vmp, tmp_path: Path) -> None:
    planned = call_vmp("sweep", "plan", *GRID, cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "8 cells = 4 arms x 2 seeds" in planned.stdout
    assert re.search(r"Backbone \w+: [\d,]+ parameters, all of which learn", planned.stdout)
    assert re.search(r"predictions take about \d\S* k?B of disk a cell at most", planned.stdout)
    assert "With 2 seeds no comparison gets a verdict: that takes at least 3." in planned.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sweep", "run", "lambda", "--set", "trian.epochs=1"), "did you mean 'train'"),
        (
            ("sweep", "run", "lamda"),
            "built-in studies (appearance, baseline, collapse, guidance, init, lambda, long, motion, placement, "
            "regulariser, robustness, sampling, transfer)",
        ),
        (("sweep", "run", "absent.yaml"), "No such file"),
        (("sweep", "run", "lambda", "--set", "data.kind=manifest", "--set", "data.path=none.csv"), "none.csv"),
        (("sweep", "run", "lambda", "--set", "data.kind=folder", "--set", "data.path=."), "folder"),
        (("sweep", "run", "lambda", "--set", "backbone.kind=slowfast_tiny", "--set", "sampling.num_frames=2"), "of 4"),
        (("sweep", "run", "lambda", "--device", "cuda:99"), "cannot be used here"),
        (("sweep", "run", "lambda", "--workers", "0"), "--workers"),
        (("sweep", "run", "lambda", "--threads", "0"), "--threads"),
        (("sweep", "run", "lambda", "--engine", "slurm"), "unknown engine 'slurm'. Valid: local, ray."),
        (("sweep", "run", "lambda", "--search", "tpe", "--set", "factors={}"), "leaves nothing to search"),
        (("sweep", "run", "lambda", "--search", "tpi"), "Did you mean 'tpe'?"),
        (("sweep", "run", "lambda", "--search", "tpe", "--search-option", "gama=3"), "did you mean 'gamma'"),
        (("sweep", "run", "lambda", "--arms", "3"), "add --search NAME"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    arguments: Sequence[str], message: str, call_vmp: Vmp, tmp_path: Path
) -> None:
    done = call_vmp(*arguments, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_or_is_no_study(call_vmp: Vmp, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = call_vmp("sweep", "run", *GRID, "--out", tmp_path / "file" / "study")
    assert done.returncode == 2
    assert "cannot write the study folder" in done.stderr
    done = call_vmp("sweep", "status", tmp_path, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds no study" in done.stderr
