"""Sections made of the predictions that cells keep: planted gains, confusions and calibration, recovered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.figures.confusion_matrices import MAX_CLASSES, prepare_confusions
from analysis.report.write import write_report
from analysis.sections.calibration import CALIBRATION
from analysis.sections.clips import CLIPS
from analysis.sections.confusion import CONFUSION
from analysis.study.clip_scores import hits_of, paired_scores
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from sweeps.predictions import largest_gains, predictions_path, read_predictions
from sweeps.records.study_folder import StudyFolder
from sweeps.stats.calibration import error_by_chance, reliability
from tests.analysis.predicted import EACH, write_all
from tests.analysis.study_records import CLASSES, StudyModel, lambda_arms, write_study
from vmp.core.errors import InputError
from vmp.core.outcome import Hits, Scores

GAINS = {"left/000.mp4": 4.0, "up/017.mp4": -4.0}
SECTIONS = (CONFUSION, CLIPS, CALIBRATION)


def study_in(folder: Path, gains: dict[str, float] | None = GAINS, **model: object) -> Conclusions:
    write_study(folder, StudyModel(arms=lambda_arms({0: 0.05, 1: 0.1}), seeds=range(4), **model))  # type: ignore
    if gains is not None:
        write_all(folder, gains)
    return conclude(load_study(folder))


def test_planted_gains_and_losses_come_first_and_nothing_else_moves(tmp_path: Path) -> None:
    content = CLIPS.compute(study_in(tmp_path))
    rows = [row.values for row in content.tables[0].rows]
    assert [row[2] for row in rows] == ["left/000.mp4", "up/017.mp4"]
    assert rows[0][3] == "left"
    assert rows[0][4] - rows[0][5] == pytest.approx(rows[0][6])
    assert rows[0][6] > 0.1 > -0.1 > rows[1][6]
    assert (rows[0][7], rows[1][7], rows[0][10]) == (4, 0, 4)
    assert "Of 48 test videos" in content.intro
    assert "in 1 and a lower one in 1, over 4 seeds" in content.intro
    assert "Their attention maps need a saved model" in content.intro


def test_numbers_are_those_of_the_files(tmp_path: Path) -> None:
    """Right values: computed anew from each Parquet file, one video at a time."""
    conclusions = study_in(tmp_path)
    (paired,) = conclusions.paired_scores
    assert paired.arm is conclusions.verdicts[0].main.arm
    counts = np.zeros((6, 6))
    for seed, cell in zip(paired.seeds, paired.hashes, strict=False):
        read = read_predictions(tmp_path, cell)
        for i, label in enumerate(read.labels):
            counts[label, int(np.argmax(read.log_probabilities[i]))] += 1
            right = np.exp(float(read.log_probabilities[i, label]))
            assert paired.of_arm.right[paired.seeds.index(seed), i] == pytest.approx(right)
    confusion = paired.of_arm.confusion(paired.labels, 6)
    assert confusion == pytest.approx(counts / (4 * EACH))
    rows = {(row.values[2], row.values[4]): row.values for row in CONFUSION.compute(conclusions).tables[0].rows}
    for (one, other), row in rows.items():
        assert row[5] == pytest.approx(confusion[CLASSES.index(one), CLASSES.index(other)])
    right = 1 - sum(row[5] for row in rows.values()) / 6
    accuracy = CALIBRATION.compute(conclusions).tables[0].rows[0].values[2]
    assert accuracy == pytest.approx(right)


def test_commands_draw_the_videos_that_are_at_hand(tmp_path: Path) -> None:
    videos = tmp_path / "my videos"
    (videos / "left").mkdir(parents=True)
    (videos / "left" / "000.mp4").touch()
    settings = {"data": {"kind": "folder", "path": str(videos)}, "layer": {"kind": "vmp"}}
    conclusions = study_in(tmp_path / "s", settings=settings)
    cell = conclusions.paired_scores[0].hashes[1]
    (tmp_path / "s" / "models" / cell).mkdir(parents=True)
    (tmp_path / "s" / "models" / cell / "config.json").touch()
    (listing,) = CLIPS.compute(conclusions).listings
    assert "model of seed 1" in listing.title
    ((clip, command),) = listing.items
    assert clip == "left/000.mp4"
    assert command == f"vmp show '{videos}/left/000.mp4' --model {tmp_path}/s/models/{cell}"
    (videos / "left" / "000.mp4").unlink()
    assert f"vmp show VIDEO --model {tmp_path}/s/models/{cell} where" in CLIPS.compute(conclusions).intro


def test_folders_without_predictions_and_with_wrong_ones(tmp_path: Path) -> None:
    without = study_in(tmp_path / "without", gains=None)
    for section in SECTIONS:
        assert (
            section.applies(without) == "no cell keeps predictions of the test videos; those of earlier versions do not"
        )
    conclusions = study_in(tmp_path / "some")
    main = conclusions.verdicts[0].main
    cells = conclusions.paired_scores[0].hashes
    predictions_path(tmp_path / "some", cells[0]).unlink()
    assert paired_scores(conclusions.study, main.arm, main.reference).seeds == (1, 2, 3)
    write_all(tmp_path / "some", GAINS, each=EACH + 1)
    with_others = predictions_path(tmp_path / "some", cells[1]).read_bytes()
    write_all(tmp_path / "some", GAINS)
    predictions_path(tmp_path / "some", cells[1]).write_bytes(with_others)
    with pytest.raises(InputError, match=rf"{cells[1]}\.parquet' lists other test videos"):
        paired_scores(conclusions.study, main.arm, main.reference)


def test_hits_that_are_not_those_of_the_record_are_refused(tmp_path: Path) -> None:
    conclusions = study_in(tmp_path)
    main, folder = conclusions.verdicts[0].main, StudyFolder(tmp_path)
    cells = conclusions.paired_scores[0].hashes
    for cell in cells:
        hits = hits_of(read_predictions(tmp_path, cell))
        folder.write_cell(folder.read_cell(cell).model_copy(update={"scores": {"test": Scores(classes=hits)}}))
    assert paired_scores(load_study(tmp_path), main.arm, main.reference).hashes == cells
    wrong = [*hits[:-1], Hits(correct=hits[-1].correct - 1, total=hits[-1].total)]
    folder.write_cell(folder.read_cell(cells[-1]).model_copy(update={"scores": {"test": Scores(classes=wrong)}}))
    with pytest.raises(InputError, match=rf"{cells[-1]}\.parquet' counts other hits by class"):
        paired_scores(load_study(tmp_path), main.arm, main.reference)


def test_of_many_classes_those_that_change_most_are_drawn(tmp_path: Path) -> None:
    (paired,) = study_in(tmp_path).paired_scores
    classes = tuple(f"class {i}" for i in range(60))
    many = paired.__class__(**{**vars(paired), "classes": classes, "labels": paired.labels * 10})
    data = prepare_confusions(many)
    assert (len(data.names), data.hidden) == (MAX_CLASSES, 60 - MAX_CLASSES)
    assert data.difference.shape == (MAX_CLASSES, MAX_CLASSES)


def test_gains_come_first_and_losses_end_with_the_largest() -> None:
    assert largest_gains(np.array([0.0, 0.2, -0.3, 0.2, -0.1, 0.5]), 2) == [5, 1, 4, 2]
    assert largest_gains(np.zeros(3), 2) == []


def test_calibration_error_by_hand_and_by_chance() -> None:
    """Two bins: (0.8, 0.8) right once, (0.4) right; error = (2 |0.5 - 0.8| + |1 - 0.4|) / 3 = 0.4."""
    data = reliability(np.array([0.8, 0.75, 0.4]), np.array([True, False, True]))
    assert data.count.tolist() == [0, 0, 0, 1, 0, 0, 0, 2, 0, 0]
    assert data.error == pytest.approx((2 * (0.775 - 0.5) + 0.6) / 3)
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.3, 1, size=400)
    errors = [reliability(confidence, rng.random(400) < confidence).error for _ in range(60)]
    assert error_by_chance(confidence, np.random.default_rng(0)) == pytest.approx(np.mean(errors), rel=0.1)


def test_names_from_outside_are_escaped_and_the_page_holds_the_sections(tmp_path: Path) -> None:
    write_study(tmp_path / "s", StudyModel(arms=lambda_arms({0: 0.05}), seeds=range(4)))
    hostile = "<b onclick='x'>&"
    write_all(tmp_path / "s", {f"{hostile}/left/000.mp4": 4.0}, below=hostile)
    page = write_report(tmp_path / "s", tmp_path / "out").read_text()
    for section in SECTIONS:
        assert f'id="{section.name}"' in page
    assert "<b onclick" not in page
    assert "&lt;b onclick" in page
