"""The section on the race: one race as it stands in the records, and the races of several blocks apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.report.json_object import json_object
from analysis.sections.race import RACE
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from analysis.words.headline import findings, headline
from tests.analysis.study_records import ArmModel, StudyModel, lambda_arms, write_study

BEST = {"slow": 0, "x3d": 10}
ARMS = [
    ArmModel(
        {"backbone": backbone, "prompt": "control" if value is None else "vmp", "lambda": value},
        effect=0.12 * (value == best),
    )
    for backbone, best in BEST.items()
    for value in (None, 0, 10)
]
SEARCH = {"method": "race", "options": {"max_seeds": 5, "alpha": 0.05}}


def raced(folder: Path, arms: list[ArmModel]) -> Conclusions:
    model = StudyModel(arms=arms, search=SEARCH, seed_sd=0.01, cell_sd=0.01)
    return conclude(load_study(write_study(folder, model).path))


@pytest.fixture(scope="module")
def in_blocks(tmp_path_factory: pytest.TempPathFactory) -> Conclusions:
    return raced(tmp_path_factory.mktemp("blocks"), ARMS)


def test_every_block_has_its_own_decision_lanes_and_rows(in_blocks: Conclusions) -> None:
    assert RACE.applies(in_blocks) is True
    content = RACE.compute(in_blocks)
    assert [block for block, _ in content.findings] == ["", "backbone = slow", "backbone = x3d"]
    over, *own = [{finding.topic: finding.text for finding in made} for _, made in content.findings]
    assert "The error of 5% holds in each of the 2 races" in over["Error"]
    assert "at most 10%" in over["Error"]
    for (backbone, best), said in zip(BEST.items(), own, strict=True):
        assert said["Decision"].startswith(f"In backbone={backbone} the race ended after")
        assert f": λ = {best} is best" in said["Decision"]
    (table,) = content.tables
    assert [row.values[0] for row in table.rows] == ["backbone = slow"] * 3 + ["backbone = x3d"] * 3
    assert all(len(row.values) == len(table.columns) for row in table.rows)
    assert table.caption.startswith("The 2 races, one in each block, on validation")
    assert [figure.name for figure in content.figures] == ["race_1", "race_2"]
    assert [figure.caption.split(".")[0] for figure in content.figures] == ["backbone = slow", "backbone = x3d"]


def test_the_headline_and_the_json_say_what_each_block_decided(in_blocks: Conclusions) -> None:
    text = headline(in_blocks).text
    assert text.count("the race ended after") == 2
    beside = [finding.topic for _, made in findings(in_blocks) for finding in made]
    assert not {"Verdict", "Block by block", "One for all"} & set(beside)  # the races have decided
    race = json_object(in_blocks)["race"]
    assert (race["decision"], race["leader"]) == ("best", None)
    assert [(one["block"]["backbone"], one["leader"]["lambda"]) for one in race["blocks"]] == list(BEST.items())


def test_a_lead_that_does_not_vary_has_no_interval(tmp_path: Path) -> None:
    """As that of arms which differ in what validation never sees."""
    arms = [ArmModel({"prompt": "vmp", "lambda": value}) for value in (0, 10)]
    model = StudyModel(arms=arms, search=SEARCH, seed_sd=0.0, cell_sd=0.0)
    (table,) = RACE.compute(conclude(load_study(write_study(tmp_path, model).path))).tables
    place = [column.key for column in table.columns].index("interval")
    assert [row.values[place] for row in table.rows] == [None, None]


def test_a_study_without_blocks_is_one_race(tmp_path: Path) -> None:
    made = raced(tmp_path, lambda_arms({0: 0.0, 1: 0.12}))
    content = RACE.compute(made)
    ((block, findings),) = content.findings
    assert (block, [finding.topic for finding in findings[:2]]) == ("", ["Decision", "Cost"])
    assert findings[0].text.startswith("The race ended after")
    assert [figure.name for figure in content.figures] == ["race"]
    assert content.tables[0].columns[0].key == "arm"
    assert json_object(made)["race"]["blocks"] == []
