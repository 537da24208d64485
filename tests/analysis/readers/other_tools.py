"""The same results, recorded by other tools alone: nothing of this project is used to write them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pandas as pd

RATES, SEEDS = (0.1, 0.01), (0, 1, 2)
FAILING = (0.01, 2)


def val(rate: float, seed: int) -> float:
    return round(0.60 + 0.30 * rate + 0.01 * seed, 6)


def test(rate: float, seed: int) -> float:
    return round(0.55 + 0.40 * rate + 0.02 * seed + 0.001 * seed**2 * (rate < 0.05), 6)


def optuna_sqlite(folder: Path) -> Path:
    path = folder / "study.db"
    _optimize(f"sqlite:///{path}")
    return path


def optuna_journal(folder: Path) -> Path:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = folder / "study.log"
    _optimize(JournalStorage(JournalFileBackend(str(path))))
    return path


def _optimize(storage: object) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    grid = {"rate": list(RATES), "seed": list(SEEDS)}
    study = optuna.create_study(
        study_name="rates", storage=storage, direction="maximize", sampler=optuna.samplers.GridSampler(grid)
    )

    def run(trial: optuna.Trial) -> float:
        rate = trial.suggest_categorical("rate", grid["rate"])
        seed = trial.suggest_int("seed", 0, 2)
        if (rate, seed) == FAILING:
            raise RuntimeError("out of memory")
        trial.set_user_attr("test", test(rate, seed))
        return val(rate, seed)

    study.optimize(run, catch=RuntimeError)


def ray_tune(folder: Path) -> Path:
    import ray
    from ray import tune

    import sweeps.executors.ray_tune  # noqa: F401 (in the process of a user who also sweeps, Tune records as ever)

    def run(config: dict[str, float]) -> None:
        rate, seed = config["rate"], int(config["seed"])
        tune.report({"val": 0.1, "test": 0.1})
        if (rate, seed) == FAILING:
            raise RuntimeError("out of memory")
        tune.report({"val": val(rate, seed), "test": test(rate, seed)})

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        space = {"rate": tune.grid_search(list(RATES)), "seed": tune.grid_search(list(SEEDS))}
        config = tune.RunConfig(name="rates", storage_path=str(folder), verbose=0)
        tune.Tuner(run, param_space=space, run_config=config).fit()
    finally:
        ray.shutdown()
    return folder / "rates"


def mlflow_files(folder: Path) -> Path:
    with patch.dict(os.environ, {"MLFLOW_ALLOW_FILE_STORE": "true"}):
        _track((folder / "mlruns").as_uri())
    return folder / "mlruns"


def mlflow_sqlite(folder: Path) -> Path:
    _track(f"sqlite:///{folder / 'mlflow.db'}")
    return folder / "mlflow.db"


def _track(uri: str) -> None:
    import mlflow

    with own_tracking(uri):
        mlflow.set_experiment("rates")
        for rate in RATES:
            for seed in SEEDS:
                with mlflow.start_run() as run:
                    mlflow.log_params({"rate": rate, "seed": seed})
                    if (rate, seed) != FAILING:
                        mlflow.log_metrics({"val": 0.1, "test": 0.1}, step=1)
                        mlflow.log_metrics({"val": val(rate, seed), "test": test(rate, seed)}, step=2)
                if (rate, seed) == FAILING:
                    mlflow.MlflowClient().set_terminated(run.info.run_id, "FAILED")


@contextlib.contextmanager
def own_tracking(uri: str) -> Iterator[None]:
    """MLflow writes into `uri`; the variables that it sets for the process, which our own tracker obeys, go again."""
    import mlflow

    with patch.dict(os.environ):
        mlflow.set_tracking_uri(uri)
        yield


def frame() -> pd.DataFrame:
    rows = [(r, s, *((None, None) if (r, s) == FAILING else (val(r, s), test(r, s)))) for r in RATES for s in SEEDS]
    return pd.DataFrame(rows, columns=["rate", "seed", "val", "test"])


def csv(folder: Path) -> Path:
    path = folder / "rates.csv"
    frame().to_csv(path, index=False)
    return path


def parquet(folder: Path) -> Path:
    path = folder / "rates.parquet"
    frame().to_parquet(path)
    return path


MAKERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "table": (csv, "val=val,test=test,factors=rate"),
    "parquet": (parquet, "val=val,test=test,factors=rate"),
    "optuna-sqlite": (optuna_sqlite, "val=value,test=test"),
    "optuna-journal": (optuna_journal, "val=value,test=test"),
    "mlflow-sqlite": (mlflow_sqlite, "val=val,test=test"),
    "mlflow-files": (mlflow_files, "val=val,test=test"),
    "ray-tune": (ray_tune, "val=val,test=test"),
}
"""By reader: what writes the results, and the columns to read them by."""
