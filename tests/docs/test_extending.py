"""The parts of docs/extending.md are written to files as printed, and its commands print what the page says.

An installed distribution is imitated by its metadata alone, as ``pip install`` would write it from the page's file.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from torch import nn

from tests.conftest import ROOT
from tests.vmp.data.tiny_videos import write_video
from vmp.core.config import from_plain
from vmp.core.documents import parse_yaml
from vmp.experiment import Experiment

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = {
    name: text for name, _, text in re.findall(r"^`([\w.]+)`:\n\n```(\w+)\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
}
CONSOLE = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


def steps() -> list[tuple[str, str]]:
    """Each command with the output that the page shows."""
    parts = [part for block in CONSOLE for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with ``mine``, where the page's files lie beside 24 videos, and with the section's package."""
    home = tmp_path_factory.mktemp("home")
    mine, package = home / "mine", home / "package"
    entries = []
    for i in range(24):
        write_video(mine / f"{i}.mp4", 10, video=i)
        entries.append({"file": f"{i}.mp4", "verb": ["open", "close"][i % 2], "kitchen": f"P{i // 3:02}"})
    (mine / "clips.json").write_text(json.dumps(entries))
    for name, text in FILES.items():
        (mine / name).write_text(text)
    project = tomllib.loads(FILES["pyproject.toml"])
    (module,) = project["tool"]["setuptools"]["py-modules"]
    ((group, entry),) = project["project"]["entry-points"].items()
    metadata = package / f"{project['project']['name'].replace('-', '_')}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (package / f"{module}.py").write_text(FILES[f"{module}.py"])
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-report\nVersion: 1.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in entry.items())
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    return home


def run(command: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A command of the page: from the checkout where it runs its tests, else beside the modules."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")} | {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{home / 'package'}",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
        "VMP_CACHE_DIR": str(home / "cache"),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "200",
    }
    cwd = ROOT if "pytest" in command else home / "mine"
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_the_commands_print_what_the_page_shows(home: Path) -> None:
    same = doctest.OutputChecker()
    for command, expected in steps():
        done = run(command, home)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        matches = same.check_output(expected, done.stdout, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        assert matches, f"$ {command}\n{done.stdout}\nis not what the page shows:\n{expected}"
    report = (home / "mine" / "results" / "mine" / "report" / "index.html").read_text(encoding="utf-8")
    assert 'id="worst-seeds"' in report


LOOK = """
import sys
sys.path.insert(0, ".")
from pathlib import Path
from sweeps import load_study
from sweeps.plan import grid_tasks
from vmp.core.config import from_plain
from vmp.experiment import Experiment
from vmp.identity import code_of, identity, outside_files

Path("helper.py").write_text("SHARE = 0.5")
own = Path("my_sampler.py")
own.write_text("import helper\\n" + own.read_text())
tasks = grid_tasks(load_study("study.yaml"))
experiments = [from_plain(Experiment, task.settings, source="task") for task in tasks]
print(*sorted({kind for one in experiments for kind in outside_files(one)}))
sampled = next(one for one in experiments if one.sampling.kind.startswith("my_sampler"))
assert "vmp.data.sets.rows" in code_of(sampled), "what a file imports of the toolkit counts"
names = [*code_of(sampled), *identity(sampled)["files"]]
assert not any("helper" in name for name in names), "what it imports of one's own does not"
"""


@pytest.mark.slow
def test_the_files_of_the_parts_are_in_the_names_of_the_cells_and_helpers_are_not(home: Path) -> None:
    (home / "look.py").write_text(LOOK)
    done = run("python ../look.py", home)
    assert done.returncode == 0, done.stderr
    kinds = {kind for text in FILES.values() for kind in re.findall(r"Literal\[\"(my_\w+:\w+)\"\]", text)}
    assert len(kinds) == 5
    assert set(done.stdout.split()) == kinds


def test_the_backbone_of_a_function_is_read_as_printed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(home / "mine"))
    (shown,) = re.findall(r"```yaml\n(backbone: .*?)```", PAGE, re.DOTALL)
    plain = {"data": {"kind": "motion"}} | parse_yaml(shown, source="the page")
    experiment = from_plain(Experiment, plain, source="the page")
    network = experiment.backbone.build(num_classes=5, num_frames=8, size=(32, 32))
    assert isinstance(network, nn.Sequential)
    assert (network[0].out_channels, network[-1].out_features) == (4, 5)


def test_every_file_and_table_that_the_page_names_is_there() -> None:
    for path in re.findall(r"`((?:vmp|sweeps|analysis|tests)/[\w/]+\.py)`", PAGE):
        assert (ROOT / path).is_file(), path
    for table, path in re.findall(r"`([A-Z]+)` in `([\w/]+\.py)`", PAGE):
        assert re.search(rf"^{table}\b", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), table
