"""`make docs` builds a site that has every page, link, picture and public name, and asks no other host."""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import ROOT

for tool in ("material", "mkdocstrings_handlers"):
    pytest.importorskip(tool, reason="the site's tools are not installed (pip install -e '.[docs]')")

pytestmark = pytest.mark.xdist_group("site")  # one process: the site is built once

ELSEWHERE = ("index", "benchmarks", "results", "changelog", "contributing", "decisions/index")
LOADED_BY = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Parsed(HTMLParser):
    """What a page loads by itself, its pictures, and where its links lead."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.images: list[str] = []
        self.links: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        target = given.get(LOADED_BY.get(tag, "")) or ""
        self.loads += [target]
        self.images += [target] if tag == "img" else []
        self.links += [given.get("href") or ""] if tag == "a" else []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: a link or an anchor that leads nowhere is an error."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_document_is_a_page_that_the_navigation_leads_to(site: Path) -> None:
    sources = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    documents = {str(path.with_name("index") if path.stem == "README" else path.with_suffix("")) for path in sources}
    pages = {str(path.relative_to(site).with_suffix("")) for path in site.rglob("*.html")}
    assert pages == documents | {*ELSEWHERE, "404"}
    home = (site / "index.html").read_text(encoding="utf-8")
    (navigation,) = re.findall(r'<nav class="md-nav md-nav--primary.*?\n</nav>', home, re.DOTALL)
    reached = {link.removesuffix(".html") for link in re.findall(r'href="([^"#:]+\.html)', navigation)}
    assert reached == pages - {"404"}


def test_pictures_are_there_and_nothing_is_asked_of_another_host(site: Path) -> None:
    for page in site.rglob("*.html"):
        parsed = Parsed(page)
        assert not [target for target in parsed.loads if re.match(r"(https?:)?//", target)], page
        assert all((page.parent / target).is_file() for target in parsed.images), page
    assert Parsed(site / "index.html").images == ["gallery/every-arm.png"]
    assert not re.search(
        r"(@import|url\()\s*[\"']?(https?:)?//", (site / "assets/site.css").read_text(encoding="utf-8")
    )


def test_links_as_github_reads_them_work_in_the_site(site: Path) -> None:
    assert {"docs/studies.md", "benchmarks/README.md"}.isdisjoint(Parsed(site / "index.html").links)
    assert {"studies.html#designs", "benchmarks.html"} <= set(Parsed(site / "index.html").links)
    anchor = "verdicts-over-folds-and-splits-python-benchmarksdivisionspy---studies-2000"
    assert f"benchmarks.html#{anchor}" in Parsed(site / "studies.html").links
    assert f'id="{anchor}"' in (site / "benchmarks.html").read_text(encoding="utf-8")
    assert "decisions/index.html" in Parsed(site / "architecture.html").links


def test_a_link_to_what_the_site_lacks_is_its_name_and_code_stays_as_it_is() -> None:
    hooks: Any = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "hooks.py")))
    page = SimpleNamespace(file=SimpleNamespace(src_uri="decisions/race.md"))
    config = SimpleNamespace(config_file_path=str(ROOT / "mkdocs.yml"))
    text = (
        "[the race](../../sweeps/stats/race.py), [`race.py`](../../sweeps/stats/race.py), [x](none.md), `[a](race.md)`"
    )
    shown = hooks.on_page_markdown(
        text, page=page, config=config, files=SimpleNamespace(src_uris={"decisions/race.md"})
    )
    assert shown == "the race (`sweeps/stats/race.py`), `race.py`, [x](none.md), `[a](race.md)`"


def test_every_public_name_is_in_the_api(site: Path) -> None:
    inventory = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    described = {line.split()[0] for line in inventory.splitlines()}
    public = {
        f"{package}.{name.name}"
        for package in ("vmp", "sweeps", "analysis")
        for node in ast.parse((ROOT / package / "__init__.pyi").read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert public <= described, f"docs/api/ lacks {sorted(public - described)}"


def test_a_search_finds_what_a_docstring_says(site: Path) -> None:
    entries = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    (study,) = [entry for entry in entries if entry["location"] == "api/sweeps.html#sweeps.Study"]
    assert "practically equal" in study["text"]
