"""``vmp sweep``: parse, build a typed study, call one function, print. Torch is imported only inside a command."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from sweeps.propose.settings import SearchSettings
    from sweeps.study import Study

_F = TypeVar("_F", bound=Callable[..., Any])
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for scripts instead.")


def _of_study(command: _F) -> _F:
    """The arguments that say what to run, alike for `plan` and `run`."""
    for decorate in reversed(
        [
            click.argument("study", metavar="STUDY"),
            click.option(
                "--set",
                "overrides",
                multiple=True,
                metavar="KEY=VALUE",
                help="Change a setting, e.g. train.epochs=3. Repeatable.",
            ),
            click.option(
                "--search",
                metavar="NAME",
                help="Propose arms with this Optuna sampler (tpe, gp, random, ...), or grid.",
            ),
            click.option("--arms", type=click.IntRange(min=1), help="Arms that the search proposes.  [default: 20]"),
            click.option(
                "--search-option",
                "search_options",
                multiple=True,
                metavar="KEY=VALUE",
                help="An option of the sampler, e.g. n_startup_trials=5. Repeatable.",
            ),
            click.option(
                "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Cells at a time."
            ),
            click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
            click.option(
                "--threads",
                type=click.IntRange(min=1),
                default=1,
                show_default=True,
                help="CPU threads of each worker.",
            ),
            click.option("--compile", "compile_", is_flag=True, help="Run the backbone through torch.compile."),
            click.option(
                "--loader-workers",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="Processes of each worker that read and decode videos.",
            ),
        ]
    ):
        command = decorate(command)
    return command


@click.group(context_settings={"max_content_width": 110})
def sweep() -> None:
    """Plan a study, run its cells exactly once, see how far it is.

    STUDY is a YAML file or the name of a built-in study: lambda, init, sampling, motion, collapse.
    """


@sweep.command()
@_of_study
@_json
def plan(
    study: str,
    overrides: tuple[str, ...],
    search: str | None,
    arms: int | None,
    search_options: tuple[str, ...],
    workers: int,
    device: str,
    threads: int,
    compile_: bool,
    loader_workers: int,
    as_json: bool,
) -> None:
    """Print the cells of STUDY, what they will cost, and what they can show. Runs nothing."""
    from sweeps.cost import estimate_seconds
    from sweeps.forecast import make_forecast
    from sweeps.plan import grid_tasks
    from vmp.experiment import Runtime

    definition = _load(study, overrides)
    settings = _search_settings(definition, search, arms, search_options)
    runtime = Runtime(device=device, threads=threads, compile=compile_, loader_workers=loader_workers)
    tasks = grid_tasks(definition)
    seconds = estimate_seconds(tasks, runtime=runtime)
    forecast = make_forecast(definition, tasks, seconds, search=settings, workers=workers)
    click.echo(json.dumps(forecast.to_json()) if as_json else "\n".join(forecast.lines()))


@sweep.command()
@_of_study
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of this study.")
@click.option("--engine", default="local", show_default=True, help="Where cells run: local or ray.")
def run(
    study: str,
    overrides: tuple[str, ...],
    search: str | None,
    arms: int | None,
    search_options: tuple[str, ...],
    workers: int,
    device: str,
    threads: int,
    compile_: bool,
    loader_workers: int,
    out: Path,
    engine: str,
) -> None:
    """Run the missing cells of STUDY in --out. The same command again goes on from there; nothing finished is repeated.

    Exit code 0 when every planned cell is complete, 3 when some are missing, failed, stopped or diverged.
    """
    from sweeps.run import run_study
    from sweeps.track.console import ConsoleReporter
    from vmp.experiment import Runtime

    definition = _load(study, overrides)
    settings = _search_settings(definition, search, arms, search_options)
    runtime = Runtime(device=device, threads=threads, compile=compile_, loader_workers=loader_workers)
    try:
        with ConsoleReporter(definition.metric) as reporter:
            status = run_study(
                definition, out, workers=workers, engine=engine, runtime=runtime, search=settings, reporter=reporter
            )
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted. The finished cells are in '{out}'; the same command goes on from there.", err=True)
        raise click.exceptions.Exit(130) from None
    for reason in status.reasons:
        click.echo(reason.line(), err=True)
    click.echo(f"{status.headline()}; {status.computed} of them computed now. Report: vmp report {out}")
    raise click.exceptions.Exit(status.exit_code)


@sweep.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@_json
def status(folder: Path, as_json: bool) -> None:
    """How far the study in DIR is: cells by arm, what failed and why. Reads only, also while a sweep runs.

    Exit code as of `vmp sweep run`.
    """
    from sweeps.record import StudyFolder
    from sweeps.status import read_status

    current = read_status(StudyFolder(folder))
    click.echo(json.dumps(current.to_json()) if as_json else "\n".join(current.lines()))
    raise click.exceptions.Exit(current.exit_code)


def _load(study: str, overrides: Sequence[str]) -> Study:
    """The study; what its file spells in an older form is noted on standard error."""
    from sweeps.study import load_study

    definition = load_study(study, overrides)
    for note in getattr(definition, "notes", ()):
        click.echo(f"Note: {note}", err=True)
    return definition


def _search_settings(
    study: Study, method: str | None, arms: int | None, options: Sequence[str]
) -> SearchSettings | None:
    """The study's search with what the command line changes, or None for the grid."""
    from sweeps.propose.settings import change_search

    return change_search(study.search, method, arms, options)
