"""The race as a search: the same drops for the same records, whatever was killed, whoever ran the cells."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweeps.plan import Task
from sweeps.propose.registry import make_proposer
from sweeps.propose.settings import SearchSettings, change_search
from sweeps.race_forecast import forecast_race
from sweeps.race_state import RaceState, StudyRace
from sweeps.racing import read_race
from sweeps.records.cell_record import CellRecord, Provenance
from sweeps.records.study_folder import StudyFolder
from sweeps.replay import replay_race
from sweeps.run import run_study
from sweeps.stats.race import Ending
from tests.conftest import ROOT, Vmp
from tests.sweeps.command_line import GRID, Start, cells, gated, wait_for_cells
from tests.sweeps.staged import Killed, drive, open_gate, small_study
from vmp.core.errors import InputError
from vmp.core.seeding import derive_seed

STUDY = small_study("factors.prompt=[control, vmp]", "factors.lambda=[0, 0.01, 1, 100]", "seeds=[0, 1, 2]")
RACE = SearchSettings(method="race", options={"max_seeds": 13})
GAIN = {None: -0.06, 0: 0.0, 0.01: 0.002, 1: 0.03, 100: 0.0}  # of each lambda; None is the control


def record(task: Task) -> CellRecord:
    """Normal noise that the cell decides; with lambda 100 every run collapses."""
    rng = np.random.default_rng(derive_seed(task.seed, repr(task.factors)) % 2**32)
    weight = task.factors["lambda"]
    assert weight is None or isinstance(weight, float | int)
    value = 0.6 + GAIN[weight] + 0.01 * rng.normal() - 0.2 * (weight == 100)
    return CellRecord(
        hash=task.hash,
        factors=task.factors,
        seed=task.seed,
        status="complete",
        metrics={"val_top1": value, "collapsed": None if weight is None else weight == 100},
        provenance=Provenance(engine="test"),
    )


def races(folder: StudyFolder) -> StudyRace:
    plan = folder.read_plan()
    found = read_race(plan, folder.records(plan))
    assert found is not None
    return found


def state(folder: StudyFolder) -> RaceState:
    (race,) = races(folder).races
    return race


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    folder = StudyFolder(tmp_path_factory.mktemp("race"))
    drive(STUDY, RACE, folder, record)
    return folder


def test_a_race_ends_with_the_best_arm_and_says_who_was_dropped(finished: StudyFolder) -> None:
    race = state(finished)
    plan = finished.read_plan()
    assert race.ending is Ending.BEST
    assert [arm.factors["lambda"] for arm in race.alive] == [1]
    assert race.cells == len(plan.cells) == len(list(finished.cells_path.iterdir())) < race.grid_cells == 5 * 13
    assert {arm.factors["lambda"]: arm.way for arm in race.arms}[100] == "collapse"
    assert plan.seeds == list(range(race.seeds))
    by_arm = [[cell.seed for cell in plan.cells if cell.factors == arm.factors] for arm in race.arms]
    assert by_arm == [list(range(arm.seeds)) for arm in race.arms]
    assert race.lines()[0].startswith("The race ended after")
    assert "lambda=1 is best" in race.lines()[0]
    assert any("lambda=100 is dropped" in line and "rate of collapse" in line for line in race.lines())


def test_a_killed_race_drops_the_same(finished: StudyFolder, tmp_path: Path) -> None:
    killed = StudyFolder(tmp_path)
    for after in (2, 11, 4):  # within the first look, at a look, within a later one
        with pytest.raises(Killed):
            drive(STUDY, RACE, killed, record, kill_after=after, order=after)
    drive(STUDY, RACE, killed, record, order=64)
    assert state(killed) == state(finished)
    assert killed.read_plan().cells == finished.read_plan().cells
    assert cells(tmp_path) == cells(finished.path)


def test_a_failed_cell_gets_another_chance_before_anything_is_decided_without_it(
    finished: StudyFolder, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path)

    def broken(task: Task) -> CellRecord:
        failed = task.seed == 1 and task.factors["lambda"] == 1
        return record(task).model_copy(update={"status": "failed", "metrics": {}} if failed else {})

    drive(STUDY, RACE, folder, broken)
    without = state(folder)
    assert without.ending is Ending.BEST
    assert without.seeds >= 4  # the leader had only two runs at the first look
    lacking = {arm.seeds - arm.n for arm in without.arms if arm.factors["lambda"] != 1}
    assert lacking == {1}, "all others are compared with it without the seed that failed"
    drive(STUDY, RACE, folder, record)
    assert state(folder) == state(finished)


def test_a_replay_decides_what_the_race_did(finished: StudyFolder, tmp_path: Path, call_vmp: Vmp) -> None:
    grid = StudyFolder(tmp_path)
    drive(dataclasses.replace(STUDY, seeds=tuple(range(13))), None, grid, record)
    assert replay_race(grid) == races(finished)
    assert replay_race(finished) == races(finished)
    printed = call_vmp("sweep", "replay", tmp_path, "--search", "race", "--json")
    assert (printed.returncode, printed.stderr) == (0, "")
    shown: dict[str, Any] = json.loads(printed.stdout)
    assert (shown["decision"], shown["arms"]) == ("best", [{"prompt": "vmp", "lambda": 1}])
    assert shown["cells"] == state(finished).cells
    assert [look["seeds"] for look in shown["looks"]][:3] == [3, 4, 5]
    assert sum(len(look["dropped"]) for look in shown["looks"]) == 4
    said = call_vmp("sweep", "replay", tmp_path, "--search-option", "max_seeds=3")
    assert "It took 15 of 15 cells, 100%." in said.stdout


FACTORS = ("factors.prompt=[control, vmp]", "factors.lambda=[0, 1]", "factors.sampling=[uniform, segment]")
BLOCKS = small_study(*FACTORS, "blocks=[sampling]", "seeds=[0, 1, 2]")


def record_in_block(task: Task) -> CellRecord:
    """As `record`, but with segment sampling lambda 0 is clearly the best, and the control is near lambda 1."""
    made = record(task)
    if task.factors["sampling"] == "uniform":
        return made
    gain = {None: 0.0, 0: 0.06, 1: -0.03}[task.factors["lambda"]]  # type: ignore[index]
    return made.model_copy(update={"metrics": made.metrics | {"val_top1": float(made.metrics["val_top1"] or 0) + gain}})


@pytest.fixture(scope="module")
def in_blocks(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    folder = StudyFolder(tmp_path_factory.mktemp("blocks"))
    drive(BLOCKS, RACE, folder, record_in_block)
    return folder


def test_each_block_is_a_race_that_ends_as_if_it_were_raced_alone(in_blocks: StudyFolder, tmp_path: Path) -> None:
    made = races(in_blocks)
    assert [race.block for race in made.races] == [{"sampling": "uniform"}, {"sampling": "segment"}]
    for race, best in zip(made.races, (1, 0), strict=True):
        (sampling,) = race.block.values()
        assert (race.ending, [arm.factors["lambda"] for arm in race.alive]) == (Ending.BEST, [best])
        assert all(arm.beaten_by is None or arm.beaten_by["sampling"] == sampling for arm in race.arms)
        alone = StudyFolder(tmp_path / str(sampling))
        study = small_study(*FACTORS[:2], f"factors.sampling=[{sampling}]", "seeds=[0, 1, 2]")
        drive(study, RACE, alone, record_in_block)
        assert dataclasses.replace(state(alone), block=race.block) == race
    assert len({race.seeds for race in made.races}) == 2  # each by its own looks
    plan = in_blocks.read_plan()
    assert made.cells == sum(race.cells for race in made.races) == len(plan.cells) < made.grid_cells == 6 * 13
    assert made.lines()[0] == (
        "The error of 5% holds in each of the 2 races, one a block; that any of the 2 races drops its best arm has "
        "probability at most 10%."
    )
    assert sum(line.startswith("In sampling=") for line in made.lines()) == 2


def test_killed_races_in_blocks_drop_the_same_and_each_says_once_how_it_ended(
    in_blocks: StudyFolder, tmp_path: Path
) -> None:
    killed = StudyFolder(tmp_path)
    for after in (3, 9, 5):
        with pytest.raises(Killed):
            drive(BLOCKS, RACE, killed, record_in_block, kill_after=after, order=after)
    drive(BLOCKS, RACE, killed, record_in_block, order=64)
    assert races(killed) == races(in_blocks)
    assert cells(tmp_path) == cells(in_blocks.path)
    proposer = make_proposer(BLOCKS, RACE, None)
    said = []
    while tasks := proposer.ask():
        proposer.tell([record_in_block(task) for task in tasks])
        said += proposer.news()
    assert sorted(said) == sorted(line for race in races(in_blocks).races for line in [*race.drops(), race.sentence()])


def test_a_reference_of_several_blocks_races_in_each_and_its_cells_count_once(tmp_path: Path) -> None:
    study = small_study("factors.prompt=[control, vmp]", "factors.lambda=[0, 1]", "blocks=[lambda]", "seeds=[0, 1, 2]")
    drive(study, RACE, folder := StudyFolder(tmp_path), record)
    made = races(folder)
    assert [[arm.factors["prompt"] for arm in race.arms] for race in made.races] == [["control", "vmp"]] * 2
    assert {race.ending for race in made.races} == {Ending.BEST}
    assert made.cells == len(folder.read_plan().cells) < sum(race.cells for race in made.races)
    assert made.grid_cells == 3 * 13


def test_races_in_blocks_are_planned_replayed_and_shown(in_blocks: StudyFolder, tmp_path: Path, call_vmp: Vmp) -> None:
    grid = StudyFolder(tmp_path)
    drive(dataclasses.replace(BLOCKS, seeds=tuple(range(13))), None, grid, record_in_block)
    assert replay_race(grid) == races(in_blocks)
    shown = json.loads(call_vmp("sweep", "replay", grid.path, "--json").stdout)
    assert shown == json.loads(call_vmp("sweep", "status", in_blocks.path, "--json").stdout)["race"]
    assert (shown["decision"], shown["cells"], shown["by_arm"]) == ("best", races(in_blocks).cells, None)
    assert [(one["block"], one["arms"][0]["lambda"]) for one in shown["blocks"]] == [
        ({"sampling": "uniform"}, 1),
        ({"sampling": "segment"}, 0),
    ]
    with pytest.raises(
        InputError, match=r"holds a race with blocks \['sampling'\], not by default; give another --out"
    ):
        make_proposer(dataclasses.replace(BLOCKS, blocks=None), RACE, in_blocks)
    expected = forecast_race(BLOCKS, RACE, in_blocks.read_plan().arms())
    half = {name: arm for name, arm in in_blocks.read_plan().arms().items() if arm["sampling"] == "uniform"}
    alone = forecast_race(BLOCKS, RACE, half)
    assert [2 * one.cells for one in alone.expected] == [one.cells for one in expected.expected]
    assert any("sampling=uniform (3 arms) and sampling=segment (3 arms)" in line for line in expected.lines(BLOCKS))
    assert any(line.startswith("Each race drops") and line.endswith("at most 10%.") for line in expected.lines(BLOCKS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--search", "tpi"), "Did you mean 'tpe'?"),
        (("--search", "tpe", "--search-option", "first_seeds=40"), "first_seeds is 40"),
        (("--search-option", "max_seeds=30"), "arms for its next look, and"),
        (("--search-option", "max_seeds=2"), "max_seeds"),
        (("--search-option", "cap=4"), "cap"),
    ],
)
def test_a_replay_that_cannot_be_made_is_one_sentence(options: tuple[str, ...], message: str, call_vmp: Vmp) -> None:
    done = call_vmp("sweep", "replay", ROOT / "results" / "reference" / "lambda", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_rules_stay_as_they_were_stated(finished: StudyFolder) -> None:
    for study, options, name in (
        (STUDY, {"max_seeds": 20}, "max_seeds 13, not 20"),
        (STUDY, {"max_seeds": 13, "alpha": 0.1}, r"alpha 0\.05, not 0\.1"),
        (dataclasses.replace(STUDY, margin=0.05), RACE.options, r"margin 0\.02, not 0\.05"),
    ):
        with pytest.raises(InputError, match=f"holds a race with {name}; give another --out"):
            make_proposer(study, SearchSettings(method="race", options=options), finished)


@pytest.mark.parametrize(
    ("overrides", "options", "message"),
    [
        ({"factors": {"prompt": ("vmp",)}}, {}, "has one arm, and a race needs two"),
        (
            {"factors": {"data.size": (16, 32)}, "blocks": ("data.size",)},
            {},
            r"one arm in data.size=16, and each block \(data.size\) is a race that needs two; .*`blocks: \[\]`",
        ),
        ({}, {"max_seed": 4}, "did you mean 'max_seeds'"),
        ({}, {"max_seeds": 2}, "max_seeds"),
    ],
)
def test_a_race_that_cannot_be_made_is_one_sentence(
    overrides: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    study = dataclasses.replace(STUDY, **overrides)
    with pytest.raises(InputError, match=message) as error:
        make_proposer(study, SearchSettings(method="race", options=options), None)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="--arms belongs to a search that proposes arms"):
        change_search(None, "race", 3, ())


def test_seeds_beyond_those_of_the_study() -> None:
    study = dataclasses.replace(STUDY, seeds=(5, 3, 9))
    proposer = make_proposer(study, RACE, None)
    assert [task.seed for task in proposer.ask()][:3] == [5, 3, 9]
    assert proposer.seeds[3:6] == (10, 11, 12)  # type: ignore[attr-defined]


def test_the_plan_states_the_error_and_the_cells(call_vmp: Vmp, tmp_path: Path) -> None:
    race = ("--search", "race", "--search-option", "max_seeds=10")
    planned = call_vmp("sweep", "plan", *GRID, *race, cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "race over at most 10 seeds (the study's 2, then 2 to 9), with looks after 3, 4, 5, 6, 8 and 10" in (
        planned.stdout
    )
    assert "drops the truly best arm with probability at most 5% over all looks" in planned.stdout
    shown = json.loads(call_vmp("sweep", "plan", *GRID, *race, "--json", cwd=tmp_path).stdout)["race"]
    by_case = [one["cells"] for one in shown["expected"]]
    assert 12 <= by_case[1] < by_case[0] < shown["max_cells"] == 40
    assert not list(tmp_path.iterdir())


def test_a_race_from_the_command_line_goes_on_after_a_kill(start: Start, call_vmp: Vmp, tmp_path: Path) -> None:
    race = ("--search", "race", "--search-option", "max_seeds=4")
    arguments = ("sweep", "run", *gated(tmp_path / "gate", free=5), *race, "--out", tmp_path / "killed")
    sweep = start(*arguments, "--workers", 2)
    wait_for_cells(tmp_path / "killed", 5, sweep)
    sweep.kill()
    sweep.wait()
    running = call_vmp("sweep", "status", tmp_path / "killed")
    assert running.returncode == 3
    assert "The race is running: 4 of 4 arms in it after 0 seeds and 0 cells." in running.stdout
    open_gate(tmp_path / "gate")
    done = call_vmp(*arguments)
    assert done.returncode == 0, done.stderr
    assert "The race ended after" in done.stderr
    straight = call_vmp(*arguments[:-1], tmp_path / "straight", "--workers", 2)
    assert straight.returncode == 0, straight.stderr
    killed, other = (StudyFolder(tmp_path / name) for name in ("killed", "straight"))
    assert state(killed) == state(other)
    shown = json.loads(call_vmp("sweep", "status", killed.path, "--json").stdout)
    assert shown["race"]["cells"] == shown["planned"] == shown["complete"]
    assert (shown["is_complete"], shown["race"]["next_look"]) == (True, None)
    report = call_vmp("report", killed.path)
    assert report.returncode == 0, report.stderr


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_ray_drops_the_same(tmp_path: Path) -> None:
    study = small_study("factors.prompt=[control, vmp]", "factors.lambda=[0, 1]")
    settings = SearchSettings(method="race", options={"max_seeds": 4})
    for engine in ("local", "ray"):
        assert run_study(study, tmp_path / engine, workers=2, engine=engine, search=settings).exit_code == 0
    assert state(StudyFolder(tmp_path / "local")) == state(StudyFolder(tmp_path / "ray"))
