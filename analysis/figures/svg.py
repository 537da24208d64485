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
_COLOUR = re.compile("|".join(VARIABLES))


def svg_text(figure: Figure) -> str:
    """The figure as SVG text; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, facecolor=PAPER)
    return buffer.getvalue().decode()


def inline_svg(text: str, prefix: str, titles: Mapping[str, Sequence[str]] | None = None) -> str:
    """SVG `text` made fit for HTML: no prologue or size, ids of its own, palette colours as CSS variables.

    Args:
        text: A figure as SVG.
        prefix: Put before every id, so that figures on one page share none.
        titles: For the gid of each scatter what its points say when pointed at, in drawing order. A scatter that was
            not drawn point by point (rasterised, because there are many) stays as it is.
    """
    root = ET.fromstring(text)
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    for gid, texts in (titles or {}).items():
        group = root.find(f".//{{{_SVG}}}g[@id='{gid}']")
        points = [] if group is None else list(group.iter(f"{{{_SVG}}}use"))
        if len(points) == len(texts):
            for point, title in zip(points, texts, strict=True):
                ET.SubElement(point, f"{{{_SVG}}}title").text = title
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    for element in root.iter():
        for name, value in element.attrib.items():
            element.set(name, _inlined(name, value, prefix))
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    return "\n".join(line for line in ET.tostring(root, encoding="unicode").splitlines() if line.strip())


def _inlined(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return f"{prefix}-{value}"
    if name in ("href", f"{{{_XLINK}}}href"):
        return re.sub("^#", f"#{prefix}-", value)
    value = value.replace("url(#", f"url(#{prefix}-")
    value = re.sub(r"'DejaVu Sans'(, [^;]*)?", "var(--sans)", value)
    return _COLOUR.sub(lambda color: f"var({VARIABLES[color[0]]})", value)
