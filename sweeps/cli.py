"""``vmp sweep``: parse, build a typed study, call one function, print. Torch is imported only inside a command."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click

from vmp.commands.parameters import UserPath
from vmp.core.collector import collector_paused

if TYPE_CHECKING:
    from sweeps.propose.settings import SearchSettings
    from sweeps.study import Study
    from sweeps.weights import Keep
    from vmp.experiment import Runtime

_WATCH_SECONDS = 1.0
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
    click.option("--size", metavar="NAME", help="Run a larger or smaller form of STUDY; `vmp sweep list` names them."),
    click.option("--search", metavar="NAME", help="race, grid, or an Optuna sampler (tpe, ...)."),
    click.option("--arms", type=_positive, help="Arms that the search proposes.  [default: 20]"),
    click.option(
        *("--search-option", "search_options"),
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of the search, e.g. n_startup_trials=5 or max_seeds=20. Repeatable.",
    ),
    click.option("--workers", type=_positive, default=1, show_default=True, help="Cells at a time."),
    click.option(
        "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N; cuda:0,cuda:1 shares workers out."
    ),
    click.option("--threads", type=_positive, default=1, show_default=True, help="CPU threads of each worker."),
    click.option("--compile", "compile_", is_flag=True, help="Run the backbone through torch.compile."),
    click.option(
        "--gradient-checkpointing",
        is_flag=True,
        help="Compute the backbone's activations twice instead of holding them: less memory, the same numbers.",
    ),
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
        size: str | None,
        search: str | None,
        arms: int | None,
        search_options: tuple[str, ...],
        workers: int,
        device: str,
        threads: int,
        compile_: bool,
        gradient_checkpointing: bool,
        loader_workers: int,
        **own: Any,
    ) -> None:
        def note(text: str) -> None:
            click.echo(f"Note: {text}", err=True)

        with collector_paused():  # while torch is imported
            from sweeps.propose.settings import change_search
            from sweeps.study_files import load_study
            from vmp.experiment import Runtime

            definition = load_study(study, overrides, size=size, note=note)
            settings = change_search(definition.search, search, arms, search_options)
        runtime = Runtime(
            device=device,
            threads=threads,
            compile=compile_,
            loader_workers=loader_workers,
            gradient_checkpointing=gradient_checkpointing,
        )
        command(_Request(definition, settings, workers, runtime), **own)

    return functools.reduce(lambda made, option: option(made), reversed(_OF_A_STUDY), parsed)


@click.group(context_settings={"max_content_width": 110})
def sweep() -> None:
    """Plan a study, run its cells exactly once, see how far it is.

    STUDY is a YAML file or the name of a built-in study (`vmp sweep list`).
    """


@sweep.command("list")
@_json
def list_(as_json: bool) -> None:
    """The built-in studies: what each asks and compares, and in which sizes it runs."""
    from sweeps.listing import list_studies

    listed = list_studies()
    click.echo(json.dumps([one.to_json() for one in listed]) if as_json else "\n\n".join(one.text() for one in listed))


@sweep.command()
@_of_a_study
@_json
@click.option("--all", "every_arm", is_flag=True, help="Print every arm of a plan with more than 50.")
def plan(request: _Request, as_json: bool, every_arm: bool) -> None:
    """Print the cells of STUDY, what they will cost, and what they can show. Runs nothing."""
    from sweeps.cell_needs import Machine, cells_that_fit, split_devices
    from sweeps.cost import estimate_cost
    from sweeps.forecast import make_forecast
    from sweeps.measuring import Measuring
    from sweeps.plan import grid_tasks

    tasks = grid_tasks(request.study)
    runtimes = [dataclasses.replace(request.runtime, device=one) for one in split_devices(request.runtime.device)]
    machine = Machine.here([str(runtime.torch_device()) for runtime in runtimes])
    workers, sentence = cells_that_fit(request.study.resources, machine, request.workers)
    if sentence is not None:
        click.echo(sentence, err=True)
    with Measuring() as measuring:
        cost = estimate_cost(tasks, runtime=runtimes[0], progress=measuring.show)
    forecast = make_forecast(request.study, tasks, cost, search=request.search, workers=workers)
    click.echo(json.dumps(forecast.to_json()) if as_json else "\n".join(forecast.lines(every_arm=every_arm)))


@sweep.command()
@_of_a_study
@click.option("--out", required=True, type=UserPath(file_okay=False), help="Folder of this study.")
@click.option("--engine", default="local", show_default=True, help="Where cells run: local or ray.")
@click.option(
    "--shard",
    metavar="I/N",
    help="Run the I-th of N parts of the plan alone; slurm takes it from a job array's variables. See docs/cluster.md.",
)
@click.option("--only", type=click.Choice(["failed"]), help="Run the cells that failed, and no others.")
@click.option(
    "--reuse",
    multiple=True,
    metavar="DIR",
    type=UserPath(),
    help="Take finished equal cells over from the study in DIR. Repeatable.",
)
@click.option(
    "--accept-code",
    is_flag=True,
    help="Take over finished cells that only a change of code keeps out; you vouch that it changes no number.",
)
@click.option("--max-cells", type=_positive, help="Cells to compute in this run.")
@click.option("--budget", metavar="TIME", help="Time for this run, e.g. 90s, 45min, 2h.")
@click.option("--cell-timeout", metavar="TIME", help="Time for a cell; a longer one is killed and counts as failed.")
@click.option("--seeds-first", is_flag=True, help="The first seed of every arm before the second of any.")
@click.option(
    "--confirm", is_flag=True, help="Run the arm that the finished study chooses and its reference on fresh seeds."
)
@click.option(
    "--seeds", type=_positive, help="With --confirm: how many fresh seeds [default: what a gain as seen needs]."
)
@click.option(
    "--keep-weights",
    type=click.Choice(["chosen", "all", "none"]),
    default="chosen",
    show_default=True,
    help="Which trained models stay in --out/models: those of the arm with the best validation, all, or none.",
)
@click.option(
    "--track", multiple=True, metavar="NAME", help="Show the cells to tensorboard, mlflow or wandb, too. Repeatable."
)
@click.option(
    "--storage",
    metavar="URL",
    help="Mirror the sweep into an Optuna storage: sqlite:///FILE, postgresql://USER@HOST/BASE, journal:FILE "
    "[a search: --out/search.db].",
)
@click.option(
    "--clips/--no-clips",
    default=True,
    help="Put frames of some test clips beside the plan for the report: for its explorer, and in the end of those won "
    "and lost, with their attention maps [default: --clips].",
)
def run(
    request: _Request,
    out: Path,
    engine: str,
    shard: str | None,
    only: Literal["failed"] | None,
    reuse: tuple[Path, ...],
    accept_code: bool,
    max_cells: int | None,
    budget: str | None,
    cell_timeout: str | None,
    seeds_first: bool,
    confirm: bool,
    seeds: int | None,
    keep_weights: Keep,
    track: tuple[str, ...],
    storage: str | None,
    clips: bool,
) -> None:
    """Run the missing cells of STUDY in --out. The same command again goes on from there; nothing finished is repeated.

    Exit code 0 when all planned cells (with --shard: its own) are complete, 3 when some are missing, failed, stopped or
    diverged, 4 when the disk is full; 130, 143 and 129 when interrupted by Ctrl-C, SIGTERM and SIGHUP.
    """
    with collector_paused():
        from sweeps.limits import Limits, parse_seconds
        from sweeps.run import confirm_study, run_study
        from sweeps.shards import parse_shard
        from sweeps.track.console import ConsoleReporter

    if seeds is not None and not confirm:
        raise click.UsageError(
            "--seeds says how many fresh seeds --confirm runs; a study's own are in it: --set seeds=..."
        )
    if confirm and (only or reuse or accept_code or track or storage):
        raise click.UsageError(
            "--confirm runs the chosen arm of a finished study; leave out --only, --reuse, --accept-code, --track and "
            "--storage"
        )
    if only and accept_code:
        raise click.UsageError("--only failed runs failed cells, --accept-code takes finished ones over; give one")
    limits = Limits(
        max_cells=max_cells,
        budget=None if budget is None else parse_seconds(budget, "--budget"),
        cell_timeout=None if cell_timeout is None else parse_seconds(cell_timeout, "--cell-timeout"),
        seeds_first=seeds_first,
    )
    asked = request.study
    part = None if shard is None else parse_shard(shard, os.environ)
    how: dict[str, Any] = {
        "workers": request.workers, "runtime": request.runtime, "engine": engine, "limits": limits, "shard": part,
    }  # fmt: skip
    try:
        with _signals_interrupt(), ConsoleReporter(asked.metric) as reporter:
            if confirm:
                status = confirm_study(asked, out, seeds=seeds, reporter=reporter, **how)
            else:
                status = run_study(
                    asked, out, search=request.search, only=only, reuse=reuse, accept_code=accept_code,
                    keep_weights=keep_weights, track=track, storage=storage, clips=clips, reporter=reporter, **how,
                )  # fmt: skip
    except KeyboardInterrupt as interrupt:
        click.echo(f"\nInterrupted. The finished cells are in '{out}'; the same command goes on from there.", err=True)
        number = interrupt.signal if isinstance(interrupt, _Signalled) else signal.SIGINT
        raise click.exceptions.Exit(128 + number) from None
    for reason in status.reasons:
        click.echo(reason.line(), err=True)
    whole = f"Report: vmp report {out}" if part is None else f"All shards: vmp sweep status {out}"
    share = "" if part is None else f"shard {part}: "
    click.echo(f"{share}{status.headline()}; {status.computed} of them computed now. {whole}")
    raise click.exceptions.Exit(status.exit_code)


class _Signalled(KeyboardInterrupt):
    """A signal that ends the run as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a run as Ctrl-C does: workers ended, what is finished in place, one sentence."""

    def interrupt(number: int, frame: object) -> None:
        del frame
        raise _Signalled(number)

    # `nohup` has SIGHUP ignored, and a thread may set no handler.
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, interrupt) for number in numbers if main}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@sweep.command()
@click.argument("folder", metavar="DIR", type=UserPath())
@_json
@click.option("--watch", is_flag=True, help="Show it again whenever it changes, until no sweep runs in DIR.")
def status(folder: Path, as_json: bool, watch: bool) -> None:
    """How far the study in DIR is: cells by arm, what failed and why. Reads only, also while a sweep runs.

    Exit code as of `vmp sweep run`.
    """
    from sweeps.records.study_folder import StudyFolder
    from sweeps.status import read_status

    current = read_status(StudyFolder(folder))
    while watch and current.running:
        click.clear()  # on a terminal
        click.echo(json.dumps(current.to_json()) if as_json else "\n".join(current.lines()))
        before = current.counts
        while current.running and current.counts == before:
            time.sleep(_WATCH_SECONDS)
            current = read_status(StudyFolder(folder))
    click.echo(json.dumps(current.to_json()) if as_json else "\n".join(current.lines()))
    raise click.exceptions.Exit(current.exit_code)


@sweep.command()
@click.argument("folder", metavar="DIR", type=UserPath())
@_of_a_study
@_json
def why(request: _Request, folder: Path, as_json: bool) -> None:
    """Why cells of STUDY would run in DIR: each by its nearest finished cell, every cause counted. Runs nothing."""
    from sweeps.plan import grid_tasks
    from sweeps.records.study_folder import StudyFolder
    from sweeps.why import explain

    answer = explain(StudyFolder(folder), grid_tasks(request.study))
    click.echo(json.dumps(answer.to_json()) if as_json else "\n".join(answer.lines()))


@sweep.command()
@click.argument("folder", metavar="DIR", type=UserPath())
@click.option(
    "--search", default="race", show_default=True, metavar="NAME", help="The strategy: race or an Optuna sampler."
)
@click.option(
    *("--search-option", "search_options"),
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of it, e.g. max_seeds=10 of a race; arms=8 or first_seeds=2 of a search. Repeatable.",
)
@_json
def replay(folder: Path, search: str, search_options: tuple[str, ...], as_json: bool) -> None:
    """What another strategy would have decided and cost, its cells answered from the study in DIR. Reads only."""
    from sweeps.records.study_folder import StudyFolder
    from sweeps.replay import replay
    from vmp.core.overrides import parse_override

    options = dict(parse_override(one, flag="--search-option", example="max_seeds=10") for one in search_options)
    state = replay(StudyFolder(folder), search, options)
    share = f"It took {state.cells} of {state.grid_cells} cells, {state.cells / state.grid_cells:.0%}."
    click.echo(json.dumps(state.to_json()) if as_json else "\n".join([*state.lines(), share]))


@sweep.command()
@click.argument("folder", metavar="DIR", type=UserPath())
@click.option("--difference", type=click.FloatRange(0, 100, min_open=True), help="Points to show [the study's margin].")
@click.option("--seeds", help="Numbers of seeds to consider, separated by commas.")
@_json
def seeds(folder: Path, difference: float | None, seeds: str | None, as_json: bool) -> None:
    """How many seeds a study needs, with the finished cells in DIR as a pilot. Reads only."""
    from sweeps.pilot import SEEDS, read_pilot
    from sweeps.records.study_folder import StudyFolder

    try:
        numbers = [int(part) for part in seeds.split(",")] if seeds else SEEDS
    except ValueError:
        message = f"must be whole numbers separated by commas, got {seeds!r}"
        raise click.BadParameter(message, param_hint="--seeds") from None
    pilot = read_pilot(StudyFolder(folder), None if difference is None else difference / 100, numbers)
    click.echo(json.dumps(pilot.to_json()) if as_json else "\n".join(pilot.lines()))
