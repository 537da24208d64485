"""What is said of studies that lack something: seeds, blocks, a reference, a second value, arms that ended."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analysis.cli import report
from analysis.readers.columns import parse_columns
from analysis.readers.foreign_study import assumed
from analysis.readers.registry import join, load_any
from analysis.report.text import shown_columns
from analysis.report.write import write_conclusions
from analysis.sections.ablation import ABLATION
from analysis.sections.cell_list import CELL_LIST
from analysis.sections.fresh_seeds import CONFIRMATION
from analysis.sections.glance import GLANCE
from analysis.sections.methods import METHODS
from analysis.sections.origin import PROVENANCE
from analysis.study.cells import Study
from analysis.study.loading import load_study
from analysis.verdict.conclusions import Conclusions, conclude
from analysis.verdict.contrasts import Contrast
from analysis.words.claims import claim_clause, mixed_runs
from analysis.words.headline import beside_headline, findings, headline
from sweeps.records.plan_record import ConfirmationHeader, PlannedCell
from tests.analysis.study_records import ArmModel, StudyModel, lambda_arms, write_study

Runs = Mapping[str, tuple[float, Sequence[int]]]
"""By arm its mean accuracy and its seeds."""


def table(path: Path, runs: Runs, columns: str = "value=acc") -> Study:
    """A study of arms ``m = a``, ... read from a table; the value to choose by is the reported one."""
    rng = np.random.default_rng(3)
    lines = ["m,run,acc,val"]
    for arm, (mean, seeds) in runs.items():
        lines += [f"{arm},{seed},{value:.4f},{value:.4f}" for seed in seeds for value in [mean + rng.normal(0, 0.01)]]
    path.write_text("\n".join(lines), encoding="utf-8")
    return load_any(str(path), parse_columns((f"seed=run,factors=m,{columns}",)))


def texts(conclusions: Conclusions) -> str:
    return "\n".join(one.text for _, some in findings(conclusions) for one in some)


def test_an_average_over_blocks_takes_seeds_that_all_blocks_have(tmp_path: Path) -> None:
    """In one block the arm gains 10 points, in the other it loses them; there are more seeds where it gains."""
    columns = "test=acc,val=val"
    gains = table(tmp_path / "gains.csv", {"a": (0.5, range(12)), "b": (0.6, range(12))}, columns)
    loses = table(tmp_path / "loses.csv", {"a": (0.5, range(10, 14)), "b": (0.4, range(10, 14))}, columns)
    conclusions = conclude(join([gains, loses], tmp_path))
    assert "m = b over all blocks cannot be compared with m = a: 2 seeds have all of these runs so far" in texts(
        conclusions
    )
    shown = headline(conclusions).text
    assert "study = gains, m = b (+" in shown
    assert "study = loses, m = a, the reference itself (m = b against it, −" in shown


def test_blocks_without_a_second_value_name_no_validation(tmp_path: Path) -> None:
    first = table(tmp_path / "u1.csv", {"a": (0.5, range(5)), "b": (0.6, range(5)), "c": (0.5, range(5))})
    second = table(tmp_path / "u2.csv", {"b": (0.6, range(5)), "c": (0.5, range(5))})
    conclusions = conclude(join([first, second], tmp_path))
    shown = headline(conclusions).text
    assert "validation" not in shown
    assert "for study = u1, against m = a, 2 arms are: 1 better and 1 undecided" in shown
    assert "for study = u2, the reference is not among the arms, so none is compared" in shown
    assert "No setting is compared with a reference in every block" in texts(conclusions)


@pytest.mark.parametrize(
    ("runs", "columns", "said"),
    [
        ({"a": (0.5, range(4))}, "value=acc", "The only arm is at "),
        ({"a": (0.5, range(4))}, "test=acc,val=val", "The only arm is at "),
        ({"a": (0.5, range(4)), "b": (0.6, range(4, 8))}, "value=acc", "no arm shares 3 seeds with m = a"),
    ],
)
def test_arms_that_nothing_is_compared_with_are_said_to_be(tmp_path: Path, runs: Runs, columns: str, said: str) -> None:
    conclusions = conclude(table(tmp_path / "table.csv", runs, columns))
    assert said in headline(conclusions).text
    facts = dict(METHODS.compute(conclusions).facts)
    assert facts["Families on this page"] == "none"
    assert "What the seeds can show" not in facts


def test_an_arm_with_too_few_seeds_is_said_to_be_left_out(tmp_path: Path) -> None:
    runs = {"a": (0.5, range(5)), "b": (0.6, range(5)), "c": (0.6, range(2))}
    shown = headline(conclude(table(tmp_path / "table.csv", runs))).text
    assert "m = b beats m = a" in shown
    assert shown.endswith("; 1 more arm has too few seeds to compare.")


def test_fractions_that_are_read_as_percent_are_said_to_be(tmp_path: Path) -> None:
    study = table(tmp_path / "table.csv", {"a": (0.5, range(4)), "b": (0.6, range(4))}, "value=acc,unit=percent")
    assert study.origin is not None
    assert any(note.startswith("Every value is at most 1 and was read as percent") for note in study.origin.notes)


def test_every_factor_with_an_established_effect_is_said_to_matter(tmp_path: Path) -> None:
    arms = [
        ArmModel({"a": a, "b": b, "c": c}, effect=0.2 * a + 0.1 * b) for a in (0, 1) for b in (0, 1) for c in (0, 1)
    ]
    write_study(tmp_path, StudyModel(arms=arms))
    conclusions = conclude(load_study(tmp_path))
    shown = headline(conclusions)
    assert shown.text.startswith("Of a, b and c, a and b matter; the largest effect is that of a: a = 1 against a = 0")
    assert len([one for one in shown.contrasts if isinstance(one, Contrast)]) == 2
    assert beside_headline(conclusions) is None


def test_effects_without_enough_whole_seeds_are_not_judged(tmp_path: Path) -> None:
    arms = [ArmModel({"a": a, "b": b}, missing=frozenset({2 * a + b})) for a in (0, 1) for b in (0, 1)]
    write_study(tmp_path, StudyModel(arms=arms, seeds=range(6)))
    shown = headline(conclude(load_study(tmp_path))).text
    assert shown.endswith("no effect of a and b can be compared yet: 2 seeds have all of these runs, and a verdict "
                          "needs at least 3.")  # fmt: skip


def test_missing_runs_of_another_tool_are_not_ours_to_run(tmp_path: Path) -> None:
    study = table(tmp_path / "table.csv", {"a": (0.5, range(4)), "b": (0.6, range(4))})
    text = study.path.read_text(encoding="utf-8").splitlines()
    study.path.write_text("\n".join([*text[:-1], "b,3,,"]), encoding="utf-8")
    conclusions = conclude(load_any(str(study.path), parse_columns(("seed=run,factors=m,value=acc",))))
    page = write_conclusions(conclusions, tmp_path / "out").read_text(encoding="utf-8")
    assert "What stands here rests on the runs that are there" in page
    assert "vmp sweep run" not in page


def test_values_of_one_mean_run_from_nowhere_to_nowhere(tmp_path: Path) -> None:
    lines = [f"{arm},{seed},0.5" for arm in (1, 2) for seed in range(3)]
    (tmp_path / "table.csv").write_text("\n".join(["rate,run,acc", *lines]), encoding="utf-8")
    study = load_any(str(tmp_path / "table.csv"), parse_columns(("seed=run,factors=rate,value=acc",)))
    assert "Over the values of rate tried, the mean is 50.0%." in texts(conclude(study))


def test_seeds_are_counted_where_arms_share_them(tmp_path: Path) -> None:
    conclusions = conclude(table(tmp_path / "table.csv", {"a": (0.5, range(7)), "b": (0.6, range(3, 10))}))
    assert dict(METHODS.compute(conclusions).facts)["What the seeds can show"].startswith("With 4 paired seeds")
    assert any(tile.note == "2 arms, up to 7 seeds" for tile in GLANCE.compute(conclusions).tiles)


def test_a_choice_counts_and_covers_the_arms_that_could_be_chosen(tmp_path: Path) -> None:
    arms = lambda_arms({0: 0.1, 1: 0.1, 2: 0.1, 5: 0.3}, stopped={5: [1, 2, 3, 4]})
    write_study(tmp_path, StudyModel(arms=arms, extra={"margin": 0.01, "margin_is_default": False}))
    conclusions = conclude(load_study(tmp_path))
    assert "the best of 3 on validation" in headline(conclusions).text
    assert "The choice among 3 arms" in texts(conclusions)
    assert "No arm that could be chosen is shown to be more than 1 point worse on validation" in texts(conclusions)


def test_a_tile_names_the_arm_whose_gain_it_has(tmp_path: Path) -> None:
    """The reference itself is best, so the gain is that of another arm."""
    arms = [ArmModel({"motion": name}, effect=effect) for name, effect in (("a", 0.2), ("b", 0.0), ("c", 0.1))]
    write_study(tmp_path, StudyModel(arms=arms, extra={"reference": {"motion": "a"}}))
    names = [tile.name for tile in GLANCE.compute(conclude(load_study(tmp_path))).tiles]
    assert "motion = c against motion = a" in names


def test_a_confirmation_of_an_arm_that_is_no_longer_chosen_says_so(tmp_path: Path) -> None:
    folder = write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.2})))
    plan = folder.read_plan()
    arms = {arm["lambda"]: arm for arm in plan.arms().values() if arm["prompt"] != "none"}
    for chosen, is_other in ((arms[1], False), (arms[0], True)):
        header = ConfirmationHeader(pairs=[(chosen, arms[None])], chosen_on=[0, 1, 2], seeds=[9], cells=[
            PlannedCell(hash=f"{i:016x}", factors=arm, seed=9) for i, arm in enumerate((chosen, arms[None]))
        ])  # fmt: skip
        folder.write_plan(plan.model_copy(update={"confirmation": header}))
        intro = CONFIRMATION.compute(conclude(load_study(tmp_path))).intro
        assert ("validation chooses λ = 1 instead" in intro) is is_other
        assert "it is not yet confirmed on fresh seeds" in texts(conclude(load_study(tmp_path))), "none has run"


@pytest.mark.parametrize(("ended", "said"), [("collapsed", "collapsed"), ("diverged", "collapsed or diverged")])
def test_a_diverged_run_is_not_called_collapsed_alone(tmp_path: Path, ended: str, said: str) -> None:
    write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.3}, **{ended: {0: [2]}})))
    main = conclude(load_study(tmp_path)).verdicts[0].main
    assert main is not None
    assert re.search(rf"; 1 of its 5 runs {said}[,;]", claim_clause("VMP", main) + mixed_runs(main))


@pytest.mark.parametrize(("columns", "header"), [("value=acc", "accuracy"), ("val=acc", "validation accuracy")])
def test_a_value_of_an_unknown_split_is_called_no_test_accuracy(tmp_path: Path, columns: str, header: str) -> None:
    study = table(tmp_path / "table.csv", {"a": (0.5, range(4)), "b": (0.6, range(4))}, columns)
    (cells,) = CELL_LIST.compute(conclude(study)).tables
    headers = [cells.columns[i].header for i in shown_columns(cells)]
    assert headers[-1] == header


def test_what_was_read_is_named_by_its_files_and_the_margin_in_points(tmp_path: Path) -> None:
    studies = [table(tmp_path / f"{name}.csv", {"a": (0.5, range(4)), "b": (0.6, range(4))}) for name in ("one", "two")]
    facts = dict(PROVENANCE.compute(conclude(join(studies, tmp_path / "out"))).facts)
    assert facts["read from"] == "one.csv and two.csv, recorded by CSV"
    percent = load_any(
        str(tmp_path / "one.csv"), parse_columns(("seed=run,factors=m,value=acc,unit=percent,margin=0.5",))
    )
    assert "arms within 50 points of each other count as practically equal" in assumed(percent)


def test_components_compared_over_other_seeds_say_over_how_many(tmp_path: Path) -> None:
    missing = {(0, 0): frozenset({2}), (1, 1): frozenset({1, 3})}
    arms = [ArmModel({"m": m, "n": n}, missing=missing.get((m, n), frozenset())) for m in (0, 1) for n in (0, 1)]
    write_study(tmp_path, StudyModel(arms=arms, seeds=range(7)))
    first, *_ = ABLATION.compute(conclude(load_study(tmp_path))).tables
    keys = [column.key for column in first.columns]
    values = dict(zip(keys, first.rows[0].values, strict=True))
    assert [values[key] for key in ("n", "added_n", "left_out_n", "disagreement_n")] == ["4 to 6", 6, 5, 4]


def test_names_that_figures_have_no_glyphs_or_no_room_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    long = f"a name of very many words, {'more of them and ' * 6}at the end 漢字"
    study = table(tmp_path / "table.csv", {f'"{long} {i}"': (0.5, range(6)) for i in range(4)})
    done = CliRunner().invoke(report, [str(study.path), "--columns", "seed=run,factors=m,value=acc", "--out",
                                       str(tmp_path / "out")], catch_exceptions=False)  # fmt: skip
    assert "the font of the figures has no '漢字'" in done.output
    assert "Glyph" not in done.output + capfd.readouterr().err
    for name in ("differences", "specification"):
        text = (tmp_path / "out" / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        labels = [label for label in re.findall(r"<text[^>]*>([^<]+)</text>", text) if "difference to" in label]
        assert labels
        assert max(map(len, labels)) <= 90
