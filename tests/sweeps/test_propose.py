"""The contract of every proposer, grid and all samplers: same answers for the same results, whenever it was killed."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from sweeps.plan import Task, grid_tasks
from sweeps.propose.optuna_search import SAMPLERS
from sweeps.propose.registry import make_proposer
from sweeps.propose.settings import SearchSettings, change_search
from sweeps.record import CellRecord, Provenance, StudyFolder
from sweeps.study import Study
from tests.sweeps.staged import Killed, small_study
from tests.sweeps.staged import drive as drive_with
from vmp.core.errors import InputError

STUDY = small_study("factors.prompt=[control, vmp]", "factors.lambda=[0, 0.01, 100]", "seeds=[0, 1, 2]")
CHOICES = small_study("factors.prompt=[vmp]", "factors.lambda=null", "factors.augment.flip=[true, false]")
MISSING = {"cmaes": "cmaes"}  # sampler -> the package that it needs and we do not install
METHODS = sorted(set(SAMPLERS) - set(MISSING) - {"bruteforce"})


def record(task: Task) -> CellRecord:
    """A record whose accuracy is a known function of lambda (best at 1, 0 is poor) and a paired seed effect."""
    weight = task.factors.get("lambda")
    score = 0.3 if not isinstance(weight, float) or weight == 0 else 0.9 - 0.1 * abs(math.log10(weight))
    return CellRecord(
        hash=task.hash,
        factors=task.factors,
        seed=task.seed,
        status="complete",
        metrics={"val_top1": score + 0.01 * task.seed},
        provenance=Provenance(engine="test"),
    )


def drive(study: Study, settings: SearchSettings | None, folder: StudyFolder, **how: int) -> list[list[Task]]:
    return drive_with(study, settings, folder, record, **how)


def weights(rounds: Sequence[Sequence[Task]]) -> list[float]:
    """The lambdas in the order of their proposal."""
    factors = [task.factors["lambda"] for tasks in rounds for task in tasks]
    return list(dict.fromkeys(weight for weight in factors if isinstance(weight, float)))


@pytest.mark.parametrize("method", [None, *METHODS])
@pytest.mark.parametrize("in_flight", [1, 3])
def test_proposals_depend_on_results_and_arms_in_flight_alone(
    method: str | None, in_flight: int, tmp_path: Path
) -> None:
    settings = method and SearchSettings(method=method, arms=5, in_flight=in_flight)
    straight = drive(STUDY, settings or None, StudyFolder(tmp_path / "straight"))
    killed = StudyFolder(tmp_path / "killed")
    for after in (2, 7):  # within the references, and within an arm
        with pytest.raises(Killed):
            drive(STUDY, settings or None, killed, kill_after=after, workers=after)
    resumed = drive(STUDY, settings or None, killed, workers=64)
    assert [t.hash for tasks in straight for t in tasks] == [t.hash for tasks in resumed for t in tasks]
    if method is None:
        assert [task.hash for (task,) in zip(straight[0], strict=True)] == [t.hash for t in grid_tasks(STUDY)]
    else:
        assert len(weights(straight)) == 5
        assert all(weight == 0 or 0.01 <= weight <= 100 for weight in weights(straight))
        assert len({repr(task.factors) for task in straight[0]}) == in_flight + 1  # and the control


def test_a_search_comes_to_the_best_region(tmp_path: Path) -> None:
    found = weights(drive(STUDY, SearchSettings(arms=16), StudyFolder(tmp_path)))
    assert len(found) == 16
    assert 0.0 in found  # exact zero is a choice of its own on a log scale
    assert sum(0.1 <= weight <= 10 for weight in found) > len(found) / 2


def test_a_killed_search_between_asking_and_running(tmp_path: Path) -> None:
    """The arms of a round are stored one after the other; a kill between two of them must not change the second."""
    settings = SearchSettings(arms=6, in_flight=3)
    straight = drive(STUDY, settings, StudyFolder(tmp_path / "straight"))
    folder = StudyFolder(tmp_path / "killed")
    with pytest.raises(Killed):
        drive(STUDY, settings, folder, kill_after=3 * 4)  # the second round is asked for, and none of it has run
    with contextlib.closing(sqlite3.connect(folder.path / "search.db")) as storage, storage:
        (last,) = storage.execute("SELECT max(trial_id) FROM trials").fetchone()
        for (table,) in storage.execute(
            "SELECT name FROM sqlite_master WHERE sql LIKE '%trial_id INTEGER%'"
        ).fetchall():
            storage.execute(f"DELETE FROM {table} WHERE trial_id = {last}")  # as if the process had ended before it
    assert weights(drive(STUDY, settings, folder)) == weights(straight)


def test_arms_in_flight_follow_the_workers_and_stay(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    drive(STUDY, SearchSettings(arms=2), folder, workers=7)
    assert folder.read_plan().search.in_flight == 3  # 7 workers, 3 seeds
    drive(STUDY, SearchSettings(arms=3), folder, workers=1)
    assert folder.read_plan().search.in_flight == 3


def test_an_arm_without_all_its_seeds_is_not_told(tmp_path: Path) -> None:
    proposer = make_proposer(STUDY, SearchSettings(arms=2, in_flight=2), None)
    tasks = proposer.ask()
    records = [record(task) for task in tasks]
    records[-1] = records[-1].model_copy(update={"status": "stopped"})
    proposer.tell(records)
    states = [trial.state.name for trial in proposer._trials.trials]  # type: ignore[attr-defined]
    assert states == ["COMPLETE", "FAIL"]


def test_a_factor_that_the_proposed_kind_does_not_read_is_none() -> None:
    factors = ("factors.prompt=[none, vmp]", "factors.normalization=[sigmoid, gamma]", "factors.m=[0.1, 2]")
    study = small_study("factors.lambda=null", *factors)
    proposer = make_proposer(study, SearchSettings(method="random", arms=8, in_flight=8), None)
    arms = {tuple(task.factors.values()) for task in proposer.ask()}
    assert {arm for arm in arms if arm[0] == "none"} == {("none", None, None)}
    assert {(kind, m is None) for prompt, kind, m in arms if prompt == "vmp"} == {("sigmoid", False), ("gamma", True)}


def test_a_space_that_is_exhausted_ends_the_search(tmp_path: Path) -> None:
    for method in ("tpe", "bruteforce"):
        rounds = drive(CHOICES, SearchSettings(method=method, arms=9), StudyFolder(tmp_path / method))
        assert {task.factors["augment.flip"] for tasks in rounds for task in tasks} == {True, False}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "tpi"}, r"unknown search method 'tpi'. Did you mean 'tpe'\? Valid:.*gp, grid"),
        ({"options": {"n_startup": 3}}, r"search.options.n_startup is an unknown key; did you mean 'n_startup_trials'"),
        ({"options": {"seed": 3}}, r"the seed of a search is search.seed"),
        ({"method": "qmc", "options": {"qmc_type": "sobl"}}, r"search method 'qmc' refuses its options"),
        ({"method": "bruteforce"}, r"search method 'bruteforce' refuses .*give others, or another method"),
        ({"method": "no_such:Thing"}, r"cannot import 'no_such'"),
        *(({"method": name}, rf"needs the package '{package}'.*install it") for name, package in MISSING.items()),
    ],
)
def test_a_search_that_cannot_be_made_is_one_sentence(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make_proposer(STUDY, SearchSettings(**settings), None)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["TPESampler", "tpe", "TPE", "nsga2", "NSGAIISampler", "cma-es"])
def test_a_sampler_goes_by_its_class_or_its_short_name(name: str) -> None:
    if "cma" in name:
        with pytest.raises(InputError, match="needs the package"):
            make_proposer(STUDY, SearchSettings(method=name), None)
    else:
        make_proposer(STUDY, SearchSettings(method=name), None)


def test_a_folder_holds_one_search(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    drive(STUDY, SearchSettings(arms=2), folder)
    for other in (SearchSettings(seed=1), SearchSettings(method="gp"), SearchSettings(options={"n_startup_trials": 2})):
        with pytest.raises(InputError, match=r"holds a search with .* give another --out"):
            make_proposer(STUDY, other, folder)
    factors = {"prompt": ("vmp",), "n": (-0.5, 0.5), "lambda": (0, 1)}
    with pytest.raises(InputError, match=r"other factors.*another --out"):
        make_proposer(dataclasses.replace(STUDY, factors=factors), SearchSettings(arms=3), folder).ask()
    with pytest.raises(InputError, match="leaves nothing to search"):
        make_proposer(dataclasses.replace(STUDY, factors={"prompt": ("control", "vmp")}), SearchSettings(), folder)


def test_the_command_line_changes_the_search_of_a_study() -> None:
    of_study = SearchSettings(method="gp", arms=4, options={"n_startup_trials": 2})
    assert change_search(None, None, None, ()) is None
    assert change_search(of_study, None, 7, ()) == dataclasses.replace(of_study, arms=7)
    assert change_search(of_study, "tpe", None, ("n_startup_trials=3",)) == SearchSettings(
        arms=4, options={"n_startup_trials": 3}
    )
    grid = change_search(of_study, "grid", None, ())
    assert grid is not None
    assert len(make_proposer(STUDY, grid, None).ask()) == len(grid_tasks(STUDY))
    with pytest.raises(InputError, match="--arms belongs to a search"):
        change_search(None, None, 3, ())
    with pytest.raises(InputError, match=r"--search-option 'x' must be key=value"):
        change_search(of_study, None, None, ("x",))
