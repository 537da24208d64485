"""The ten steps of docs/own-videos.md run as printed, and print what the page says."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.vmp.data.tiny_videos import write_video

PAGE = (ROOT / "docs" / "own-videos.md").read_text(encoding="utf-8")


def steps() -> list[tuple[str, str]]:
    """Each command with the output that the page shows."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def lay_out(folder: Path) -> None:
    """A folder of videos as people have it: two classes, eight cameras, one file that was cut off."""
    for number, (name, camera, clip) in enumerate(
        (name, camera, clip) for name in ("fall", "walk") for camera in range(8) for clip in range(3)
    ):
        write_video(folder / "my-videos" / name / f"cam{camera}_{clip}.mp4", video=number)
    unseen = write_video(folder / "new" / "unseen.mp4", video=50)
    (folder / "my-videos" / "walk" / "cam7_3.mp4").write_bytes(unseen.read_bytes()[:300])


def test_the_ten_steps_run_as_printed(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (study,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "study.yaml").write_text(study)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "VMP_CACHE_DIR": str(tmp_path / "cache"),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "200",
    }
    same = doctest.OutputChecker()
    for command, expected in steps():
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        matches = same.check_output(expected, done.stdout, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        assert matches, f"$ {command}\n{done.stdout}\nis not what the page shows:\n{expected}"
    assert "unseen.mp4" not in (tmp_path / "results" / "falls" / "plan.json").read_text()


def test_the_page_has_ten_steps_and_a_command_in_each() -> None:
    parts = re.split(r"^\*\*(\d+)\. ", PAGE, flags=re.MULTILINE)[1:]
    assert [int(number) for number in parts[::2]] == list(range(1, 11))
    assert all("```console\n$ " in text for text in parts[1::2])
