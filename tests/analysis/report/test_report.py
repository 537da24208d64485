"""The report as a reader and as a hostile or unlucky world meet it."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analysis.cli import report as report_command
from analysis.report.export import to_csv, to_markdown
from analysis.report.latex import to_latex
from analysis.report.write import write_report
from analysis.sections.base import Column, Row, Table
from analysis.study.loading import load_study
from analysis.verdict.conclusions import conclude
from analysis.words.headline import headline
from sweeps.records.cell_record import CellRecord, Provenance
from tests.analysis.study_records import ArmModel, StudyModel, lambda_arms, write_study
from vmp.core.errors import InputError
from vmp.core.presets import finegym_lambda_table

HOSTILE = "<script>document.title='owned'</script>\"'&$x_1$ | =cmd()"
LAMBDA = StudyModel(
    arms=lambda_arms(
        {0: 0.2, 0.1: 0.25, 10: 0.2, 100: 0.2}, collapsed={100: [0, 2]}, missing={10: [4]}, diverged={100: [4]}
    )
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study")
    write_study(path, LAMBDA)
    write_report(path)
    return path


class Page(HTMLParser):
    """What a browser would load, link and show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def headline_of(folder: Path) -> str:
    return headline(conclude(load_study(folder))).text


def table_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "report" / "tables" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def test_the_page_stands_alone_and_its_links_lead_somewhere(folder: Path) -> None:
    index = folder / "report" / "index.html"
    page = Page(index.read_text())
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.tags:
        assert tag not in ("iframe", "object", "embed")
        assert not any(name.startswith("on") for name in attributes), f"{tag} has a handler of its own"
        for name in ("src", "href", "xlink:href"):
            target = attributes.get(name)
            if target is None:
                continue
            assert not re.match(r"[a-z]+:|//", target), f"{tag} {name}={target}"
            if target.startswith("#"):
                assert target[1:] in ids
            else:
                assert (index.parent / target).is_file()
    assert "url(http" not in index.read_text()


def test_the_policy_lets_one_script_run_and_nothing_be_fetched(folder: Path) -> None:
    text = (folder / "report" / "index.html").read_text()
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules.pop("style-src") == "'unsafe-inline'"  # of the figures
    assert rules.pop("img-src") == "data:"
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert [rules.pop("script-src")] == [f"'sha256-{digest}'" for digest in digests]
    assert set(rules.values()) == {"'none'"}
    assert "default-src" in rules
    assert len(re.findall("<script", text)) == 2  # the other one holds data
    assert '<script type="application/json"' in text


def test_the_first_screen_holds_the_verdict_and_what_is_missing(folder: Path) -> None:
    text = (folder / "report" / "index.html").read_text()
    start = text[: text.index("<main>")]
    assert headline_of(folder).split(":")[0] in start
    assert "Incomplete study" in start
    assert "28 of 30 planned cells are complete; 1 missing, 1 diverged." in start


def test_the_same_records_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_report(folder, tmp_path / "again")
    assert contents(folder / "report") == contents(tmp_path / "again")


def test_no_time_zone_locale_or_hash_seed_changes_a_byte(folder: Path, tmp_path: Path) -> None:
    worlds = [
        {"TZ": "Pacific/Auckland", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
        {"TZ": "America/St_Johns", "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "PYTHONHASHSEED": "2"},
    ]
    for number, world in enumerate(worlds):
        command = [sys.executable, "-m", "vmp", "report", str(folder), "--out", str(tmp_path / str(number))]
        subprocess.run(command, env=os.environ | world, check=True, capture_output=True)
        assert contents(tmp_path / str(number)) == contents(folder / "report")


def test_every_figure_is_there_as_svg_and_png_and_in_words(folder: Path) -> None:
    figures = folder / "report" / "figures"
    names = {path.stem for path in figures.iterdir()}
    assert names == {
        "cost",
        "sensitivity",
        "response",
        "manipulation",
        "differences",
        "seed_std",
        "seeds",
        "specification",
        "training",
        "power",
    }
    for name in names:
        ET.parse(figures / f"{name}.svg")
        assert (figures / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    page = Page((folder / "report" / "index.html").read_text())
    labels = [a["aria-label"] for t, a in page.tags if t == "div" and a.get("role") == "img"]
    assert len(labels) == len(names)
    assert any("λ = 0.1:" in (label or "") for label in labels)


def test_every_row_of_a_table_names_its_cells(folder: Path) -> None:
    hashes = set(load_study(folder).cells["hash"])
    rows = table_of(folder, "results")
    cells = load_study(folder).cells.set_index("hash")
    for row in rows:
        named = row["cells"].split()
        assert set(named) <= hashes
        assert float(row["test_mean"]) == pytest.approx(cells.loc[named, "test_top1"].mean())
        assert int(row["seeds"]) == len(named)
    for ending in ("md", "tex"):
        text = (folder / "report" / "tables" / f"results.{ending}").read_text()
        assert all(row["cells"] in text for row in rows)


def test_published_values_stand_only_where_there_are_any(folder: Path) -> None:
    anchor = next(anchor for anchor in finegym_lambda_table() if anchor.lambda_ == 0.1)
    assert (anchor.slope, anchor.shift) == (pytest.approx(9.50, abs=0.01), pytest.approx(-0.153, abs=0.001))
    published = {row["arm"]: row["published_slope"] for row in table_of(folder, "manipulation")}
    assert float(published["λ = 0.1"]) == pytest.approx(anchor.slope)
    assert published["λ = 100"] == "not available"
    assert not any("published" in key for key in table_of(folder, "results")[0])


def test_tables_escape_what_their_format_gives_a_meaning() -> None:
    table = Table(
        name="t",
        caption="50% of a|b",
        columns=(Column(key="arm", header="a_b"), Column(key="x", header="x", format="percent")),
        rows=(Row(values=("x|y & <b> $1_2", 0.5), hashes=("a" * 16,)), Row(values=("none", None))),
    )
    assert to_csv(table) == f"arm,x,cells\nx|y & <b> $1_2,0.5,{'a' * 16}\nnone,,\n"
    assert "| x\\|y & \\<b\\> $1\\_2 | 50.0 |" in to_markdown(table)
    assert r"x\textbar{}y \& \textless{}b\textgreater{} \$1\_2 & 50.0 \\ % cells " + "a" * 16 in to_latex(table)
    assert r"none & -- \\" in to_latex(table)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    arms = [
        ArmModel({"prompt": "vmp", "sampling": HOSTILE}),
        ArmModel({"prompt": "vmp", "sampling": "b"}, failed=frozenset([1])),
    ]
    write_study(tmp_path, StudyModel(name=HOSTILE, question=HOSTILE, reason=HOSTILE, arms=arms, seeds=(0, 1, 2)))
    page = Page(write_report(tmp_path).read_text())
    assert [a.get("type") for tag, a in page.tags if tag == "script"] == ["application/json", None]
    assert HOSTILE in page.text
    for figure in (tmp_path / "report" / "figures").glob("*.svg"):
        assert "script" not in {element.tag.split("}")[-1] for element in ET.parse(figure).iter()}


@pytest.mark.parametrize(
    "arms",
    [
        lambda_arms({0: 0.1, 1: 0.1}, missing={0: range(3), 1: range(3)}),
        lambda_arms({0: 0.1, 1: 0.1}, failed={0: range(3), 1: [0, 1]}, control=False, baseline=None),
        lambda_arms({0: 0.1, 1: 0.1}, diverged={0: range(3), 1: range(3)}),
        [ArmModel({"prompt": "none"}, missing=frozenset(range(3)))],
        [ArmModel({"sampling": "uniform"}), ArmModel({"sampling": "random"}, missing=frozenset([1, 2]))],
        [ArmModel({})],
    ],
)
def test_whatever_is_missing_there_is_a_report(tmp_path: Path, arms: list[ArmModel]) -> None:
    write_study(tmp_path, StudyModel(arms=arms, seeds=(0, 1, 2)))
    assert "No verdict" in write_report(tmp_path).read_text().replace("no verdict is", "No verdict is")


def test_records_with_hardly_anything_in_them_are_reported_as_such(tmp_path: Path) -> None:
    study = write_study(tmp_path, StudyModel(arms=lambda_arms({0: 0.1, 1: 0.1}), seeds=(0, 1)))
    plan = study.read_plan()
    study.write_plan(plan.model_copy(update={"created": ""}))
    for record in list(study.records(plan)):
        metrics = {name: record.metrics[name] for name in ("val_top1", "test_top1")}
        names = {"hash", "factors", "seed", "status"}
        bare = CellRecord(**record.model_dump(include=names), metrics=metrics, provenance=Provenance(engine="local"))
        study.write_cell(bare)
    text = write_report(tmp_path).read_text()
    assert "not recorded" in text
    shown = Page(text[: text.rindex("<script>")]).text.lower()  # the last script is code
    assert "nan" not in shown.replace("provenance", "")


def test_a_report_takes_no_other_folder_s_place(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"holds other things \('thesis.tex'\)"):
        write_report(folder, tmp_path)
    with pytest.raises(InputError, match="holds other things"):
        write_report(folder, folder)
    with pytest.raises(InputError, match="it is a file"):
        write_report(folder, tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_error_half_way_leaves_the_old_report(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "r"
    shutil.copytree(folder / "report", target)
    before = contents(target)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("analysis.report.write.render_page", fail)
    with pytest.raises(InputError, match="No space left on device"):
        write_report(folder, target)
    assert contents(target) == before
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_the_command_prints_verdict_and_page(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(report_command, [str(folder), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    verdict, *_, path = result.stdout.splitlines()
    assert verdict == headline_of(folder)
    assert Path(path).is_file()
    empty = CliRunner().invoke(report_command, [str(tmp_path)])
    assert isinstance(empty.exception, InputError)


@pytest.mark.slow
def test_a_thousand_cells_and_a_search_over_lambda_stay_small(tmp_path: Path) -> None:
    lambdas = [0.0, *(float(v) for v in np.logspace(-2, 2, 99))]
    arms = lambda_arms(dict.fromkeys(lambdas, 0.2), collapsed={v: [0] for v in lambdas if v > 10})
    write_study(tmp_path, StudyModel(arms=arms, seeds=range(10), epochs=3))
    index = write_report(tmp_path)
    assert index.stat().st_size < 3_000_000
    assert len((tmp_path / "report" / "tables" / "cells.csv").read_text().splitlines()) == 1 + 10 * 102


def test_every_public_name_is_there() -> None:
    import analysis

    for name in analysis.__all__:
        assert getattr(analysis, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        analysis.nothing  # noqa: B018
