"""``vmp report``: parses, concludes, writes or prints. Nothing heavy is imported before it runs."""

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
    """Write the report of the study in DIR: index.html, tables/ and figures/.

    Works on an unfinished study too and says so. Prints the verdict and the path of the page.
    """
    from analysis.study.cells import load_study
    from analysis.verdict.conclusions import conclude

    conclusions = conclude(load_study(folder))
    if compare is not None:
        _print_comparison(conclusions, *compare)
    else:
        _report(conclusions, folder, out, as_json)
    if strict and not conclusions.study.is_measured:
        raise click.exceptions.Exit(3)


def _print_comparison(conclusions: Conclusions, arm: str, reference: str) -> None:
    from analysis.verdict.named_pairs import named_pairs
    from analysis.words.claims import short_comparison

    pairs = named_pairs(conclusions.study, arm, reference)
    contrasts = conclusions.evidence.compare([(pair.arm, pair.reference) for pair in pairs])
    for pair, contrast in zip(pairs, contrasts, strict=True):
        subject = f"{arm} against {reference}" + (f" at {pair.setting}" if pair.setting else "")
        few = f"{subject}: {contrast.n} paired seeds, an interval needs at least 2."
        click.echo(short_comparison(subject, contrast) or few)


def _report(conclusions: Conclusions, folder: Path, out: Path | None, as_json: bool) -> None:
    page = None
    if out is not None or not as_json:
        from analysis.report.write import write_conclusions

        page = write_conclusions(conclusions, out if out is not None else folder / "report")
    if as_json:
        import json

        from analysis.report.json_object import json_object

        click.echo(json.dumps(json_object(conclusions, page), indent=1, allow_nan=False, ensure_ascii=False))
        return
    from analysis.words.headline import headline

    click.echo(headline(conclusions).text)
    click.echo(str(page))
