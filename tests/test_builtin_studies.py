"""Every built-in study runs and reports through the command line, on a handful of tiny videos."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sweeps.study_files import builtin_studies, load_study
from vmp.cli import cli

TINY = ("data.train=24", "data.val=12", "data.test=12", "data.size=16", "train.epochs=1", "seeds=[0, 1, 2]")
OTHERS = {  # what a study has beside that which takes time
    "transfer": ("transfer.data.train=24", "transfer.data.val=12", "transfer.data.test=12", "transfer.data.size=16"),
    "long": ("factors.data.num_frames=[16, 600]",),
    "guidance": ("factors.lambda=[0, 1]", "factors.data.condition=[none, noisy, still_classes]"),
    "motion": ("factors.motion=[frame_difference, motion_tokens]",),
    "init": ("factors.n=[-0.3, 0.3]",),
    "collapse": ("factors.lambda=[1]",),
    "sampling": ("factors.lambda=[1]",),
    "robustness": ("factors.data.condition=[none, still_classes]",),
}


@pytest.mark.parametrize("name", builtin_studies())
def test_a_built_in_study_runs_and_reports(name: str, tmp_path: Path) -> None:
    out, options = tmp_path / name, [part for text in (*TINY, *OTHERS.get(name, ())) for part in ("--set", text)]
    ran = CliRunner().invoke(cli, ["sweep", "run", name, "--size", "quick", *options, "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    arms = len(list(load_study(name, options[1::2]).arms()))
    assert f"{3 * arms} of {3 * arms} cells complete" in ran.output
    reported = CliRunner().invoke(cli, ["report", str(out)])
    assert reported.exit_code == 0, reported.output
    verdict = json.loads((out / "report" / "verdict.json").read_text())
    assert verdict["headline"]
    assert verdict["cells"]["complete"] == 3 * arms
    page = (out / "report" / "index.html").read_text()
    assert load_study(name).question in html.unescape(page)


def test_the_list_names_each_study_with_its_sizes() -> None:
    listed = json.loads(CliRunner().invoke(cli, ["sweep", "list", "--json"]).output)
    assert [one["study"] for one in listed] == sorted(builtin_studies())
    for one in listed:
        sizes = {size["name"]: size["cells"] for size in one["sizes"]}
        assert list(sizes) == ["quick", "reference", "paper"]
        assert sizes["quick"] <= sizes["reference"]
        study = load_study(one["study"], size="reference")
        assert sizes["reference"] == len(list(study.arms())) * len(study.seeds)
    text = CliRunner().invoke(cli, ["sweep", "list"]).output
    assert "--size reference" in text
