"""Paths mean what people expect: `~`, a study file's own folder, and a message that says where was looked."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps.study_files import load_study
from tests.conftest import Vmp
from vmp.core.errors import InputError
from vmp.data.sets.manifest import ManifestData

STUDY = """
name: mine
factors: {data.path: [a.csv, sub/b.csv]}
data: {kind: manifest, path: clips.csv, root: ../videos, quarantine: ~/bad.csv}
backbone: {kind: slow_tiny, checkpoint: weights.pth}
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "studies").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "studies" / "weights.pth").write_bytes(b"")
    monkeypatch.chdir(tmp_path / "elsewhere")
    path = tmp_path / "studies" / "mine.yaml"
    path.write_text(STUDY)
    return path


@pytest.mark.parametrize("form", ["absolute", "relative"])
def test_a_study_files_paths_start_from_its_folder(study: Path, tmp_path: Path, form: str) -> None:
    name = study if form == "absolute" else Path("../studies/mine.yaml")
    data = load_study(name).data
    folder = (tmp_path / "elsewhere" / name).parent
    assert isinstance(data, ManifestData)
    assert Path(data.path) == folder / "clips.csv"
    assert Path(data.root or "") == folder / "../videos"
    assert Path(data.quarantine or "") == tmp_path / "home" / "bad.csv"
    assert load_study(name).backbone.checkpoint == folder / "weights.pth"
    assert load_study(name).factors["data.path"] == (str(folder / "a.csv"), str(folder / "sub" / "b.csv"))


def test_the_command_lines_paths_start_from_the_current_folder(study: Path, tmp_path: Path) -> None:
    changed = load_study(study, ["data.path=other.csv", "data.root=~/v", "factors.data.path=[c.csv]"])
    assert isinstance(changed.data, ManifestData)
    assert (changed.data.path, changed.data.root) == ("other.csv", str(tmp_path / "home" / "v"))
    assert changed.factors["data.path"] == ("c.csv",)
    with pytest.raises(InputError, match=rf"other\.csv \(in {tmp_path / 'elsewhere'}\): no such file"):
        changed.data.listing()


def test_a_data_set_file_and_the_commands_follow_the_same_rule(study: Path, tmp_path: Path, call_vmp: Vmp) -> None:
    scanned = call_vmp("data", "scan", study, cwd=tmp_path / "elsewhere")
    assert (scanned.returncode, str(tmp_path / "studies" / "clips.csv") in scanned.stderr) == (2, True)
    scanned = call_vmp("data", "scan", "~/none", cwd=tmp_path / "elsewhere")
    assert f"{tmp_path / 'home' / 'none'}: no such folder or file" in scanned.stderr
    scanned = call_vmp("data", "scan", "none", cwd=tmp_path / "elsewhere")
    assert f"none (in {tmp_path / 'elsewhere'}): no such folder or file" in scanned.stderr


def test_nothing_in_the_current_folder_hides_a_built_in_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "init").mkdir()
    (tmp_path / "lambda").write_text("name: my own")
    notes: list[str] = []
    assert load_study("init").question
    assert load_study("lambda", note=notes.append).name == "lambda"
    assert notes == ["'lambda' is the built-in study; the file of that name in this folder is './lambda'"]
    assert load_study("./lambda").name == "my own"
    with pytest.raises(InputError, match=rf"neither a file \(looked for mine \(in {tmp_path}\)\)"):
        load_study("mine")
