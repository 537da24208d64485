"""Designs: which arms, why, compared with what; every kind by one contract, and each by what it promises."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import qmc

from sweeps.designs.registry import DESIGNS
from sweeps.plan import grid_tasks, make_plan
from sweeps.propose.registry import make_proposer
from sweeps.propose.settings import SearchSettings
from sweeps.questions import compared_pairs
from sweeps.records.study_folder import StudyFolder
from sweeps.study import Study
from sweeps.study_files import load_study
from tests.conftest import ROOT, SMALL, Vmp
from vmp.core.config import to_plain
from vmp.core.errors import InputError

TWO = {"lambda": (0, 1), "remedy": ("none", "std_floor"), "augment.flip": (False, True)}
SETTINGS: dict[str, dict[str, Any]] = {
    "one_at_a_time": {"base": {"lambda": 1, "remedy": "none", "augment.flip": False}},
    **{kind: {"arms": 8} for kind in ("random", "latin_hypercube", "sobol")},
}


def study(design: Any = "grid", factors: Any = TWO, **more: Any) -> Study:
    return Study(**{"name": "designed", "factors": factors, "design": design, "seeds": (0, 1, 2), **more})


def arms(study: Study, *names: str) -> list[tuple[Any, ...]]:
    """The values of some factors, or of all, of every arm."""
    return [tuple(factors[name] for name in names or factors) for factors, _ in study.arms()]


def pairs(study: Study) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """What is compared with what, as the report will have it from the plan."""
    planned = make_plan(study, grid_tasks(study))
    factors = list(planned.arms().values())
    found = compared_pairs(factors, planned.study)
    assert found == compared_pairs(factors, study), "the planner and the report ask the same question"
    return [(tuple(factors[i].values()), tuple(factors[j].values())) for i, j in found]


@pytest.mark.parametrize("kind", DESIGNS)
def test_every_design_plans_valid_arms_once_and_the_same_arms_again(kind: str, tmp_path: Path) -> None:
    first, again = (study({"kind": kind, **SETTINGS.get(kind, {})}) for _ in range(2))
    tasks = grid_tasks(first)
    assert [task.hash for task in tasks] == [task.hash for task in grid_tasks(again)]
    assert len({task.hash for task in tasks}) == len(tasks) >= 3 * 4
    assert [arm.factors for arm in first.planned_arms] == [factors for factors, _ in first.arms()]
    assert kind == "grid" or all(arm.why for arm in first.planned_arms)
    written = tmp_path / "again.yaml"
    written.write_text(json.dumps(first.to_plain()))
    assert load_study(written) == first
    folder = StudyFolder(tmp_path)
    folder.create()
    folder.write_plan(plan := make_plan(first, tasks))
    assert folder.read_plan() == plan
    assert (plan.study.design is None) is (kind == "grid")


def test_a_grid_leaves_the_same_bytes_as_before_there_were_designs(tmp_path: Path) -> None:
    for path in sorted((ROOT / "results" / "reference").glob("*/plan.json")):
        folder = StudyFolder(tmp_path / path.parent.name)
        folder.create()
        folder.write_plan(StudyFolder(path.parent).read_plan())
        assert folder.plan_path.read_bytes() == path.read_bytes()
    assert arms(study()) == list(itertools.product(*TWO.values()))


def test_an_ablation_is_compared_with_the_bare_and_the_full_arm() -> None:
    both = study("ablation")
    bare, full = (0, "none", False), (1, "std_floor", True)
    added = [(1, "none", False), (0, "std_floor", False), (0, "none", True)]
    left_out = [(0, "std_floor", True), (1, "none", True), (1, "std_floor", False)]
    assert arms(both) == [bare, *added, full, *left_out]
    assert pairs(both) == [*((arm, bare) for arm in added), *((arm, full) for arm in left_out)]
    assert both.planned_arms[1].why == ("lambda switched on in the bare arm",)
    one = study({"kind": "ablation", "directions": ["leave_one_out"], "base": {"lambda": 1}})
    assert arms(one)[0] == (0, "std_floor", True), "lambda is off with 1 here"
    assert make_plan(one, grid_tasks(one)).study.design.components["lambda"] == (1, 0)  # type: ignore[union-attr]
    two = study("ablation", {name: TWO[name] for name in ("lambda", "augment.flip")})
    assert [arm.why for arm in two.planned_arms][1] == (
        "lambda switched on in the bare arm",
        "augment.flip switched off in the full arm",
    )
    assert len(pairs(two)) == 4, "an arm that adds one component leaves the other out, and is compared twice"


def test_an_ablation_is_repeated_in_each_block() -> None:
    factors = {"backbone": ("cnn3d_tiny", "slow_r50"), "lambda": (0, 1), "augment.flip": (False, True)}
    planned = study({"kind": "ablation", "directions": ["add_one"]}, factors)
    assert arms(planned) == [
        (backbone, *rest) for backbone in factors["backbone"] for rest in ((0, False), (1, False), (0, True))
    ]
    assert all(arm[0] == reference[0] for arm, reference in pairs(planned))
    assert planned.planned_arms[0].why == ("the bare arm in backbone=cnn3d_tiny",)


def test_one_factor_at_a_time_around_each_base() -> None:
    factors = {"lambda": (0, 1, 10), "remedy": ("none", "std_floor")}
    bases = [{"lambda": 1, "remedy": "none"}, {"lambda": 1, "remedy": "std_floor"}]
    one = study({"kind": "one_at_a_time", "base": bases[0]}, factors)
    assert arms(one) == [(1, "none"), (0, "none"), (10, "none"), (1, "std_floor")]
    assert {reference for _, reference in pairs(one)} == {(1, "none")}
    two = study({"kind": "one_at_a_time", "base": bases}, factors)
    assert ((1, "std_floor"), (1, "none")) in pairs(two), "a base that is an arm of the other is compared with it"
    assert ((1, "none"), (1, "std_floor")) not in pairs(two), "and no two arms are compared twice"
    assert len(arms(two)) == 6
    of_blocks = [{"backbone": "cnn3d_tiny", "lambda": 0}, {"backbone": "slow_r50", "lambda": 10}]
    three = study(
        {"kind": "one_at_a_time", "base": of_blocks}, {"backbone": ("cnn3d_tiny", "slow_r50"), "lambda": (0, 10)}
    )
    assert pairs(three) == [
        (("cnn3d_tiny", 10), ("cnn3d_tiny", 0)),
        (("slow_r50", 0), ("slow_r50", 10)),
    ]


def test_a_comparison_that_the_study_names_goes_before_that_of_the_design() -> None:
    named = study("ablation", reference={"lambda": 0})
    assert len(pairs(named)) == 4
    assert all((arm[0], reference[0], arm[1:]) == (1, 0, reference[1:]) for arm, reference in pairs(named))
    assert study(reference={"lambda": 0}).design_pairs == []


@pytest.mark.parametrize("kind", ["random", "latin_hypercube", "sobol"])
def test_arms_are_drawn_within_the_ranges_and_choices_equally_often(kind: str) -> None:
    factors = {
        "lambda": (0, 0.1, 10),
        "train.epochs": (2, 9),
        "train.optimizer.lr": (0.001, 0.004),
        "sampling": ("uniform", "random", "segment"),
    }
    planned = study({"kind": kind, "arms": 16, "seed": 3}, factors)
    drawn = arms(planned)
    weights, epochs, rates, samplers = zip(*drawn, strict=True)
    assert all(weight == 0 or 0.1 <= weight <= 10 for weight in weights)
    assert 0 in weights, "exact zero has the decade below the smallest value"
    assert all(isinstance(number, int) and 2 <= number <= 9 for number in epochs)
    assert all(0.001 <= rate <= 0.004 for rate in rates)
    assert max(Counter(samplers).values()) - min(Counter(samplers).values()) <= 1
    assert arms(study({"kind": kind, "arms": 16, "seed": 4}, factors)) != drawn
    if kind != "random":
        points = np.column_stack([np.array(rates) / 0.003 - 1 / 3, (np.array(epochs) - 2) / 8])
        assert qmc.discrepancy(points) < np.quantile(
            [qmc.discrepancy(np.random.default_rng(i).random((16, 2))) for i in range(20)], 0.1
        )
    if kind == "latin_hypercube":
        assert sorted(int((rate - 0.001) / 0.003 * 16) for rate in rates) == list(range(16)), "one arm in each part"


def test_a_scale_is_the_one_that_the_study_names() -> None:
    factors = {"train.optimizer.lr": (0.001, 0.004), "lambda": (0.01, 1)}
    scale = {"train.optimizer.lr": "log", "lambda": "linear"}
    rates, weights = zip(*arms(study({"kind": "sobol", "arms": 32, "scale": scale}, factors)), strict=True)
    assert np.median(rates) == pytest.approx(0.002, rel=0.1)
    assert np.median(weights) == pytest.approx(0.5, rel=0.1)
    chosen = arms(study({"kind": "random", "arms": 8, "scale": {"lambda": "choices"}}, factors), "lambda")
    assert Counter(chosen) == {(0.01,): 4, (1,): 4}


def test_references_stand_beside_drawn_arms_at_their_own_settings() -> None:
    of_lambda = study({"kind": "sobol", "arms": 8}, {"prompt": ("none", "control", "vmp"), "lambda": (0.1, 10)})
    assert [prompt for (prompt,) in arms(of_lambda, "prompt")] == ["none", "control", *["vmp"] * 8]
    assert {reference for _, reference in pairs(of_lambda)} == {("control", None)}
    of_rate = study({"kind": "sobol", "arms": 4}, {"prompt": ("control", "vmp"), "train.optimizer.lr": (0.001, 0.01)})
    assert len(pairs(of_rate)) == 4
    assert all(arm[1] == reference[1] for arm, reference in pairs(of_rate)), "the control at the arm's own rate"


def test_a_factor_or_a_value_only_where_another_has_a_value() -> None:
    rules = [
        {"factor": "lambda", "where": {"remedy": ["none", "std_floor"]}},
        {"factor": "augment.flip", "values": [True], "where": {"lambda": 1}},
    ]
    factors = {"remedy": ("none", "std_floor", "closed_at_rest"), "lambda": (0.5, 1), "augment.flip": (False, True)}
    ruled = study("grid", factors, only_where=rules)
    by_hand = [
        (remedy, weight, flip)
        for remedy in ("none", "std_floor")
        for weight, flip in ((0.5, False), (1, False), (1, True))
    ]
    assert arms(ruled) == [*by_hand, ("closed_at_rest", None, False)]
    assert not ruled.is_plain_grid
    planned = make_plan(ruled, grid_tasks(ruled))
    assert planned.study.design.only_where[0]["factor"] == "lambda"  # type: ignore[union-attr]
    drawn = study({"kind": "sobol", "arms": 16}, {**factors, "lambda": (0.1, 1)}, only_where=rules[:1])
    assert {weight is None for remedy, weight, _ in arms(drawn) if remedy == "closed_at_rest"} == {True}


def test_the_values_of_a_factor_depend_on_the_block() -> None:
    factors = {
        "backbone": ("cnn3d_tiny", "slow_r50"),
        "train.optimizer.lr": (0.001, 0.01, 0.1),
        "sampling.num_frames": (2, 3),
    }
    rules = [
        {"factor": "train.optimizer.lr", "values": [0.001, 0.01], "where": {"backbone": "cnn3d_tiny"}},
        {
            "factor": "train.optimizer.lr",
            "values": [0.01, 0.1],
            "where": {"backbone": "slow_r50", "sampling.num_frames": 3},
        },
        {"factor": "train.optimizer.lr", "values": [0.1], "where": {"backbone": "slow_r50", "sampling.num_frames": 2}},
    ]
    blocks = {"blocks": ("backbone", "sampling.num_frames"), "only_where": rules}
    planned = study("grid", factors, **blocks)
    by_block: dict[tuple[Any, ...], list[Any]] = {}
    for backbone, rate, frames in arms(planned):
        by_block.setdefault((backbone, frames), []).append(rate)
    assert by_block == {
        ("cnn3d_tiny", 2): [0.001, 0.01],
        ("cnn3d_tiny", 3): [0.001, 0.01],
        ("slow_r50", 2): [0.1],
        ("slow_r50", 3): [0.01, 0.1],
    }
    drawn = study({"kind": "latin_hypercube", "arms": 4}, factors, **blocks)
    slow = [rate for backbone, rate, frames in arms(drawn) if (backbone, frames) == ("slow_r50", 3)]
    assert len(slow) == 4
    assert all(0.01 <= rate <= 0.1 for rate in slow), "drawn within the range of its own block"


def test_what_computes_the_same_is_said(tmp_path: Path) -> None:
    twice = study("ablation", {"lambda": (0, 1), "regularizer.schedule.kind": ("constant", "warmup")})
    (note,) = twice.design_notes()
    assert note.startswith(
        "one arm stands for several of the design, which compute the same: the bare arm; regularizer"
    )
    assert all(arm != reference for arm, reference in pairs(twice))
    assert study({"kind": "sobol", "arms": 6}).design_notes()[0].startswith("a Sobol sequence is even at powers of 2")


@pytest.mark.parametrize(
    ("design", "more", "message"),
    [
        ("ablate", {}, "design.kind: unknown design 'ablate'. Did you mean 'ablation'"),
        ({"kind": "ablation", "arms": 3}, {}, "arms is an unknown key"),
        ({"kind": "ablation", "base": {"lamda": 0}}, {}, "design.base lamda is an unknown key; did you mean 'lambda'"),
        ({"kind": "ablation", "base": {"lambda": 2}}, {}, "design.base lambda: 2 is none of the listed values"),
        ({"kind": "ablation", "base": {"lambda": 1}, "full": {"lambda": 1}}, {}, "so it is no component"),
        ("ablation", {"factors": {"lambda": (0, 1, 10)}}, "lambda lists .0, 1, 10.; list two values, or name lambda"),
        ("ablation", {"factors": {"lambda": (1,)}}, "design needs a component"),
        ("one_at_a_time", {}, "design.base is required and missing"),
        ({"kind": "one_at_a_time", "base": {"lambda": 1}}, {}, "has no value of remedy; give it one, such as 'none'"),
        ({"kind": "sobol", "arms": 1}, {}, "design.arms must be greater than or equal to 2"),
        ({"kind": "sobol", "scale": {"remedy": "log"}}, {}, "design.scale.remedy a scale needs two numbers"),
        ({"kind": "sobol", "scale": {"lambda": "log"}}, {}, "design.scale.lambda log needs two positive values"),
        ("random", {"factors": {"lambda": (1,)}}, "design has nothing to draw"),
        (
            "sobol",
            {"only_where": [{"factor": "remedy", "where": {"lambda": 1}}]},
            "only_where asks for values of lambda, which are drawn from a range",
        ),
        ("ablation", {"compare": "lambda"}, "compare names factors, whose effects take a grid"),
        (
            "ablation",
            {"only_where": [{"factor": "remedy", "values": ["none"], "where": {"lambda": 1}}]},
            "only_where leaves no value|design needs the bare arm",
        ),
        ("grid", {"only_where": [{"factor": "lambda", "where": {"lambda": 1}}]}, "rule 1: lambda cannot depend on its"),
        ("grid", {"only_where": [{"factor": "remedi", "where": {"lambda": 1}}]}, "remedi is an unknown key; did you m"),
        ("grid", {"only_where": [{"factor": "remedy", "where": {"lambda": 3}}]}, "3 is no value of lambda"),
        (
            "grid",
            {"only_where": [{"factor": "remedy", "values": ["none", "std_floor"], "where": {"lambda": 1}}]},
            "only_where leaves no value of remedy where {lambda: 0}",
        ),
        (
            "random",
            {
                "factors": {"remedy": ("none", "std_floor"), "augment.flip": (True, False)},
                "only_where": [
                    {"factor": "remedy", "where": {"augment.flip": True}},
                    {"factor": "augment.flip", "where": {"remedy": "none"}},
                ],
            },
            "depend on each other in a circle",
        ),
    ],
)
def test_a_design_that_cannot_be_is_refused_in_one_sentence(
    design: Any, more: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({"name": "x", "factors": TWO, "design": design, **more}))
    with pytest.raises(InputError, match=message) as error:
        load_study(path)
    assert "\n" not in str(error.value)


def test_a_search_and_a_design_are_refused_and_a_race_runs_the_arms_of_the_design() -> None:
    designed = study("ablation")
    with pytest.raises(InputError, match="has the design ablation, which says what arms there are, and the search tpe"):
        make_proposer(designed, SearchSettings(), None)
    raced = make_proposer(designed, SearchSettings(method="race"), None).ask()
    planned = [factors for factors, _ in designed.arms()]
    assert [task.factors for task in raced[:: len(raced) // len(planned)]] == planned


def test_paths_in_a_design_start_where_those_of_the_factors_do(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("path,label\n")
    path = tmp_path / "mine.yaml"
    plain = {
        "name": "x",
        "data": {"kind": "manifest", "path": "a.csv"},
        "factors": {"data.path": ["a.csv", "b.csv"], "lambda": [0, 1]},
        "design": {"kind": "one_at_a_time", "base": {"data.path": "b.csv", "lambda": 1}},
        "blocks": [],
        "only_where": [{"factor": "lambda", "values": [0], "where": {"data.path": ["b.csv"]}}],
    }
    path.write_text(json.dumps(plain))
    made = load_study(path)
    assert [Path(str(place)).name for place, _ in arms(made)] == ["b.csv", "a.csv", "b.csv"]
    assert to_plain(made.design)["base"]["data.path"] == str(tmp_path / "b.csv")


def test_an_ablation_from_its_file_to_its_report(tmp_path: Path, call_vmp: Vmp) -> None:
    """The plan says why, the run ends, and the report has the section."""
    plain = {"name": "parts", "factors": {"lambda": [0, 1], "augment.flip": [False, True]}, "design": "ablation"}
    study_file = tmp_path / "parts.yaml"
    study_file.write_text(json.dumps({**plain, "data": "motion", "backbone": "cnn3d_tiny"}))
    settings = (study_file, *SMALL, "--set", "seeds=[0, 1, 2]")
    planned = call_vmp("sweep", "plan", *settings).stdout
    assert "Design ablation: 2 components, each switched on in the bare arm and switched off in the full arm" in planned
    assert "4 comparisons from it: each arm with the base, the bare or the full arm that it changes" in planned
    assert planned.count("(lambda switched on in the bare arm; augment.flip switched off in the full arm)") == 1
    out = tmp_path / "out"
    assert call_vmp("sweep", "run", *settings, "--out", out).returncode == 0
    assert call_vmp("report", out).returncode == 0
    page = (out / "report" / "index.html").read_text()
    assert '<h2 id="h-ablation">Ablation</h2>' in page
    assert {"ablation.csv", "shapley.csv"} <= {path.name for path in (out / "report" / "tables").iterdir()}
