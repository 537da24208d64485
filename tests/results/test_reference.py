"""The reference studies that the repository keeps, and what the README says of them."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from analysis.atlas import PAGE, answer_of, atlas_text, every_arm, read_all
from analysis.cli import report
from analysis.report.compose import compose
from analysis.sections.catalogue import SECTIONS
from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from analysis.words.headline import beside_headline, findings, headline
from sweeps.records.cell_record import cell_hash
from sweeps.records.plan_record import confirmation_plan
from sweeps.records.study_folder import StudyFolder
from sweeps.study_files import load_study as read_definition
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


def quotations(text: str) -> list[str]:
    """The blockquotes of a page, each as one line."""
    return [" ".join(part.replace("\n> ", " ")[2:].split()) for part in re.findall(r"(?:^> .*\n)+", text, re.MULTILINE)]


@functools.cache
def said_by(name: str) -> frozenset[str]:
    """Every sentence of the report of a reference study: the headline, what stands beside it, and of all sections."""
    conclusions = conclude(load_study(ROOT / "results" / "reference" / name))
    supporting = [finding for _, some in findings(conclusions) for finding in some]
    sections = compose(conclusions, SECTIONS).sections
    supporting += [finding for _, content in sections for _, some in content.findings for finding in some]
    found = [headline(conclusions), beside_headline(conclusions), *supporting]
    return frozenset(one.text for one in found if one)


def said_in(text: str) -> set[str]:
    """What the commands of a part of a page print: reports of reference studies, and comparisons within them."""
    sentences: set[str] = set()
    for name in re.findall(r"`vmp report results/reference/([\w-]+)", text):
        sentences |= said_by(name)
    for path, arm, reference in re.findall(r"`vmp report (results/reference/\S+) --compare (\S+) (\S+)`", text):
        printed = CliRunner().invoke(report, [str(ROOT / path), "--compare", arm, reference])
        sentences |= set(printed.stdout.splitlines())
    return sentences


@pytest.mark.parametrize(("page", "least"), [("README.md", 6), ("docs/findings.md", 20)])
def test_every_quotation_is_a_sentence_that_the_command_of_its_part_prints(page: str, least: int) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)
    assert sum(len(quotations(part)) for part in parts) >= least
    for part in parts:
        wrong = set(quotations(part)) - said_in(part)
        assert not wrong, wrong


def test_the_findings_name_no_figure_but_in_quotations() -> None:
    """Prose there says what a quotation beside it shows; a figure of its own would be held to nothing."""
    text = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    prose = re.sub(r"^>[^\n]*$|`[^`]*`|\]\([^)]*\)|^\d\. ", "", text, flags=re.MULTILINE)
    assert "What was run on what" in prose
    assert "Null results" in prose
    assert not re.findall(r".*\d.*", prose)


def test_the_gallery_is_what_the_records_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    out = Path("docs/gallery")
    written = (out / PAGE).read_text(encoding="utf-8")
    sources = [path.relative_to(ROOT) for path in REFERENCES]
    made = read_all(sources)
    assert atlas_text(sources, [answer_of(name, one) for name, one in made.items()], every_arm(made), out) == written
    assert {path.name for path in out.iterdir()} == {PAGE, *re.findall(r"\]\(([\w-]+\.png)\)", written)}


@pytest.mark.parametrize("path", sorted((ROOT / "results" / "reference").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_study_of_real_clips_is_defined_beside_its_records(path: Path) -> None:
    study = read_definition(str(path))
    assert study.name == path.stem
    assert study.factors["data.fold"] == ("1/5", "2/5", "3/5", "4/5", "5/5")
    if (folder := path.with_suffix("")).is_dir():
        assert len(StudyFolder(folder).read_plan().cells) == len(list(study.arms())) * len(study.seeds)
