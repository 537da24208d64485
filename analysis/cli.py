"""``vmp report`` and ``vmp audit``: parse, conclude, write or print. Nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vmp.core.collector import collector_paused
from vmp.core.errors import InputError

if TYPE_CHECKING:
    from analysis.study.cells import Study
    from analysis.verdict.conclusions import Conclusions


class _Report(click.Command):
    """The command, with a sentence for the form that could mean two things."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--compare" in args and len(args) - args.index("--compare") < 3:
            raise InputError(
                "--compare takes two arms of one study (--compare lambda=1 lambda=0.1); two studies are compared by "
                "`vmp report DIR --against OTHER`"
            )
        return super().parse_args(ctx, args)


@click.command(cls=_Report, short_help="Write the report of a study: a page, tables and figures.")
@click.argument("sources", metavar="DIR...", nargs=-1, required=True)
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
@click.option(
    "--against",
    metavar="DIR",
    help="Only print what another study changed, and which of the arms of both moved beyond noise.",
)
@click.option(
    "--columns",
    multiple=True,
    metavar="MAP",
    help="For results of other tools: what is what, e.g. seed=run,test=acc,factors=lr,wd.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Write nothing; recompute every number of the report that was written, and end with 1 if any disagrees.",
)
@click.option("--strict", is_flag=True, help="End with 3 if a planned cell is missing, failed or has no test accuracy.")
@collector_paused()
def report(
    sources: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    compare: tuple[str, str] | None,
    against: str | None,
    columns: tuple[str, ...],
    verify: bool,
    strict: bool,
) -> None:
    """Write the report of the study in DIR: index.html, verdict.json, tables/ and figures/.

    Works on an unfinished study too and says so. Prints the verdict and the path of the page.

    DIR may also be the results of another tool: an Optuna storage (SQLite or journal file), a results folder of Ray
    Tune, MLflow runs (a folder or SQLite), a CSV or Parquet table; --columns then says what is what. Several of them
    are the blocks of one report.
    """
    from analysis.readers.columns import Columns, parse_columns
    from analysis.readers.foreign_study import assumed
    from analysis.readers.registry import join, load_any
    from analysis.study.provenance import changed_code
    from analysis.verdict.conclusions import conclude

    _check_options(sources, out, as_json, compare, against, verify)
    studies = [load_any(source, parse_columns(columns)) for source in sources]
    if against is not None:
        other = load_any(against, parse_columns(columns) if studies[0].origin else Columns())
        _print_side_by_side(studies[0], other)
        return
    is_own = len(studies) == 1 and studies[0].origin is None
    if out is None and not is_own and not as_json and compare is None:
        raise InputError(
            f"the report of {'several studies' if len(studies) > 1 else f'results of {studies[0].origin.tool}'} is not "  # type: ignore[union-attr]
            "written among them; name a folder for it: --out DIR"
        )
    for study in studies:
        if study.origin is not None:
            click.echo(f"Note: {assumed(study)}", err=True)
            for note in study.origin.notes:
                click.echo(f"Note: {note}", err=True)
    conclusions = conclude(studies[0] if len(studies) == 1 else join(studies, out or Path(sources[0])))

    def note_changed_code() -> None:
        if is_own and (changed := changed_code(conclusions.study.plan)) is not None:
            click.echo(f"Note: {changed}", err=True)

    if compare is not None:
        note_changed_code()
        _print_comparison(conclusions, *compare)
    elif verify:
        note_changed_code()
        _verify(conclusions, out or studies[0].path / "report")
    elif as_json and out is None:
        note_changed_code()
        _print_json(conclusions, None)
    else:
        from analysis.figures.style import without_glyph
        from analysis.report.write import write_conclusions

        page = write_conclusions(conclusions, out or studies[0].path / "report", meanwhile=note_changed_code)
        if signs := without_glyph(arm.label for arm in conclusions.study.arms):
            click.echo(
                f"Note: the font of the figures has no {signs[:20]!r}; the PNG files have boxes for them, the page and "
                "the SVG files the signs",
                err=True,
            )
        _print_json(conclusions, page) if as_json else _print_headline(conclusions, page)
    if strict and not conclusions.study.is_measured:
        raise click.exceptions.Exit(3)


def _check_options(
    sources: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    compare: tuple[str, str] | None,
    against: str | None,
    verify: bool,
) -> None:
    """Refuse options that contradict each other, and a study where an arm is expected or the other way round."""
    if verify and (as_json or compare is not None or against is not None):
        raise InputError("--verify checks a report that was written; give it without --json, --compare and --against")
    if compare is not None and against is not None:
        raise InputError("--compare is about two arms of one study, --against about two studies; give one of them")
    if compare is not None and (study := next((one for one in compare if Path(one).exists()), None)) is not None:
        raise InputError(
            f"--compare takes two arms by their factors (lambda=1 lambda=0.1), and '{study}' is a folder or file; "
            f"two studies are compared by `vmp report {sources[0]} --against {study}`"
        )
    for flag, given in (("--compare", compare), ("--against", against)):
        if given is not None and (as_json or out is not None):
            has_no, other = ("has no JSON", "--json") if as_json else ("writes no report", "--out")
            raise InputError(f"{flag} prints sentences and {has_no}; give it without {other}")
    if against is not None:
        if len(sources) > 1:
            raise InputError(f"--against compares two studies, and {len(sources)} stand before it; name one of them")
        if "=" in against and not Path(against).exists():
            raise InputError(
                f"--against takes the folder of another study, and {against!r} reads like an arm; two arms of one "
                f"study are compared by `vmp report {sources[0]} --compare ARM REFERENCE`"
            )


def _print_side_by_side(study: Study, other: Study) -> None:
    from analysis.verdict.side_by_side import side_by_side
    from analysis.words.side_by_side_sentences import side_by_side_lines

    for line in side_by_side_lines(study, other, side_by_side(study, other)):
        click.echo(line)


def _print_comparison(conclusions: Conclusions, arm: str, reference: str) -> None:
    from analysis.verdict.named_pairs import NAMED, named_pairs
    from analysis.words.claims import short_comparison
    from sweeps.stats.means import MIN_SEEDS

    pairs = named_pairs(conclusions.study, arm, reference)
    contrasts = conclusions.evidence.compare([sides for sides, _ in pairs], NAMED)
    for (_, setting), contrast in zip(pairs, contrasts, strict=True):
        subject = f"{arm} against {reference}" + (f" at {setting}" if setting else "")
        few = f"{subject}: {contrast.n} paired seeds, a verdict needs at least {MIN_SEEDS}."
        click.echo(short_comparison(subject, contrast) or few)


def _verify(conclusions: Conclusions, written: Path) -> None:
    from analysis.report.verify import verify
    from vmp.core.text import count

    result = verify(conclusions, written)
    for line in result.disagreements:
        click.echo(line)
    wrong = len(result.disagreements)
    pictures = f" ({count(result.pictures, 'picture')} of pixels not compared)" if result.pictures else ""
    click.echo(f"{count(result.numbers, 'number')} recomputed{pictures}, {wrong or 'none'} in disagreement")
    if wrong:
        raise click.exceptions.Exit(1)


def _print_json(conclusions: Conclusions, page: Path | None) -> None:
    from analysis.report.json_object import json_text

    click.echo(json_text(conclusions, str(page) if page else None))


def _print_headline(conclusions: Conclusions, page: Path) -> None:
    from analysis.words.headline import beside_headline, headline

    click.echo(headline(conclusions).text)
    if (beside := beside_headline(conclusions)) is not None:
        click.echo(beside.text)
    click.echo(str(page))


@click.command(short_help="Write the questions and answers of several studies into one document.")
@click.argument("sources", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", metavar="DIR2", required=True, type=click.Path(path_type=Path), help="The document's folder.")
def atlas(sources: tuple[Path, ...], out: Path) -> None:
    """Write README.md with the question, the answer and the figure of each study in DIR into the folder DIR2.

    It opens with every arm that has the layer, of all the studies, against the control of its own other settings.
    """
    from analysis.atlas import read_all, write_atlas

    click.echo(str(write_atlas(sources, read_all(sources), out)))


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
