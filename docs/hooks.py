"""What the site needs beyond mkdocs.yml: pages from outside docs/, and links as GitHub reads them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.structure.toc import AnchorLink

ELSEWHERE = {
    "index.md": "README.md",
    "benchmarks.md": "benchmarks/README.md",
    "results.md": "results/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
"""Page of the site -> file in the repository."""
NOTES = "decisions/"
"""The folder whose pages are listed on a page of its own; in the navigation it stands for them all."""

_CODE_OR_LINK = re.compile(r"^```.*?^```|`[^`\n]+`|(\[[^\]]*\])\(([^)\s:]+)\)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere, and the notes on decisions to the navigation."""
    root = Path(config.config_file_path).parent
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(root / source)))
    notes = sorted((file for file in files.documentation_pages() if file.src_uri.startswith(NOTES)), key=_title)
    lines = [f"- [{_title(file)}]({posixpath.basename(file.src_uri)})" for file in notes]
    index = "# Decisions\n\nShort notes on roads not taken, and why.\n\n" + "\n".join(lines) + "\n"
    files.append(File.generated(config, f"{NOTES}index.md", content=index))
    config.nav = _with_notes(config.nav, [f"{NOTES}index.md", *(file.src_uri for file in notes)])
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links by paths of the repository links of the site; what the site does not have is named, not linked."""
    root = Path(config.config_file_path).parent
    here = page.file.src_uri
    folder = posixpath.dirname(ELSEWHERE.get(here, f"docs/{here}"))

    def rewritten(match: re.Match[str]) -> str:
        label, target = match.groups()
        path, mark, anchor = (target or "").partition("#")
        if not path:
            return match[0]
        name = posixpath.normpath(posixpath.join(folder, path))
        for uri in (_page(name), _page(f"{name}/README.md"), _page(f"{name}/index.md")):
            if uri in files.src_uris:
                return f"{label}({posixpath.relpath(uri, posixpath.dirname(here) or '.')}{mark}{anchor})"
        if (root / name).exists():
            return label[1:-1] if "`" in label else f"`{name}`" if label[1:-1] in name else f"{label[1:-1]} (`{name}`)"
        return match[0]  # a broken link, which the build reports

    return _CODE_OR_LINK.sub(rewritten, markdown)


def on_page_content(html: str, *, page: Page, **_: Any) -> str:
    """In the table of contents a benchmark has its name alone, without its command."""
    _shorten(page.toc)
    return html


def _shorten(headings: Iterable[AnchorLink]) -> None:
    for heading in headings:
        heading.title = heading.title.split(": python ")[0]
        _shorten(heading.children)


def _page(source: str) -> str:
    """The page of the site that a file of the repository is, or would be; empty if it would be none."""
    written = source.removeprefix("docs/") if source.startswith("docs/") else ""
    return next((page for page, path in ELSEWHERE.items() if path == source), written)


def _title(file: File) -> str:
    return file.content_string.partition("\n")[0].removeprefix("# ")


def _with_notes(entry: Any, notes: list[str]) -> Any:
    """A part of the navigation, in which the folder of the `notes` becomes these."""
    if isinstance(entry, list):
        return [_with_notes(inner, notes) for inner in entry]
    if isinstance(entry, dict):
        return {title: _with_notes(inner, notes) for title, inner in entry.items()}
    return notes if entry == NOTES else entry
