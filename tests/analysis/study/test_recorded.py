"""What is held of records: parts that are alike once, and nothing that was measured."""

from __future__ import annotations

from pathlib import Path

from analysis.study.loading import load_study
from analysis.study.recorded import Recorder
from tests.analysis.study_records import StudyModel, lambda_arms, write_study


def test_parts_that_are_spelt_alike_are_one_object_and_others_are_not(tmp_path: Path) -> None:
    folder = write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1}), seeds=(0, 1)))
    record = next(folder.records(folder.read_plan()))
    values = ({"b": {"x": 1}, "a": value} for value in (1, 1, 1.0, True))
    recorder = Recorder()
    first, same, *others = (recorder.recorded(record.model_copy(update={"settings": one})) for one in values)
    assert same.settings is first.settings
    assert [type(one.settings["a"]) for one in (first, *others)] == [int, float, bool]
    assert all(one.settings["b"] is first.settings["b"] and one.versions is first.versions for one in others)


def test_what_was_measured_is_read_again(tmp_path: Path) -> None:
    folder = write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1}), seeds=(0, 1), epochs=3))
    study = load_study(tmp_path)
    for record in folder.records(folder.read_plan()):
        assert study.read(record.hash) == record
        assert study.records[record.hash].epochs["epoch"] == 3
