"""The study files shown in the documents are read as printed, and planned on the data that they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sweeps.plan import grid_tasks
from sweeps.study_files import load_study
from tests.conftest import ROOT
from tests.vmp.data.tiny_videos import write_video
from vmp.core.config import from_plain
from vmp.core.documents import parse_yaml
from vmp.experiment import Experiment

# Their studies are about files of their own: test_own_videos.py and test_extending.py run them.
RUN_ELSEWHERE = {ROOT / "docs" / "own-videos.md", ROOT / "docs" / "extending.md"}
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page not in RUN_ELSEWHERE)]
BLOCKS = [
    (f"{page.relative_to(ROOT)}, block {number}", text)
    for page in PAGES
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL), 1)
]


@pytest.mark.parametrize("text", [text for _, text in BLOCKS], ids=[where for where, _ in BLOCKS])
def test_a_study_shown_in_the_documents_is_planned_as_printed(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VMP_CACHE_DIR", str(tmp_path / "cache"))
    plain: Any = parse_yaml(text, source="block")
    if "name" not in plain:
        from_plain(Experiment, plain, source="block")  # a section, shown alone
        return
    rows = ["path,label\n"]
    for i in range(24):
        write_video(tmp_path / f"{i}.mp4", 10, video=i)
        rows.append(f"{i}.mp4,{'ab'[i % 2]}\n")
    Path("clips.csv").write_text("".join(rows))
    Path("mine.yaml").write_text(text)
    notes: list[str] = []
    assert grid_tasks(load_study("mine.yaml", note=notes.append))
    assert not notes, "the documents are written in the present form"


def test_the_documents_show_studies() -> None:
    assert len(BLOCKS) >= 3
