"""The reference studies that the repository keeps, and what the README says of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from analysis.cli import report
from analysis.study.cells import load_study
from analysis.verdict.conclusions import conclude
from analysis.words.headline import beside_headline, findings, headline
from sweeps.record import StudyFolder, cell_hash, confirmation_plan
from tests.conftest import ROOT

LOCK = ROOT / "results" / "reference" / "requirements.txt"
REFERENCES = sorted(path.parent for path in (ROOT / "results" / "reference").glob("*/plan.json"))


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.name)
def test_a_reference_study_is_complete_and_says_what_made_it(path: Path) -> None:
    folder = StudyFolder(path)
    plan = folder.read_plan()
    fresh = confirmation_plan(plan)
    records = [*folder.records(plan), *(folder.records(fresh) if fresh else ())]
    assert [record.status for record in records] == ["complete"] * (len(plan.cells) + len(fresh.cells if fresh else ()))
    assert {record.hash for record in records} == {file.stem for file in folder.cells_path.iterdir()}
    pinned = dict(line.split("==") for line in LOCK.read_text().splitlines() if not line.startswith("#"))
    for record in records:
        versions = record.provenance.versions
        assert {name: versions[name] for name in versions.keys() & pinned.keys()} == {
            name: pinned[name] for name in versions.keys() & pinned.keys()
        }, "the environment that results/reference/requirements.txt gives"
        assert {"torch", "torchvision", "numpy", "av", "optuna", "pytorchvideo"} <= versions.keys() & pinned.keys()
        assert record.provenance.commit
        assert record.provenance.dirty is False
        assert record.science
        assert record.provenance.code
        assert record.hash == cell_hash(record.science, record.provenance.code)


def test_every_quotation_of_the_readme_is_a_sentence_of_a_reference_report() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = re.findall(r"(?:^> .*\n)+", text, re.MULTILINE)
    quoted = [" ".join(part.replace("\n> ", " ")[2:].split()) for part in parts]
    sentences: set[str] = set()
    for path in REFERENCES:
        conclusions = conclude(load_study(path))
        supporting = [finding for _, some in findings(conclusions) for finding in some]
        found = [headline(conclusions), beside_headline(conclusions), *supporting]
        sentences |= {one.text for one in found if one}
    for command in re.findall(r"`vmp report (\S+) --compare (\S+) (\S+)`", text):
        if command[0].startswith("results/reference"):
            printed = CliRunner().invoke(report, [str(ROOT / command[0]), "--compare", *command[1:]])
            sentences |= set(printed.stdout.splitlines())
    assert len(quoted) >= 6
    assert set(quoted) <= sentences, set(quoted) - sentences
