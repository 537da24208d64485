"""Sections as objects: those that do not apply say why, other distributions add theirs, nothing is computed twice."""

from __future__ import annotations

import re
from collections import Counter
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from analysis.report.compose import Composition, compose
from analysis.report.page import render_page, table_view
from analysis.sections import catalogue
from analysis.sections.base import Column, Row, Section, SectionContent, Table
from analysis.sections.catalogue import SECTIONS, all_sections
from analysis.sections.seed_std import SEED_STD
from analysis.study.loading import load_study
from analysis.verdict import evidence
from analysis.verdict.conclusions import Conclusions, conclude
from sweeps.stats.variances import pitman_morgan_p
from tests.analysis.study_records import ArmModel, StudyModel, lambda_arms, write_study
from vmp.core.errors import InputError

ANSWER = Section(
    name="answer-to-all", title="The answer", order=22, compute=lambda _: SectionContent(facts=[("it is", "<42>")])
)


def page_of(conclusions: Conclusions, composition: Composition) -> str:
    """The page, its figures left blank: drawing them is most of the time."""
    figures = [figure.name for _, content in composition.sections for figure in content.figures]
    return render_page(conclusions, composition, dict.fromkeys(figures, ""))


def offer(monkeypatch: pytest.MonkeyPatch, attribute: str) -> None:
    """As if another distribution with the entry point `attribute` of this module were installed."""
    entry = EntryPoint(name="answer", value=f"{__name__}:{attribute}", group=catalogue.GROUP)
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [entry] if group == catalogue.GROUP else [])


def test_names_are_anchors_and_orders_give_one_order() -> None:
    assert len({section.name for section in SECTIONS}) == len(SECTIONS)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", section.name) for section in SECTIONS)
    assert [section.order for section in SECTIONS] == sorted({section.order for section in SECTIONS})


@pytest.mark.parametrize(
    "arms",
    [
        [ArmModel({"prompt": "none"})],
        [ArmModel({"prompt": "vmp"}, missing=frozenset((0, 1)))],
        lambda_arms({0: 0.1, 1: 0.1}, failed={0: (0, 1)}),
    ],
)
def test_a_section_is_made_or_says_why_not(tmp_path: Path, arms: list[ArmModel]) -> None:
    write_study(tmp_path, StudyModel(arms=arms, seeds=(0, 1)))
    conclusions = conclude(load_study(tmp_path))
    sections = all_sections()  # those of installed distributions, too
    composition = compose(conclusions, sections)
    assert len(composition.sections) + len(composition.absent) == len(sections)
    page = page_of(conclusions, composition)
    for section, content in composition.sections:
        assert content != SectionContent(), section.name
        assert not section.title or f'id="{section.name}"' in page
    for section, reason in composition.absent:
        assert re.fullmatch(r"[a-z0-9][^.\n]+", reason), reason
        assert f"{section.title or section.name} ({reason})" in page


def test_another_distribution_adds_a_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, "ANSWER")
    before = sum(section.order < ANSWER.order for section in SECTIONS)
    assert [section.name for section in all_sections()].index("answer-to-all") == before
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.1}), seeds=(0, 1)))
    conclusions = conclude(load_study(tmp_path))
    page = page_of(conclusions, compose(conclusions, all_sections()))
    assert "<dt>it is</dt><dd>&lt;42&gt;</dd>" in page


@pytest.mark.parametrize(
    ("attribute", "message"),
    [("offer", "is a function, it must be an analysis"), ("SEED_STD", "takes the name")],
)
def test_what_is_no_section_is_refused(monkeypatch: pytest.MonkeyPatch, attribute: str, message: str) -> None:
    offer(monkeypatch, attribute)
    with pytest.raises(InputError, match=message):
        all_sections()


def test_a_study_is_judged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summaries: Counter[str] = Counter()
    families: Counter[tuple[object, ...]] = Counter()
    summarize, compare = evidence.summarize, evidence.Evidence._compare

    def counted_summarize(arm, *cells, **options):
        summaries[arm.label] += 1
        return summarize(arm, *cells, **options)

    def counted_compare(self, family, name, metric):
        families[tuple(metric), *(sides.units_key for sides in family)] += 1
        return compare(self, family, name, metric)

    monkeypatch.setattr(evidence, "summarize", counted_summarize)
    monkeypatch.setattr(evidence.Evidence, "_compare", counted_compare)
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2, 10: 0.1}), strata={"camera=moving": 0.0}))
    compose(conclude(load_study(tmp_path)), SECTIONS)
    assert set(summaries.values()) == {1}
    assert set(families.values()) == {1}


def test_columns_carry_their_own_rules_for_the_page() -> None:
    columns = [
        Column(key="a", header="a"),
        Column(key="never", header="n", on_page="never"),
        Column(key="zero", header="z", on_page="if any"),
        Column(key="same", header="s", on_page="if varied"),
        Column(key="empty", header="e"),
    ]
    rows = [Row(values=(f"row {i}", 1, 0, "x", None), priority=i) for i in range(5)]
    view = table_view(Table(name="t", caption="c", columns=columns, rows=rows, max_rows=2))
    assert [column.key for column in view["header"]] == ["a"]
    assert [texts for _, texts in view["rows"]] == [["row 4"], ["row 3"]]
    assert view["more"] == 3


def test_standard_deviations_are_compared_with_the_reference(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.1}), seeds=range(8)))
    study = load_study(tmp_path)
    steady = study.cells["arm"] == "λ = 1"
    study.cells.loc[steady, study.test] = 0.7 + 0.001 * np.arange(8)
    conclusions = conclude(study)
    content = SEED_STD.compute(conclusions)
    test = study.cells.pivot(index="seed", columns="arm", values=study.test)
    row = next(row for row in content.tables[0].rows if row.values[0] == "λ = 1")
    p = pitman_morgan_p(test["λ = 1"].to_numpy(), test["control (A = 1)"].to_numpy())
    assert row.values[3:5] == pytest.approx((test["λ = 1"].std(), test["control (A = 1)"].std()))
    assert row.values[7] == pytest.approx(p)
    ((_, (finding,)),) = content.findings
    assert "λ = 1 varies less than control (A = 1): SD 0.2 against" in finding.text
    assert [std.p_holm <= 0.05 for std in finding.contrasts] == [True]


def test_three_seeds_are_needed_to_compare_standard_deviations(tmp_path: Path) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.1}), seeds=(0, 1)))
    assert SEED_STD.applies(conclude(load_study(tmp_path))) == "it takes 3 seeds and two arms whose accuracy varies"
