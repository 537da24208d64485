"""``vmp report``: parses, concludes, writes or prints. Nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write the report of a study: a page, tables and figures.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out", metavar="DIR2", type=click.Path(path_type=Path), help="The report's folder [default: DIR/report]."
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as one JSON object; write only with --out.")
def report(folder: Path, out: Path | None, as_json: bool) -> None:
    """Write the report of the study in DIR: index.html, tables/ and figures/.

    Works on an unfinished study too and says so. Prints the verdict and the path of the page.
    """
    from analysis.study.cells import load_study
    from analysis.verdict.conclusions import conclude

    conclusions = conclude(load_study(folder))
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
