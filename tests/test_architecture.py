"""The frame of the project: imports go one way, and the command line answers without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAVY = {"torch", "torchvision", "ray", "optuna", "transformers", "pytorchvideo"}

# folder -> modules of this project that it may import, by prefix, beside itself. Everything else of it is forbidden.
MAY_IMPORT = {
    "vmp/core": set(),
    "vmp": {"vmp"},
    "sweeps/stats": {"vmp.core"},
    "sweeps": {"vmp"},
    "analysis": {
        "vmp.core",
        "sweeps.predictions",
        "sweeps.questions",
        "sweeps.race_state",
        "sweeps.racing",
        "sweeps.records",
        "sweeps.stats",
    },
}
WITHOUT_HEAVY = ("vmp/core", "sweeps/stats", "analysis")


def imported_modules(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever in the file it stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import; this project spells modules out"
            names.add(node.module or "")
    return names


def below(name: str, prefixes: set[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_go_one_way(folder: str) -> None:
    allowed = MAY_IMPORT[folder] | {folder.replace("/", ".")}
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        own = {name for name in imported_modules(path) if name.split(".")[0] in ("vmp", "sweeps", "analysis")}
        wrong = {name for name in own if not below(name, allowed)}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}; {folder} may use {allowed}"


@pytest.mark.parametrize("folder", WITHOUT_HEAVY)
def test_the_ground_floor_and_the_analysis_need_no_torch_ray_or_optuna(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        taken = {name.split(".")[0] for name in imported_modules(path)} & HEAVY
        assert not taken, f"{path.relative_to(ROOT)} imports {taken}"


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import vmp.cli; vmp.cli.cli.main(['--help'], standalone_mode=False)", HEAVY | {"pandas", "matplotlib"}),
        ("import sweeps.records.study_folder, sweeps.status, sweeps.racing", HEAVY | {"pandas"}),
        ("import analysis; analysis.write_report; import analysis.cli", HEAVY),
        ("import sweeps.study", HEAVY - {"torch"}),
        ("import sweeps.run, sweeps.executors.cell", HEAVY - {"torch"} | {"pandas", "matplotlib", "scipy.stats"}),
        ("import analysis.report.write, analysis.cli", {"torch", "ray", "optuna", "matplotlib.pyplot"}),
        ("import analysis, analysis.cli", {"numpy", "pandas", "pydantic"}),
        ("import vmp.backbones.registry", {"pytorchvideo", "transformers"}),
    ],
)
def test_heavy_imports_wait(statement: str, absent: set[str]) -> None:
    code = f"{statement}\nimport sys\nprint('LOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split("LOADED")[1].split())
    assert not loaded & absent


def test_files_that_mean_two_things_have_two_names() -> None:
    """A file's name says what it is for, so a name that stands twice in a package says too little."""
    general = {"__init__.py", "__init__.pyi", "base.py", "registry.py", "config.py", "cli.py"}
    for package in ("vmp", "sweeps", "analysis"):
        names = [path.name for path in (ROOT / package).rglob("*.py") if path.name not in general]
        twice = {name for name in names if names.count(name) > 1}
        assert not twice, f"{package} has several files called {twice}"
