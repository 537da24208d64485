"""``vmp doctor``: what is installed, compiled and found."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def doctor(as_json: bool) -> None:
    """Print what is installed, compiled and found on this machine: one page to paste into a bug report."""
    from vmp.examination import as_text, examine

    page = examine()
    click.echo(json.dumps(page) if as_json else as_text(page))
