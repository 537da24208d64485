"""The contract of every proposer, grid and all samplers: same answers for the same results, whenever it was killed."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import optuna
import pytest

from sweeps.plan import Task, grid_tasks
from sweeps.propose.arm_search import SAMPLERS, ArmSearch, CellResult
from sweeps.propose.registry import make_proposer
from sweeps.propose.search_replay import ReplayedSearch
from sweeps.propose.settings import SearchSettings, change_search
from sweeps.records.cell_record import CellRecord, Provenance
from sweeps.records.plan_record import Proposal
from sweeps.records.study_folder import StudyFolder
from sweeps.replay import replay
from sweeps.run import idle_workers
from sweeps.study import Study
from tests.conftest import ROOT
from tests.sweeps.staged import Killed, small_study
from tests.sweeps.staged import drive as drive_with
from vmp.core.errors import InputError

STUDY = small_study("factors.prompt=[control, vmp]", "factors.lambda=[0, 0.01, 100]", "seeds=[0, 1, 2]")
CHOICES = small_study("factors.prompt=[vmp]", "factors.lambda=null", "factors.augment.flip=[true, false]")
METHODS = sorted(set(SAMPLERS) - {"bruteforce"} - ({"cmaes"} if find_spec("cmaes") is None else set()))


def record_of(weight: object) -> float:
    return 0.3 if not isinstance(weight, float) or weight == 0 else 0.9 - 0.1 * abs(math.log10(weight))


def record(task: Task) -> CellRecord:
    """A record whose accuracy is a known function of lambda (best at 1, 0 is poor) and a paired seed effect."""
    score = record_of(task.factors.get("lambda"))
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
@pytest.mark.parametrize("more", [{"in_flight": 1}, {"in_flight": 3}, {"in_flight": 2, "first_seeds": 1}])
def test_proposals_depend_on_results_and_arms_in_flight_alone(
    method: str | None, more: dict[str, int], tmp_path: Path
) -> None:
    settings = None if method is None else SearchSettings(method=method, arms=5, **more)  # type: ignore[arg-type]
    straight = drive(STUDY, settings, StudyFolder(tmp_path / "straight"))
    killed = StudyFolder(tmp_path / "killed")
    for after in (2, 7):  # within the references, and within an arm
        with pytest.raises(Killed):
            drive(STUDY, settings, killed, kill_after=after, order=after)
    resumed = drive(STUDY, settings, killed, order=64)
    assert [t.hash for tasks in straight for t in tasks] == [t.hash for tasks in resumed for t in tasks]
    assert killed.read_plan().cells == StudyFolder(tmp_path / "straight").read_plan().cells
    if method is None:
        assert [task.hash for task in straight[0]] == [task.hash for task in grid_tasks(STUDY)]
    else:
        assert len(weights(straight)) == 5
        assert all(weight == 0 or 0.01 <= weight <= 100 for weight in weights(straight))
        assert {task.factors["prompt"] for task in straight[0]} == {"control"}


def test_arms_start_on_few_seeds_and_the_best_go_on(tmp_path: Path) -> None:
    study = dataclasses.replace(STUDY, seeds=tuple(range(8)))
    settings = SearchSettings(method="random", arms=12, first_seeds=2, in_flight=3)
    rounds = drive(study, settings, StudyFolder(tmp_path))
    seeds = Counter(task.factors["lambda"] for tasks in rounds for task in tasks if task.factors["prompt"] == "vmp")
    assert StudyFolder(tmp_path).read_plan().search.rungs == [2, 4, 8]
    assert set(seeds.values()) <= {2, 4, 8}
    assert list(seeds.values()).count(8) >= 1
    assert sum(seeds.values()) < 12 * 8 * 0.6
    best = max(seeds, key=lambda weight: record_of(weight))
    assert seeds[best] == 8
    for tasks in rounds[1:]:  # a round is an arm on its next seeds, compared on the same ones
        assert len({repr(task.factors) for task in tasks}) == 1
        assert [task.seed for task in tasks] in ([0, 1], [2, 3], [4, 5, 6, 7])


def test_a_replay_answers_a_search_from_a_finished_grid() -> None:
    folder = StudyFolder(ROOT / "results" / "reference" / "lambda")
    whole = replay(folder, "tpe", {})
    few = replay(folder, "tpe", {"first_seeds": 3})
    assert isinstance(whole, ReplayedSearch)
    assert isinstance(few, ReplayedSearch)
    assert few == replay(folder, "tpe", {"first_seeds": 3})
    assert few.cells < whole.cells <= whole.grid_cells
    assert {seeds for _, seeds, _ in whole.arms} == {len(folder.read_plan().seeds)}
    assert whole.best is not None
    assert whole.best_of_grid is not None
    assert whole.best[2] is not None
    assert whole.best[2] <= whole.best_of_grid[1]


def test_the_sampler_is_told_the_mean_with_its_number_of_seeds() -> None:
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    search = ArmSearch(SearchSettings(method="random", arms=4, first_seeds=1, factor=2), space, 4)
    by_arm: dict[int, list[float]] = {}
    while (step := search.ask()) is not None:
        scores = [0.1 * step.arm + 0.01 * seed for seed in range(step.first, step.last)]
        by_arm.setdefault(step.arm, []).extend(scores)
        search.tell(step, [CellResult("complete", score) for score in scores])
    trials = search._trials.trials
    assert len(by_arm[3]) == 4  # the best
    for trial, scores in zip(trials, by_arm.values(), strict=True):
        assert trial.value == pytest.approx(sum(scores) / len(scores))
        assert trial.user_attrs["seeds"] == len(scores) == trial.last_step


def test_cells_without_a_score_end_an_arm() -> None:
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    search = ArmSearch(SearchSettings(method="random", arms=4), space, 2)
    rounds = [("complete", 0.6), ("diverged", None)], [("complete", 0.6), ("stopped", 0.2)], [("failed", None)] * 2
    for results in rounds:
        step = search.ask()
        assert step is not None
        search.tell(step, [CellResult(*one) for one in results])
    states = [trial.state.name for trial in search._trials.trials]
    assert states == ["COMPLETE", "PRUNED", "FAIL"]  # the diverged seed counts with the lowest score there is
    assert search.values == {0: 0.6}


def test_accuracy_against_cost_keeps_the_front() -> None:
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    settings = SearchSettings(method="nsga2", arms=60, against="seconds", options={"population_size": 10})
    search = ArmSearch(settings, space, 2)
    xs = []
    while (step := search.ask()) is not None:  # accuracy is best at 0.3, cost rises: the front is 0 to 0.3
        x = step.params["x"]
        xs.append(x)
        search.tell(step, [CellResult("complete", 1 - (x - 0.3) ** 2, cost=x)] * 2)
    assert sum(x <= 0.3 for x in xs[30:]) > sum(x <= 0.3 for x in xs[:10]) * 3
    assert len(search._trials.best_trials) > 5


def test_a_search_comes_to_the_best_region(tmp_path: Path) -> None:
    found = weights(drive(STUDY, SearchSettings(arms=16), StudyFolder(tmp_path)))
    assert len(found) == 16
    assert 0.0 in found  # exact zero is a choice of its own on a log scale
    assert sum(0.1 <= weight <= 10 for weight in found) > len(found) / 2


def test_the_proposals_of_a_plan_stand(tmp_path: Path) -> None:
    """Another version of Optuna proposes other arms; those that have run stay."""
    settings = SearchSettings(arms=6, in_flight=3)
    for method in ("tpe", "qmc"):  # one that proposes from the trials alone, one that counts its proposals
        folder = StudyFolder(tmp_path / method)
        with pytest.raises(Killed):
            drive(STUDY, dataclasses.replace(settings, method=method), folder, kill_after=3 * 4)
        plan = folder.read_plan()
        asked = len(plan.search.proposals)
        changed = [Proposal(params={"lambda": 0.5 + i}, arm=i) for i in range(asked)]
        folder.write_plan(plan.model_copy(update={"search": plan.search.model_copy(update={"proposals": changed})}))
        resumed = weights(drive(STUDY, dataclasses.replace(settings, method=method), folder))
        assert resumed[:asked] == [0.5 + i for i in range(asked)]
        assert len(resumed) == 6


def test_workers_without_cells_are_said_and_change_nothing() -> None:
    search = make_proposer(STUDY, SearchSettings(in_flight=2, first_seeds=1), None)
    assert idle_workers(search, 2) is None
    assert "2 cells at a time, fewer than 6 workers" in str(idle_workers(search, 6))
    assert "--set search.in_flight=6" in str(idle_workers(search, 6))
    assert idle_workers(make_proposer(STUDY, None, None), 99) is None


def test_a_factor_that_the_proposed_kind_does_not_read_is_none() -> None:
    factors = ("factors.prompt=[none, vmp]", "factors.normalization=[sigmoid, gamma]", "factors.m=[0.1, 2]")
    study = small_study("factors.lambda=null", *factors)
    proposer = make_proposer(study, SearchSettings(method="random", arms=8, in_flight=9), None)
    arms = {tuple(task.factors.values()) for _ in range(9) for task in proposer.ask()}
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
        ({"first_seeds": 4}, r"search.first_seeds is 4, and study 'lambda' has 3 seeds"),
    ],
)
def test_a_search_that_cannot_be_made_is_one_sentence(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make_proposer(STUDY, SearchSettings(**settings), None)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["TPESampler", "tpe", "TPE", "nsga2", "NSGAIISampler", "cma-es"])
def test_a_sampler_goes_by_its_class_or_its_short_name(name: str) -> None:
    if "cma" in name and find_spec("cmaes") is None:
        with pytest.raises(InputError, match=r"needs the package 'cmaes'.*install it"):
            make_proposer(STUDY, SearchSettings(method=name), None)
    else:
        make_proposer(STUDY, SearchSettings(method=name), None)


def test_a_folder_holds_one_search(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    drive(STUDY, SearchSettings(arms=2), folder)
    for other in (
        SearchSettings(seed=1),
        SearchSettings(method="gp"),
        SearchSettings(options={"n_startup_trials": 2}),
        SearchSettings(in_flight=5),
        SearchSettings(first_seeds=2),
    ):
        with pytest.raises(InputError, match=r"holds a search with .* give another --out"):
            make_proposer(STUDY, other, folder)
    factors = {"prompt": ("vmp",), "n": (-0.5, 0.5), "lambda": (0, 1)}
    with pytest.raises(InputError, match=r"of other factors or ranges.*another --out"):
        make_proposer(dataclasses.replace(STUDY, factors=factors), SearchSettings(arms=3), folder)
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


def test_a_search_logs_nothing_of_optuna_and_leaves_its_level_to_the_user(tmp_path: Path) -> None:
    said: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = said.append  # type: ignore[method-assign]
    log = logging.getLogger("optuna")
    log.addHandler(handler)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        drive(STUDY, SearchSettings(method="tpe", arms=3), StudyFolder(tmp_path))
        assert (said, optuna.logging.get_verbosity()) == ([], optuna.logging.INFO)
        optuna.create_study()
        assert len(said) == 1
    finally:
        log.removeHandler(handler)
        optuna.logging.set_verbosity(before)
