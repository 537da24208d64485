"""The checklists: every item is there, what records do not hold is not ticked, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.readers.columns import parse_columns
from analysis.readers.registry import load_any
from analysis.report.write import write_conclusions
from analysis.sections.checklists import CANNOT, CHECKLISTS, answers
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from tests.analysis.readers import other_tools
from tests.analysis.study_records import StudyModel, lambda_arms, write_study


def small(folder: Path, **changes: object) -> Conclusions:
    model: dict[str, object] = {"arms": lambda_arms({0: 0.0, 0.1: 0.05}), "seeds": (0, 1, 2, 3)}
    write_study(folder, StudyModel(**{**model, **changes}))  # type: ignore[arg-type]
    return conclude(load_study(folder))


def foreign(folder: Path) -> Conclusions:
    return conclude(load_any(str(other_tools.csv(folder)), parse_columns(("test=test,factors=rate",))))


def ticked(conclusions: Conclusions) -> set[str]:
    return {item for items in answers(conclusions).values() for item, answer in items if answer.is_ticked}


def test_no_item_is_left_out() -> None:
    neurips, reforms, acl = CHECKLISTS.values()
    assert [item.split(".")[0] for item, _ in neurips] == [str(number) for number in range(1, 17)]
    parts = {"1": "abc", "2": "abcde", "3": "abcdefg", "4": "abc", "5": "abcdef", "6": "abc", "7": "abc", "8": "ab"}
    assert [item.split(".")[0] for item, _ in reforms] == [
        f"{n}{letter}" for n, some in parts.items() for letter in some
    ]
    assert len(reforms) == 32
    assert [item.split(".")[0] for item, _ in acl] == [f"{p}{i}" for p, n in (("A", 2), ("B", 6), ("C", 4))
                                                       for i in range(1, n + 1)]  # fmt: skip


def test_answers_are_those_of_the_records(tmp_path: Path) -> None:
    conclusions = small(tmp_path / "study")
    said = {item: answer.text for items in answers(conclusions).values() for item, answer in items if answer.is_ticked}
    cells = len(conclusions.study.records)
    assert f"Each of {cells} cells recorded" in said["4. Experimental result reproducibility"]
    assert "without uncommitted changes" in said["4. Experimental result reproducibility"]
    assert "Synthetic CPU, 2 cores, 8 GiB, device cpu" in said["2c. Computing infrastructure"]
    assert f"all {conclusions.primary[0].family} comparisons" in said["7. Experiment statistical significance"]
    assert "means over 4 runs" in said["C3. Descriptive statistics"]
    assert "torch 2.14.1" in said["C4. Parameters of packages"]
    assert all(len(re.findall(r"[.] [A-Z]", text)) <= 4 for text in said.values())


def test_what_the_records_do_not_hold_is_not_ticked(tmp_path: Path) -> None:
    # Two arms that share two seeds, of a table: no comparison, no data, no code, no machine.
    assert ticked(foreign(tmp_path)) == {"7a. Metrics", "C3. Descriptive statistics"}
    two = small(tmp_path / "two", seeds=(0, 1))
    assert not {"7. Experiment statistical significance", "1. Claims", "7b. Uncertainty"} & ticked(two)


@pytest.mark.parametrize("make", [lambda path: small(path / "study", name="a *b* [c]"), foreign], ids=["own", "other"])
def test_the_appendix_has_every_item_and_its_links_lead_somewhere(make: object, tmp_path: Path) -> None:
    conclusions = make(tmp_path)  # type: ignore[operator]
    page = write_conclusions(conclusions, tmp_path / "report")
    text = (tmp_path / "report" / "appendix" / "checklists.md").read_text(encoding="utf-8")
    items = [line for line in text.splitlines() if line.startswith("- [")]
    assert len(items) == sum(map(len, CHECKLISTS.values()))
    assert all((CANNOT in line) is line.startswith("- [ ]") for line in items)
    html = page.read_text(encoding="utf-8")
    anchors = set(re.findall(r"index\.html#([\w-]+)\)", text))
    assert anchors
    assert all(f'id="{anchor}"' in html for anchor in anchors)
    assert (tmp_path / "report" / "tables" / "cells.csv").is_file()
    assert "*b*" not in text.replace("\\*b\\*", "")
