"""``vmp sweep``: parse, build a typed study, call one function, print. Torch is imported only inside a command."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from vmp.commands.parameters import UserPath

if TYPE_CHECKING:
    from sweeps.propose.settings import SearchSettings
    from sweeps.study import Study
    from sweeps.weights import Keep
    from vmp.experiment import Runtime

_positive, _natural = click.IntRange(min=1), click.IntRange(min=0)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for scripts instead.")
_OF_A_STUDY = (
    click.argument("study", metavar="STUDY"),
    click.option(
        *("--set", "overrides"),
        multiple=True,
        metavar="KEY=VALUE",
        help="Change a setting, e.g. train.epochs=3. Repeatable.",
    ),
    click.option("--search", metavar="NAME", help="Propose arms with this Optuna sampler (tpe, gp, ...), or grid."),
    click.option("--arms", type=_positive, help="Arms that the search proposes.  [default: 20]"),
    click.option(
        *("--search-option", "search_options"),
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of the sampler, e.g. n_startup_trials=5. Repeatable.",
    ),
    click.option("--workers", type=_positive, default=1, show_default=True, help="Cells at a time."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
    click.option("--threads", type=_positive, default=1, show_default=True, help="CPU threads of each worker."),
    click.option("--compile", "compile_", is_flag=True, help="Run the backbone through torch.compile."),
    click.option(
        "--loader-workers",
        type=_natural,
        default=0,
        show_default=True,
        help="Processes of each worker that read videos.",
    ),
)


class _Request(NamedTuple):
    """What `plan` and `run` are asked to do. search: None for the grid."""

    study: Study
    search: SearchSettings | None
    workers: int
    runtime: Runtime


def _of_a_study(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what to run, and pass it the `_Request` that they make."""

    @functools.wraps(command)
    def parsed(
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
        **own: Any,
    ) -> None:
        from sweeps.propose.settings import change_search
        from sweeps.study import load_study
        from vmp.experiment import Runtime

        definition = load_study(study, overrides, note=lambda text: click.echo(f"Note: {text}", err=True))
        settings = change_search(definition.search, search, arms, search_options)
        runtime = Runtime(device=device, threads=threads, compile=compile_, loader_workers=loader_workers)
        command(_Request(definition, settings, workers, runtime), **own)

    return functools.reduce(lambda made, option: option(made), reversed(_OF_A_STUDY), parsed)


@click.group(context_settings={"max_content_width": 110})
def sweep() -> None:
    """Plan a study, run its cells exactly once, see how far it is.

    STUDY is a YAML file or the name of a built-in study: lambda, init, sampling, motion, collapse.
    """


@sweep.command()
@_of_a_study
@_json
def plan(request: _Request, as_json: bool) -> None:
    """Print the cells of STUDY, what they will cost, and what they can show. Runs nothing."""
    from sweeps.cost import estimate_cost
    from sweeps.forecast import make_forecast
    from sweeps.plan import grid_tasks

    tasks = grid_tasks(request.study)
    cost = estimate_cost(tasks, runtime=request.runtime)
    forecast = make_forecast(request.study, tasks, cost, search=request.search, workers=request.workers)
    click.echo(json.dumps(forecast.to_json()) if as_json else "\n".join(forecast.lines()))


@sweep.command()
@_of_a_study
@click.option("--out", required=True, type=UserPath(file_okay=False), help="Folder of this study.")
@click.option("--engine", default="local", show_default=True, help="Where cells run: local or ray.")
@click.option(
    "--keep-weights",
    type=click.Choice(["chosen", "all", "none"]),
    default="chosen",
    show_default=True,
    help="Which trained models stay in --out/models: those of the arm with the best validation, all, or none.",
)
def run(request: _Request, out: Path, engine: str, keep_weights: Keep) -> None:
    """Run the missing cells of STUDY in --out. The same command again goes on from there; nothing finished is repeated.

    Exit code 0 when all planned cells are complete, 3 when some are missing, failed, stopped or diverged.
    """
    from sweeps.run import run_study
    from sweeps.track.console import ConsoleReporter

    try:
        with ConsoleReporter(request.study.metric) as reporter:
            status = run_study(
                **request._asdict(), out=out, engine=engine, reporter=reporter, keep_weights=keep_weights
            )
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted. The finished cells are in '{out}'; the same command goes on from there.", err=True)
        raise click.exceptions.Exit(130) from None
    for reason in status.reasons:
        click.echo(reason.line(), err=True)
    click.echo(f"{status.headline()}; {status.computed} of them computed now. Report: vmp report {out}")
    raise click.exceptions.Exit(status.exit_code)


@sweep.command()
@click.argument("folder", metavar="DIR", type=UserPath())
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


@sweep.command()
@click.argument("folder", metavar="DIR", type=UserPath())
@click.option("--difference", type=click.FloatRange(0, 100, min_open=True), help="Points to show [the study's margin].")
@click.option("--seeds", help="Numbers of seeds to consider, separated by commas.")
@_json
def seeds(folder: Path, difference: float | None, seeds: str | None, as_json: bool) -> None:
    """How many seeds a study needs, with the finished cells in DIR as a pilot. Reads only."""
    from sweeps.pilot import SEEDS, read_pilot
    from sweeps.record import StudyFolder

    try:
        numbers = [int(part) for part in seeds.split(",")] if seeds else SEEDS
    except ValueError:
        message = f"must be whole numbers separated by commas, got {seeds!r}"
        raise click.BadParameter(message, param_hint="--seeds") from None
    pilot = read_pilot(StudyFolder(folder), None if difference is None else difference / 100, numbers)
    click.echo(json.dumps(pilot.to_json()) if as_json else "\n".join(pilot.lines()))
