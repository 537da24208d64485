"""Results of other tools: one contract for every reader, what is refused, and what a report of them may not say."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.cli import report
from analysis.readers.columns import parse_columns
from analysis.readers.registry import READERS, join, load_any
from analysis.study.cells import Study
from analysis.verdict.conclusions import conclude
from tests.analysis.readers import other_tools
from vmp.core.errors import InputError

Store = Callable[[str], tuple[Path, str]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Each kind of store, written once by its own tool."""
    made: dict[str, tuple[Path, str]] = {}

    def get(kind: str) -> tuple[Path, str]:
        if kind not in made:
            make, columns = other_tools.MAKERS[kind]
            made[kind] = (make(tmp_path_factory.mktemp(kind)), columns)
        return made[kind]

    return get


def read(path: Path | str, columns: str = "") -> Study:
    return load_any(str(path), parse_columns((columns,) if columns else ()))


def run(*arguments: object) -> str:
    done = CliRunner().invoke(report, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_every_reader_has_results_written_by_its_own_tool() -> None:
    assert set(READERS) == set(other_tools.MAKERS) - {"parquet"}


@pytest.mark.parametrize("kind", other_tools.MAKERS)
def test_a_store_gives_the_runs_that_its_tool_recorded(kind: str, store: Store) -> None:
    path, columns = store(kind)
    study = read(path, columns)
    cells = study.cells.sort_values(["factor.rate", "seed"], ascending=[False, True])
    expected = [(rate, seed) for rate in other_tools.RATES for seed in other_tools.SEEDS]
    assert list(zip(cells["factor.rate"], cells["seed"], strict=True)) == expected
    for (_, cell), (rate, seed) in zip(cells.iterrows(), expected, strict=True):
        if (rate, seed) == other_tools.FAILING:
            assert cell["status"] == "failed"
            assert math.isnan(cell["test_top1"])
        else:
            assert cell["status"] == "complete"
            assert cell["val_top1"] == other_tools.val(rate, seed)
            assert cell["test_top1"] == other_tools.test(rate, seed)
    assert len(set(cells["hash"])) == len(expected)
    assert list(study.plan.factors) == ["rate"]


@pytest.mark.parametrize("kind", ["table", "optuna-sqlite", "mlflow-files", "ray-tune"])
def test_a_store_gives_a_report(kind: str, store: Store, tmp_path: Path) -> None:
    path, columns = store(kind)
    out = tmp_path / "report"
    before = sorted(str(one) for one in path.parent.rglob("*"))
    run(path, "--columns", columns, "--out", out)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "5 of 6 runs that" in page
    assert "Not in this report:" in page
    assert not re.search(r"initial weights|order of clips|VMP with|layer without its", page)
    assert sorted(str(one) for one in path.parent.rglob("*")) == before  # nothing is written among them


def test_no_pickle_is_loaded(store: Store, tmp_path: Path) -> None:
    path, columns = store("ray-tune")
    mark = tmp_path / "loaded"
    bomb = f"cos\nsystem\n(S'touch {mark}'\ntR.".encode()
    pickles = [*path.rglob("*.pkl")]
    assert pickles
    for one in pickles:
        one.write_bytes(bomb)
    read(path, columns)
    assert not mark.exists()


def test_a_value_without_a_split_is_not_said_to_be_of_one(tmp_path: Path) -> None:
    rows = [
        (rate, seed, 0.6 + 0.3 * rate + 0.01 * seed + 0.001 * ((7 * seed) % 5)) for rate in (0.1, 0.2, 0.3)
        for seed in range(5)
    ]  # fmt: skip
    table = tmp_path / "table.csv"
    pd.DataFrame(rows, columns=["rate", "run", "acc"]).to_csv(table, index=False)
    output = run(table, "--columns", "value=acc,seed=run,factors=rate", "--out", tmp_path / "report")
    assert "does not say on which split 'acc' was measured" in output
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    text = re.sub(r"<style.*?</style>|<script.*?</script>", "", page, flags=re.S)
    assert "no arm is chosen" in text.lower()
    assert not re.search(r"on test|[Tt]est (mean|accuracy|difference)|mean test|on validation,|chosen on", text)
    assert not re.search(r"set beforehand|vmp sweep run --confirm\)\.", text)


def test_long_and_wide_tables_give_the_same_study(tmp_path: Path) -> None:
    wide = other_tools.frame().dropna()
    long = wide.melt(["rate", "seed"], ["val", "test"], "part", "acc").sample(frac=1, random_state=3)
    long = long.sort_values("rate", ascending=False, kind="stable")
    wide.to_csv(tmp_path / "rates.csv", index=False)
    (tmp_path / "long").mkdir()
    long.to_csv(tmp_path / "long" / "rates.csv", index=False)
    a = read(tmp_path / "rates.csv", "val=val,test=test,factors=rate")
    b = read(tmp_path / "long" / "rates.csv", "value=acc,split=part,factors=rate")
    columns = ["hash", "seed", "val_top1", "test_top1"]
    sort = lambda study: study.cells[columns].sort_values("hash").reset_index(drop=True)  # noqa: E731
    pd.testing.assert_frame_equal(sort(a), sort(b))


def test_percent_is_a_unit(tmp_path: Path) -> None:
    frame = other_tools.frame().dropna()
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.assign(test=100 * frame["test"]).to_csv(tmp_path / "b.csv", index=False)
    a, b = read(tmp_path / "a.csv", "test=test,factors=rate"), read(
        tmp_path / "b.csv", "test=test,factors=rate,unit=percent"
    )  # fmt: skip
    assert b.cells["test_top1"].tolist() == pytest.approx(a.cells["test_top1"].tolist())


def test_several_studies_are_blocks(tmp_path: Path) -> None:
    studies = []
    for name in ("ucf", "hmdb"):
        frame = other_tools.frame().dropna()
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        studies.append(read(tmp_path / f"{name}.csv", "val=val,test=test,factors=rate"))
    joined = join(studies, tmp_path / "out")
    assert joined.plan.factors["study"] == ["ucf", "hmdb"]
    assert joined.plan.study.blocks == ["study"]
    assert len(joined.cells) == sum(len(study.cells) for study in studies)
    assert set(joined.cells["hash"]) == {one for study in studies for one in study.cells["hash"]}
    primary = conclude(joined).primary
    assert primary
    assert all(c.arm.factors["study"] == c.reference.factors["study"] for c in primary)
    with pytest.raises(InputError, match="differ in the margin"):
        join([studies[0], read(tmp_path / "hmdb.csv", "val=val,test=test,factors=rate,margin=0.05")], tmp_path)


@pytest.mark.parametrize(
    ("columns", "rows", "message"),
    [
        ("", "", "does not say which of its columns is the result"),
        ("test=acc", "", "does not say which of its columns are factors; .* among rate, loss"),
        ("test=accuracy,factors=rate", "", "no such column, it has seed, rate, acc, loss"),
        ("test=loss,factors=rate", "", "'loss' is named a loss, and this report is about accuracies"),
        ("test=acc,factors=rate,unit=points", "", "unit .*fraction"),
        ("test=acc,factors=rate,unit=percent,unit=percent", "", "names unit twice"),
        ("value=acc,test=acc,factors=rate", "", "value= stands for the one value"),
        ("test=acc,factors=rate,colour=red", "", "colour"),
        ("test=acc,factors=acc", "", "cannot be a factor"),
        ("test=acc,factors=rate,margin=2", "", r"margin is '2', it must be a number in \(0, 1\)"),
        ("acc", "", "must be key=column"),
        ("test=acc,seed=rate,factors=loss", "", "seed is a whole number"),
        ("test=acc,factors=rate", "2,0.1,61.5,1\n", "acc is 61.5, .* unit=percent"),
        ("test=acc,factors=rate", "0,0.1,0.5,1\n", "was run before with seed = 0"),
        ("test=acc,factors=rate,study=a", "", "leave study= out"),
    ],
)
def test_what_cannot_be_read_is_refused(columns: str, rows: str, message: str, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"seed,rate,acc,loss\n0,0.1,0.5,1\n0,0.2,0.6,1\n{rows}", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read(table, columns)


@pytest.mark.parametrize(
    ("rows", "message"), [("", "has no row below its header"), ("0,0.1,0.5,7\n", "more cells than its header")]
)
def test_a_table_whose_columns_cannot_be_told_is_refused(rows: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"seed,rate,acc\n{rows}", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read(tmp_path / "table.csv", "value=acc,factors=rate")


def test_commas_at_the_ends_of_rows_move_no_column(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("seed,rate,acc\n0,0.1,0.5,\n0,0.2,0.6,\n", encoding="utf-8")
    cells = read(tmp_path / "table.csv", "value=acc,factors=rate").cells
    assert cells["test_top1"].tolist() == [0.5, 0.6]


def test_repeats_without_a_seed_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("rate,acc\n0.1,0.5\n0.1,0.6\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column is named as the seed"):
        read(table, "test=acc,factors=rate")


def test_a_setting_that_differs_in_every_run_is_named(tmp_path: Path) -> None:
    frame = other_tools.frame().dropna()
    frame["folder"] = [f"out/{i}" for i in range(len(frame))]
    frame.to_csv(tmp_path / "a.csv", index=False)
    origin = read(tmp_path / "a.csv", "test=test,factors=rate,folder").origin
    assert origin is not None
    assert any("('folder' differs in every run)" in note for note in origin.notes)
    without = read(tmp_path / "a.csv", "test=test,factors=rate").origin
    assert without is not None
    assert not any("No two runs" in note for note in without.notes)


def test_a_minimizing_study_is_refused(tmp_path: Path) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=f"sqlite:///{tmp_path / 'a.db'}")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    with pytest.raises(InputError, match="Optuna minimizes 'value'"):
        read(f"sqlite:///{tmp_path / 'a.db'}")
    optuna.create_study(storage=f"sqlite:///{tmp_path / 'a.db'}", study_name="second")
    with pytest.raises(InputError, match="holds 2 studies"):
        read(tmp_path / "a.db")


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "nothing")
    with pytest.raises(InputError, match="is a server, and only files are read"):
        read("mysql://user:secret@host/optuna")
    (tmp_path / "x.bin").write_bytes(os.urandom(64))
    with pytest.raises(InputError, match="neither a study's folder nor results"):
        read(tmp_path / "x.bin")
