"""A matplotlib figure as inline SVG that follows the page's colors, light and dark.

matplotlib writes fixed colors. Each role below is therefore drawn in a color that nothing else uses, and
CSS takes its place afterwards. Namespaces go too: SVG inside HTML needs none, so the page names no address.
"""

import io
import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import matplotlib.style
from matplotlib.figure import Figure

TEXT = "#000001"
GRID = "#000002"
FIRST = "#000003"
SECOND = "#000004"

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a7f00", "#7f7f7f")
"""Of series: mid tones that hold on light and dark paper (Okabe and Ito)."""
DASHES = ("-", "--", ":")
"""What tells lines of one color apart."""

_CSS_COLORS = {TEXT: "currentColor", GRID: "var(--grid)", FIRST: "var(--first)", SECOND: "var(--second)"}

_PRINTED_COLORS = {TEXT: "#1b1f24", GRID: "#c3cad2", FIRST: "#0072b2", SECOND: "#c04e00"}

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.labelcolor": TEXT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9.0,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.labelcolor": TEXT,
    "svg.fonttype": "none",
    "svg.hashsalt": "convlens",
    "text.color": TEXT,
    "xtick.color": GRID,
    "xtick.labelcolor": TEXT,
    "ytick.color": GRID,
    "ytick.labelcolor": TEXT,
}

in_report_style = matplotlib.style.context(["default", _STYLE])
"""Decorator of a chart: drawn from matplotlib's own defaults, so that no matplotlibrc changes a report."""


def inline_svg(figure: Figure, *, name: str, description: str, hover: Mapping[str, Sequence[str]] | None = None) -> str:
    """The figure as an `<svg>` element without namespaces; `description` is its text alternative.

    `name` is unique on the page and goes in front of all ids. `hover` maps the gid of a line of markers to
    the texts that its markers show under the pointer, one for each marker.
    """
    root = _drawn(figure)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(key): _restyled(key, value, name) for key, value in element.attrib.items()}
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in ("metadata", "style")]:
            parent.remove(child)
    for gid, texts in (hover or {}).items():
        _add_titles(root, f"{name}-{gid}", texts)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "class": "chart",
        "role": "img",
        "aria-label": description,
    }
    return ElementTree.tostring(root, encoding="unicode")


def standalone_svg(figure: Figure) -> str:
    """The figure as an SVG file of its own, on white."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None})
    text = buffer.getvalue()
    for drawn, color in _PRINTED_COLORS.items():
        text = text.replace(drawn, color)
    return text


def _drawn(figure: Figure) -> ElementTree.Element:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return ElementTree.fromstring(buffer.getvalue())


def _local(qualified: str) -> str:
    return qualified.rpartition("}")[2]


def _restyled(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if _local(key) == "href" and value.startswith("#"):
        return f"#{name}-{value[1:]}"
    value = value.replace("url(#", f"url(#{name}-")
    if key == "style":
        # The font's family is the page's; only the size is the chart's.
        value = re.sub(r"font-family: [^;]*;?", "", value)
        for drawn, css in _CSS_COLORS.items():
            value = value.replace(drawn, css)
    return value


def _add_titles(root: ElementTree.Element, group_id: str, texts: Sequence[str]) -> None:
    group = root.find(f".//g[@id='{group_id}']")
    markers = [] if group is None else list(group.iter("use"))
    for marker, text in zip(markers, texts, strict=True):
        ElementTree.SubElement(marker, "title").text = text
