"""``vmp report`` and ``vmp audit``: parse, conclude, write or print. Nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from analysis.verdict.conclusions import Conclusions


@click.command(short_help="Write the report of a study: a page, tables and figures.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out", metavar="DIR2", type=click.Path(path_type=Path), help="The report's folder [default: DIR/report]."
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as one JSON object; write only with --out.")
@click.option(
    "--compare",
    nargs=2,
    metavar="ARM REFERENCE",
    help="Only print how two arms compare, each named by factors, e.g. remedy=relative remedy=none.",
)
@click.option("--strict", is_flag=True, help="End with 3 if a planned cell is missing, failed or has no test accuracy.")
def report(folder: Path, out: Path | None, as_json: bool, compare: tuple[str, str] | None, strict: bool) -> None:
    """Write the report of the study in DIR: index.html, verdict.json, tables/ and figures/.

    Works on an unfinished study too and says so. Prints the verdict and the path of the page.
    """
    from analysis.study.cells import load_study
    from analysis.study.provenance import changed_code
    from analysis.verdict.conclusions import conclude

    conclusions = conclude(load_study(folder))
    if (changed := changed_code(conclusions.study.plan)) is not None:
        click.echo(f"Note: {changed}", err=True)
    if compare is not None:
        _print_comparison(conclusions, *compare)
    else:
        _report(conclusions, folder, out, as_json)
    if strict and not conclusions.study.is_measured:
        raise click.exceptions.Exit(3)


def _print_comparison(conclusions: Conclusions, arm: str, reference: str) -> None:
    from analysis.verdict.named_pairs import NAMED, named_pairs
    from analysis.words.claims import short_comparison
    from sweeps.stats.decisions import MIN_SEEDS

    pairs = named_pairs(conclusions.study, arm, reference)
    contrasts = conclusions.evidence.compare([sides for sides, _ in pairs], NAMED)
    for (_, setting), contrast in zip(pairs, contrasts, strict=True):
        subject = f"{arm} against {reference}" + (f" at {setting}" if setting else "")
        few = f"{subject}: {contrast.n} paired seeds, a verdict needs at least {MIN_SEEDS}."
        click.echo(short_comparison(subject, contrast) or few)


def _report(conclusions: Conclusions, folder: Path, out: Path | None, as_json: bool) -> None:
    page = None
    if out is not None or not as_json:
        from analysis.report.write import write_conclusions

        page = write_conclusions(conclusions, out if out is not None else folder / "report")
    if as_json:
        from analysis.report.json_object import json_text

        click.echo(json_text(conclusions, str(page) if page else None))
        return
    from analysis.words.headline import beside_headline, headline

    click.echo(headline(conclusions).text)
    if (beside := beside_headline(conclusions)) is not None:
        click.echo(beside.text)
    click.echo(str(page))


@click.command(short_help="Recompute what a printed table claims from its own numbers.")
@click.argument("table", metavar="TABLE.csv", type=click.Path(path_type=Path))
def audit(table: Path) -> None:
    """Recompute the numbers of TABLE.csv that follow from others in it, and name those that disagree.

    Counts (TP, FP, FN, TN, correct, total) give precision, recall, F1 and accuracy, columns 'seed 0', 'seed 1', ...
    their mean and std, a column 'A - B' the difference of two others. Ends with 3 if any number disagrees.
    """
    from analysis.audit import audit_table
    from vmp.core.text import count, listing

    result = audit_table(table)
    for line in (*result.disagreements, *result.reversals):
        click.echo(str(line))
    for line in result.unread:
        click.echo(f"Note: {line}, so it was left out", err=True)
    if result.unchecked:
        click.echo(f"Note: nothing in the table to check {listing(list(result.unchecked))} against", err=True)
    wrong = len(result.disagreements)
    click.echo(f"{count(result.checked, 'number')} recomputed, {wrong or 'none'} in disagreement")
    if wrong:
        raise click.exceptions.Exit(3)
