"""Rules that end cells early: the same cells for any order in which they end, and never seeds against each other."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sweeps.executors.base import Progress
from sweeps.plan import Task
from sweeps.propose.registry import make_proposer
from sweeps.propose.rounds import Rounds
from sweeps.propose.settings import SearchSettings
from sweeps.records.cell_record import CellRecord, Provenance
from sweeps.records.study_folder import StudyFolder
from sweeps.run import run_study
from sweeps.stop.config import StopSettings, is_comparing
from sweeps.stop.rule import RULES, StopRule, make_pruner
from sweeps.study import Study
from tests.conftest import Vmp
from tests.sweeps.staged import small_study
from vmp.core.errors import InputError

EPOCHS = 7
WEIGHTS = [0, 0.01, 0.1, 0.5, 1, 2, 5, 10, 50, 100]
STUDY = small_study("factors.prompt=[vmp]", f"factors.lambda={WEIGHTS}", "seeds=[0, 1]", f"train.epochs={EPOCHS}")
OPTIONS = {
    "patience": {"epochs": 2},
    "patient": {"patience": 1, "wrapped": "median"},
    "percentile": {"percentile": 50.0, "n_startup_trials": 2},
    "median": {"n_startup_trials": 2},
    "threshold": {"lower": 0.35},
    "successivehalving": {"min_resource": 2},
    "hyperband": {"min_resource": 1, "max_resource": EPOCHS},
    "wilcoxon": {},
    "nop": {},
}


def value_at(task: Task, epoch: int) -> float:
    """A curve to the arm's own level and a little down; seed 1 is much harder, so that seeds must not be compared."""
    level = 0.9 - 0.05 * ((WEIGHTS.index(task.factors["lambda"]) * 7) % 10)  # type: ignore[arg-type]
    return (level - 0.3 * task.seed) * min(epoch, 4) / 4 - 0.01 * max(epoch - 4, 0)


def drive(study: Study, folder: Path, *, order: int, kill: bool = False) -> dict[str, tuple[str, int]]:
    """Status and epochs of each cell, epochs of open cells interleaved in an order that a number shuffles."""
    import random

    assert study.stop is not None
    shuffle = random.Random(order)
    records: dict[str, CellRecord] = {}
    rule = StopRule(study.stop, study.metric, folder)
    rounds = Rounds(make_proposer(study, None, None), lambda task: records[task.hash], rule.tell)
    running: list[tuple[Task, list[float]]] = []
    while True:
        for tasks in rounds.more():
            rule.plan(tasks)
            running += [(task, []) for task in tasks]
        if not running:
            return {one.hash: (one.status, len(one.curves["epoch"])) for one in records.values()}
        task, values = running[shuffle.randrange(len(running)) if order else 0]
        values.append(value_at(task, len(values) + 1))
        if kill and len(values) == 3:  # another process goes on from the checkpoint after epoch 2
            rule._running.pop(task.hash, None)
        reason = rule(Progress(hash=task.hash, epoch=len(values), figures={"val_top1": values[-1]}))
        if reason is None and len(values) < EPOCHS:
            continue
        running.remove((task, values))
        rule.forget(task.hash)
        records[task.hash] = CellRecord(
            hash=task.hash,
            factors=task.factors,
            seed=task.seed,
            status="complete" if len(values) == EPOCHS else "stopped",
            curves={"epoch": list(range(1, len(values) + 1)), "val_top1": list(values)},
            provenance=Provenance(engine="test"),
        )
        rounds.end(task.hash)


@pytest.mark.parametrize("kind", sorted(OPTIONS))
def test_every_rule_stops_the_same_cells_whatever_the_order(kind: str, tmp_path: Path) -> None:
    study = dataclasses.replace(STUDY, stop=StopSettings(kind=kind, options=OPTIONS[kind]))
    straight = drive(study, tmp_path, order=0)
    assert len(straight) == 2 * len(WEIGHTS)
    for order in (1, 2):
        assert drive(study, tmp_path, order=order, kill=order == 2) == straight
    stopped = {cell for cell, (status, _) in straight.items() if status == "stopped"}
    assert bool(stopped) == (kind != "nop")
    assert not list(tmp_path.iterdir())


def test_every_pruner_of_optuna_is_a_rule() -> None:
    assert set(RULES) == set(OPTIONS)
    assert [kind for kind in sorted(OPTIONS) if not is_comparing(StopSettings(kind=kind))] == [
        "nop",
        "patience",
        "patient",
        "threshold",
    ]
    assert is_comparing(StopSettings(kind="patient", options=OPTIONS["patient"]))


def test_seeds_are_never_compared_with_each_other(tmp_path: Path) -> None:
    """The second seed is 30 points harder: a rule over all cells would stop it everywhere."""
    study = dataclasses.replace(STUDY, stop=StopSettings(kind="median", options={"n_startup_trials": 2}))
    ended = drive(study, tmp_path, order=0)
    by_seed = [
        [ended[task.hash][0] for task in make_proposer(study, None, None).known() if task.seed == seed]
        for seed in study.seeds
    ]
    assert by_seed[0] == by_seed[1]
    assert by_seed[0][0] == "complete"


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("medien", {}, r"unknown stop rule 'medien'. Did you mean 'median'\?"),
        ("median", {"n_startup": 2}, r"stop.options.n_startup is an unknown key; did you mean 'n_startup_trials'"),
        ("percentile", {}, r"stop.options.percentile is missing"),
        ("patience", {}, r"stop.options.epochs is missing"),
        ("threshold", {}, r"the stop rule threshold refuses its options"),
        ("patient", {"patience": 2, "wrapped": 3}, r"stop.options.wrapped must name a rule"),
    ],
)
def test_a_rule_that_cannot_be_made_is_one_sentence(kind: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make_pruner(StopSettings(kind=kind, options=options))
    assert "\n" not in str(error.value)


def test_a_race_takes_no_stop_rule() -> None:
    study = dataclasses.replace(STUDY, stop=StopSettings(kind="median"))
    with pytest.raises(InputError, match=r"trained to their end.*leave out one"):
        make_proposer(study, SearchSettings(method="race"), None)


@pytest.mark.slow
def test_stopped_cells_are_marked_and_the_study_is_complete(tmp_path: Path, call_vmp: Vmp) -> None:
    small = ("factors.prompt=[control, vmp]", "factors.lambda=null", "seeds=[0, 1]", "train.epochs=4")
    study = small_study(*small, "stop={kind: threshold, options: {lower: 1.0, n_warmup_steps: 2}}")
    status = run_study(study, tmp_path, workers=2)
    assert (status.exit_code, status.headline()) == (0, "0 of 4 cells complete; 4 stopped")
    folder = StudyFolder(tmp_path)
    plan = folder.read_plan()
    assert plan.stop is not None
    assert plan.stop.kind == "threshold"
    for record in folder.records(plan):
        assert (record.status, len(record.curves["epoch"])) == ("stopped", 2)
        assert "threshold: val top1" in str(record.reason)
        assert "test_top1" not in record.metrics
    assert not list((tmp_path / "checkpoints").glob("*"))
    assert run_study(study, tmp_path).computed == 0
    with pytest.raises(InputError, match="are stopped by threshold, not no rule; give another --out"):
        run_study(small_study(*small), tmp_path)
    planned = call_vmp("sweep", "plan", "lambda", "--set", "stop=median", "--json")
    assert planned.returncode == 0, planned.stderr
