"""``vmp report``: parses, calls `analysis.report.write_report`, prints. Nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write the report of a study: a page, tables and figures.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out", metavar="DIR2", type=click.Path(path_type=Path), help="The report's folder [default: DIR/report]."
)
def report(folder: Path, out: Path | None) -> None:
    """Write the report of the study in DIR: index.html, tables/ and figures/.

    Works on an unfinished study too and says so. Prints the verdict and the path of the page.
    """
    from analysis.judged import judge
    from analysis.report import write_judged
    from analysis.table import load_study

    judged = judge(load_study(folder))
    index = write_judged(judged, out if out is not None else folder / "report")
    click.echo(judged.headline)
    click.echo(str(index))
