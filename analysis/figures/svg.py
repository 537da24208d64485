"""A figure as SVG: text that is the same for the same figure, and a form of it that fits into the page."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from analysis.figures.style import PAPER, VARIABLES

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ET.register_namespace("", _SVG)
ET.register_namespace("xlink", _XLINK)
_ROW = re.compile(r"row-(\d+)-")
_COLOUR = re.compile("|".join(VARIABLES))


def svg_text(figure: Figure) -> str:
    """The figure as SVG text; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, facecolor=PAPER)
    return buffer.getvalue().decode()


def inline_svg(
    text: str,
    prefix: str,
    titles: Mapping[str, Sequence[str]] | None = None,
    *,
    arms: Mapping[str, int] | None = None,
    rows: Sequence[str] = (),
) -> str:
    """SVG `text` made fit for HTML: no prologue or size, ids of its own, palette colours as CSS variables.

    Args:
        text: A figure as SVG.
        prefix: Put before every id, so that figures on one page share none.
        titles: For the gid of each scatter what its points say when pointed at, in drawing order. A scatter that was
            not drawn point by point (rasterised, because there are many) stays as it is.
        arms: Numbers of the arms by their label. What a label, a point or a row names gets its arm's number.
        rows: The label of each row's arm; the parts of a row are known by their id.
    """
    numbers = arms or {}
    root = ET.fromstring(text)
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    for gid, texts in (titles or {}).items():
        group = root.find(f".//{{{_SVG}}}g[@id='{gid}']")
        points = [] if group is None else list(group.iter(f"{{{_SVG}}}use"))
        if len(points) == len(texts):
            for point, title in zip(points, texts, strict=True):
                ET.SubElement(point, f"{{{_SVG}}}title").text = title
                _mark(point, _named_arm(title, numbers), numbers)
    for element in root.iter():
        if element.tag == f"{{{_SVG}}}text" and element.text in numbers:
            _mark(element, element.text, numbers)
        elif (row := _ROW.match(element.get("id", ""))) and int(row[1]) < len(rows):
            _mark(element, rows[int(row[1])], numbers)
    _clear_paper(root)
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    for element in root.iter():
        for name, value in element.attrib.items():
            element.set(name, _inlined(name, value, prefix))
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    return "\n".join(line for line in ET.tostring(root, encoding="unicode").splitlines() if line.strip())


def _mark(element: ET.Element, label: str | None, numbers: Mapping[str, int]) -> None:
    if label in numbers:
        element.set("data-arm", str(numbers[label]))


def _named_arm(title: str, numbers: Mapping[str, int]) -> str | None:
    """The arm that a point's text begins with: the longest of several."""
    return max((label for label in numbers if re.match(rf"{re.escape(label)}(?![\w.])", title)), key=len, default=None)


def _clear_paper(root: ET.Element) -> None:
    """Take away the figure's own background: the page has one."""
    patch = root.find(f".//{{{_SVG}}}g[@id='patch_1']/{{{_SVG}}}path")
    if patch is not None:
        patch.set("style", "fill: none")


def _inlined(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return f"{prefix}-{value}"
    if name in ("href", f"{{{_XLINK}}}href"):
        return re.sub("^#", f"#{prefix}-", value)
    value = value.replace("url(#", f"url(#{prefix}-")
    value = re.sub(r"'DejaVu Sans'(, [^;]*)?", "var(--sans)", value)
    return _COLOUR.sub(lambda color: f"var({VARIABLES[color[0]]})", value)
