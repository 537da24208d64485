"""``vmp sweep``: parse, build a typed study, call one function, print. Torch is imported only inside a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sweeps.plan import Task
    from sweeps.propose.optuna_search import SearchSettings
    from sweeps.study import Study

_study = click.argument("study", metavar="STUDY")
_settings = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting, e.g. train.epochs=3. Repeatable."
)
_search = click.option(
    "--search", type=click.Choice(["tpe"]), help="Propose arms with Optuna instead of running the grid."
)
_arms = click.option(
    "--arms", type=click.IntRange(min=1), default=20, show_default=True, help="Arms that --search proposes."
)
_device = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")


@click.group(context_settings={"max_content_width": 110})
def sweep() -> None:
    """Plan a study, run its cells exactly once, see how it stands.

    STUDY is a YAML file or the name of a built-in study: lambda, init, sampling, motion, collapse.
    """


@sweep.command()
@_study
@_settings
@_search
@_arms
@_device
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Workers to estimate for.")
def plan(study: str, overrides: tuple[str, ...], search: str | None, arms: int, device: str, workers: int) -> None:
    """Print the cells of STUDY, what they will cost, and what they can show. Runs nothing."""
    from sweeps.cost import estimate_seconds
    from sweeps.plan import grid_tasks
    from sweeps.status import describe_seconds
    from sweeps.study import load_study

    definition = load_study(study, overrides)
    tasks = grid_tasks(definition)
    click.echo(f"Study '{definition.name}': {definition.question}".rstrip(": "))
    seconds = estimate_seconds(tasks, device=device)
    _print_arms(tasks, seconds)
    seeds = len(definition.seeds)
    total = sum(seconds.values())
    if search:
        per_cell = total / len(tasks)
        total = per_cell * arms * seeds
        click.echo(f"--search {search}: up to {arms} arms x {seeds} seeds within the ranges of these values")
    else:
        click.echo(f"{len(tasks)} cells = {len(tasks) // seeds} arms x {seeds} seeds {list(definition.seeds)}")
    click.echo(
        f"about {describe_seconds(total / workers)} with {workers} worker{'s' * (workers > 1)}, by a few measured steps"
    )
    _print_power(definition)


@sweep.command()
@_study
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of this study.")
@_settings
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Cells at a time.")
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@_search
@_arms
@_device
def run(
    study: str,
    out: Path,
    overrides: tuple[str, ...],
    workers: int,
    engine: str,
    search: str | None,
    arms: int,
    device: str,
) -> None:
    """Run what STUDY lacks in --out. The same command again goes on where it was; nothing finished is repeated.

    Exit code 0 when every planned cell is complete, 3 when some are missing, failed or diverged.
    """
    from sweeps.propose.optuna_search import SearchSettings
    from sweeps.run import run_study
    from sweeps.study import load_study
    from sweeps.track.console import ConsoleReporter

    definition = load_study(study, overrides)
    settings: SearchSettings | None = SearchSettings(method="tpe", arms=arms) if search else None
    try:
        with ConsoleReporter(definition.metric, arms if search else None) as reporter:
            standing = run_study(
                definition, out, workers=workers, engine=engine, device=device, search=settings, reporter=reporter
            )
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted. What finished is kept in '{out}'; the same command goes on from there.", err=True)
        raise click.exceptions.Exit(130) from None
    for cell, arm, reason in standing.reasons:
        click.echo(f"{cell} ({arm}): {reason}", err=True)
    click.echo(f"{standing.headline()}; {standing.ran} of them computed now. Report: vmp report {out}")
    raise click.exceptions.Exit(standing.exit_code)


@sweep.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def status(folder: Path) -> None:
    """How far the study in DIR is: cells by arm, what failed and why. Reads only, also while a sweep runs.

    Exit code as of `vmp sweep run`.
    """
    from sweeps.record import StudyFolder
    from sweeps.status import read_standing

    standing = read_standing(StudyFolder(folder))
    for line in standing.lines():
        click.echo(line)
    raise click.exceptions.Exit(standing.exit_code)


def _print_arms(tasks: list[Task], seconds: dict[str, float]) -> None:
    from sweeps.status import describe_factors, describe_seconds

    arms: dict[str, list[Task]] = {}
    for task in tasks:
        arms.setdefault(describe_factors(task.factors) or "the plain settings", []).append(task)
    width = max(map(len, arms))
    for name, cells in arms.items():
        cost = describe_seconds(sum(seconds[cell.hash] for cell in cells) / len(cells))
        click.echo(f"  {name:<{width}}  {len(cells)} seeds, about {cost} each  {' '.join(c.hash[:8] for c in cells)}")


def _print_power(study: Study) -> None:
    n, floor = len(study.seeds), study.smallest_p_value()
    click.echo(
        f"With {n} paired seeds the sign-flip test of two arms cannot go below p = {floor:g}"
        + ("; 6 seeds are the fewest that can reach 0.05." if floor > 0.05 else ".")
    )
