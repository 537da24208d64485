"""The commands of docs/other-tools.md are run as printed, on results of the tools that it names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.cli import report
from tests.analysis.readers import other_tools
from tests.conftest import ROOT

COMMANDS = re.findall(r"^\$ vmp report (.*)$", (ROOT / "docs/other-tools.md").read_text(encoding="utf-8"), re.MULTILINE)


def write_results(folder: Path) -> None:
    import mlflow
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'study.db'}",
        direction="maximize",
        sampler=optuna.samplers.GridSampler({"lr": [0.1, 0.01], "seed": [0, 1, 2]}),
    )

    def run(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("lr", 0.01, 0.1)
        seed = trial.suggest_int("seed", 0, 2)
        trial.set_user_attr("test_acc", 0.5 + rate + 0.01 * seed)
        return 0.6 + rate

    study.optimize(run)
    with other_tools.own_tracking((folder / "mlruns").as_uri()):
        mlflow.set_experiment("rates")
        for rate in (0.1, 0.01):
            for seed in range(3):
                with mlflow.start_run():
                    mlflow.log_params({"lr": rate, "run": seed})
                    mlflow.log_metrics({"val/acc": 0.5 + rate, "test/acc": 0.6 + rate + 0.01 * seed * rate})
    for name in ("ucf", "hmdb"):
        rows = [(lr, wd, run, 0.5 + lr + 0.01 * run + 0.1 * lr * run * wd)
                for lr in (0.1, 0.01) for wd in (0, 1) for run in range(3)]  # fmt: skip
        pd.DataFrame(rows, columns=["lr", "wd", "run", "acc"]).to_csv(folder / f"{name}.csv", index=False)


def test_the_commands_of_the_page_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    write_results(tmp_path)
    (tmp_path / "ray_results").mkdir()
    other_tools.ray_tune(tmp_path / "ray_results")
    assert len(COMMANDS) == 6
    for command in COMMANDS:
        done = CliRunner().invoke(report, shlex.split(command), catch_exceptions=False)
        assert done.exit_code == 0, f"{command}: {done.output}"
    made = {path.name for path in tmp_path.glob("report-*") if (path / "index.html").is_file()}
    assert made == {f"report-{name}" for name in ("optuna", "ray", "mlflow", "table", "blocks")}


def test_the_page_names_every_kind_and_key() -> None:
    from analysis.readers.columns import KEYS

    page = (ROOT / "docs/other-tools.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in page for key in KEYS)
    assert len(other_tools.MAKERS) == 7
