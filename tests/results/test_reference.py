"""The reference studies that the repository keeps, and what the README says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.study.cells import load_study
from analysis.verdict.conclusions import conclude
from analysis.words.headline import headline
from sweeps.record import StudyFolder, confirmation_plan
from tests.conftest import ROOT

REFERENCES = sorted(path.parent for path in (ROOT / "results" / "reference").glob("*/plan.json"))


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.name)
def test_a_reference_study_is_complete_and_says_what_made_it(path: Path) -> None:
    folder = StudyFolder(path)
    plan = folder.read_plan()
    fresh = confirmation_plan(plan)
    records = [*folder.records(plan), *(folder.records(fresh) if fresh else ())]
    assert [record.status for record in records] == ["complete"] * (len(plan.cells) + len(fresh.cells if fresh else ()))
    assert {record.hash for record in records} == {file.stem for file in folder.cells_path.iterdir()}
    for record in records:
        assert record.provenance.commit
        assert record.provenance.dirty is False
        assert record.provenance.code == plan.code.hash


def test_the_readme_quotes_the_verdict_of_the_records() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").replace("\n> ", " ").split())
    sentence = headline(conclude(load_study(ROOT / "results" / "reference" / "lambda"))).text
    assert " ".join(sentence.split()) in readme
