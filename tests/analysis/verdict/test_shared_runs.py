"""One training counts once: in parts of the test videos, against one reference, and tested in several ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.study.cells import stratum_column
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from analysis.verdict.contrasts import Sides
from analysis.verdict.evidence import Evidence
from sweeps.stats.collapse import largest_unseen_rate
from sweeps.stats.decisions import Verdict
from tests.analysis.study_records import ArmModel, StudyModel, lambda_arms, write_study

SEEDS = tuple(range(6))
TAGS = {"camera=moving": -0.1, "camera=static": 0.1, "scene=indoor": 0.0}


def concluded(folder: Path, model: StudyModel) -> Conclusions:
    return conclude(load_study(write_study(folder, model).path))


def test_an_arm_on_several_strata_has_the_runs_of_one_arm(tmp_path: Path) -> None:
    arms = lambda_arms({0.0: 0.04}, baseline=None)
    evidence = concluded(tmp_path, StudyModel(arms=arms, seeds=SEEDS, strata=TAGS, cell_sd=0.002)).evidence
    control, arm = evidence.study.arms
    made = evidence.compare([Sides.pair(arm, control)] * len(TAGS), "strata", [stratum_column(tag) for tag in TAGS])
    assert {one.verdict for one in made} == {Verdict.AHEAD}, "0 of 6 runs excludes no rate of 0.04 / 0.15"
    possible = [one.collapse.possible_rate for one in made if one.collapse]
    assert possible == pytest.approx([largest_unseen_rate(len(SEEDS), 0.025)] * len(TAGS))


def test_the_arms_that_one_was_chosen_among_speak_for_it_in_parts_too(tmp_path: Path) -> None:
    arms = lambda_arms(dict.fromkeys((0.0, 0.1, 1.0, 10.0, 100.0), 0.04), baseline=None)
    evidence = concluded(tmp_path, StudyModel(arms=arms, seeds=SEEDS, strata=TAGS, cell_sd=0.002)).evidence
    control, arm = evidence.study.arms[:2]
    made = evidence.compare([Sides.pair(arm, control)] * len(TAGS), "strata", [stratum_column(tag) for tag in TAGS])
    assert {one.verdict for one in made} == {Verdict.BETTER}
    possible = [one.collapse.possible_rate for one in made if one.collapse]
    assert possible == pytest.approx([largest_unseen_rate(5 * len(SEEDS), 0.025)] * len(TAGS))


def test_an_average_over_settings_has_a_run_of_each_seed_in_parts_too(tmp_path: Path) -> None:
    """The other arms do not speak for it run by run: of its own settings a seed counts once."""
    arms = lambda_arms(dict.fromkeys((0.0, 0.1, 1.0, 10.0, 100.0), 0.04), baseline=None)
    evidence = concluded(tmp_path, StudyModel(arms=arms, seeds=SEEDS, strata=TAGS, cell_sd=0.002)).evidence
    control, *settings = evidence.study.arms
    units = tuple({arm: 1.0, control: -1.0} for arm in settings[:2])
    sides = Sides(units=units, subject="VMP", against="the control")
    made = evidence.compare([sides] * len(TAGS), "strata", [stratum_column(tag) for tag in TAGS])
    possible = [one.collapse.possible_rate for one in made if one.collapse]
    assert possible == pytest.approx([largest_unseen_rate(len(SEEDS), 0.025)] * len(TAGS))


def test_arms_against_one_reference_that_may_collapse(tmp_path: Path) -> None:
    """Six runs of the reference are no 24, however many arms are compared with it."""
    arms = lambda_arms({0.0: 0.08, 0.1: 0.04, 1.0: 0.04, 10.0: 0.04, 100.0: 0.04}, control=False, baseline=None)
    study = load_study(write_study(tmp_path, StudyModel(arms=arms, seeds=SEEDS, cell_sd=0.002)).path)
    best, *others = study.arms
    made = Evidence(study).compare([Sides.pair(arm, best) for arm in others], "against the first")
    assert {one.verdict for one in made} == {Verdict.BEHIND}
    alone = Evidence(study).compare([Sides.pair(others[0], best)], "the first of them alone")
    assert {one.verdict for one in alone} == {Verdict.BEHIND}


def test_a_training_that_is_tested_twice_counts_once(tmp_path: Path) -> None:
    orders, shifts = ("forward", "reversed"), {-0.3: {0, 1, 2, 3, 4}, 0.0: {0}, 0.3: set[int]()}
    arms = [
        ArmModel(
            {"prompt": "vmp", "n": n, "test.order": order},
            effect=0.05 * (order == "forward"),
            collapsed=frozenset(hit),
        )
        for n, hit in shifts.items()
        for order in orders
    ]
    conclusions = concluded(tmp_path, StudyModel(name="start", arms=arms, seeds=SEEDS))
    effects = {effect.factor.name: effect for effect in conclusions.verdicts[0].effects if effect.factor}
    of_shift, of_order = effects["n"].rates, effects["test.order"].rates
    assert of_order is None, "both orders test the same trainings"
    assert of_shift is not None
    assert (of_shift.subject.count, of_shift.subject.n) == (0, 6)
    assert (of_shift.against.count, of_shift.against.n) == (5, 6)
    assert conclusions.evidence.healthy_runs == 0
