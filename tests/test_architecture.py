"""The frame of the project: imports go one way, and the command line answers without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# package -> top-level packages that it must not import, directly or by whatever it imports
FORBIDDEN = {
    "vmp": {"sweeps", "analysis"},
    "sweeps": {"analysis"},
    "analysis": {"torch", "torchvision", "ray", "optuna", "vmp", "transformers", "pytorchvideo"},
}


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import; this project spells modules out"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_go_one_way(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        taken = {name.split(".")[0] for name in imported_modules(path)} & FORBIDDEN[package]
        assert not taken, f"{path.relative_to(ROOT)} imports {taken}"


def test_analysis_takes_nothing_but_the_record_format_from_sweeps() -> None:
    for path in (ROOT / "analysis").rglob("*.py"):
        taken = {name for name in imported_modules(path) if name.split(".")[0] == "sweeps"}
        assert taken <= {"sweeps.record"}, f"{path.relative_to(ROOT)} imports {taken}"


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import vmp.cli; vmp.cli.cli.main(['--help'], standalone_mode=False)", {"torch", "ray", "optuna", "pandas"}),
        ("import sweeps.record, sweeps.status", {"torch", "ray", "optuna", "vmp"}),
        ("import analysis.cli, analysis.report, analysis.table", {"torch", "ray", "optuna", "vmp"}),
        ("import sweeps.study", {"ray", "optuna", "pytorchvideo", "transformers", "torchvision"}),
    ],
)
def test_heavy_imports_wait(statement: str, absent: set[str]) -> None:
    code = f"{statement}\nimport sys\nprint('LOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split("LOADED")[1].split())
    assert not loaded & absent
