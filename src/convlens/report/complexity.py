"""The pages of the study of accuracy against complexity: one HTML file, and its charts as SVG files."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from convlens.core.complexity import COMPLEXITY_FILE, ComplexityPoint, ComplexityStudy
from convlens.core.files import write_atomically
from convlens.report.charts import quantity_axis
from convlens.report.formatting import byte_size, quantity
from convlens.report.labels import place_labels
from convlens.report.pages import PAGES
from convlens.report.svg import COLORS, GRID, TEXT, in_report_style, inline_svg, standalone_svg

PAGE_FILE = "complexity.html"

_AREA_PER_PARAMETER = 900 / 144e6
"""Points squared; the largest network, VGG19, gets a circle of 34 points across."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Chart:
    """What lies on the horizontal axis of one chart."""

    name: str
    label: str
    value: Callable[[ComplexityPoint], float | None]


_CHARTS = (
    _Chart(name="multiply-adds", label="multiply-adds, forward pass of one image", value=lambda p: p.multiply_adds),
    _Chart(name="throughput", label="images per second, measured here", value=lambda p: p.images_per_second),
    _Chart(
        name="memory", label="bytes of memory, forward pass of one batch, measured here", value=lambda p: p.peak_bytes
    ),
)


def write_complexity_pages(study: ComplexityStudy, folder: Path) -> Path:
    """The path of the HTML page; beside it lie the record and each chart as an SVG file."""
    charts = [chart for chart in _CHARTS if any(chart.value(point) is not None for point in study.points)]
    for chart in charts:
        write_atomically(folder / f"{chart.name}.svg", _standalone(study, chart))
    write_atomically(folder / COMPLEXITY_FILE, study.to_json())
    page = PAGES.get_template("complexity.html.jinja").render(
        study=study,
        charts=[_inline(study, chart) for chart in charts],
        points=sorted(study.points, key=lambda point: -point.top1),
        colors=_family_colors(study),
        with_speed=any(point.images_per_second is not None for point in study.points),
        with_memory=any(point.peak_bytes is not None for point in study.points),
        with_energy=any(point.joules_per_image is not None for point in study.points),
    )
    write_atomically(folder / PAGE_FILE, page)
    return folder / PAGE_FILE


@in_report_style
def _inline(study: ComplexityStudy, chart: _Chart) -> str:
    figure, hover = _drawn(study, chart)
    best = max(study.points, key=lambda point: point.top1)
    description = (
        f"Top-1 accuracy against {chart.label}, {len(study.points)} networks; the area of a circle is the number of "
        f"parameters. The most accurate is {best.name} with {best.top1:.1f}%. The table below has all numbers."
    )
    return inline_svg(figure, name=chart.name, description=description, hover=hover)


@in_report_style
def _standalone(study: ComplexityStudy, chart: _Chart) -> str:
    return standalone_svg(_drawn(study, chart)[0])


def _drawn(study: ComplexityStudy, chart: _Chart) -> tuple[Figure, dict[str, list[str]]]:
    figure = Figure(figsize=(9.2, 5.6), layout="constrained")
    axes = figure.add_subplot()
    colors = _family_colors(study)
    drawn = [(point, x) for point in study.points if (x := chart.value(point)) is not None]
    axes.scatter(
        [x for _, x in drawn],
        [point.top1 for point, _ in drawn],
        s=[max(14.0, point.parameters * _AREA_PER_PARAMETER) for point, _ in drawn],
        c=[colors[point.family] for point, _ in drawn],
        alpha=0.55,
        linewidths=0.8,
        edgecolors=[colors[point.family] for point, _ in drawn],
    )
    _style_axes(axes, chart)
    place_labels(axes, [(x, point.top1, point.name) for point, x in drawn], TEXT)
    _size_legend(axes)
    # Invisible markers carry the hover texts: one `use` element each, unlike circles of many sizes.
    axes.plot([x for _, x in drawn], [p.top1 for p, _ in drawn], "o", markersize=9, alpha=0.0, gid="points")
    return figure, {"points": [_told(point) for point, _ in drawn]}


def _style_axes(axes: Axes, chart: _Chart) -> None:
    axes.margins(x=0.09, y=0.1)
    quantity_axis(axes, chart.label)
    axes.set_ylabel("top-1 accuracy, ImageNet validation, %")


def _size_legend(axes: Axes) -> None:
    handles = [
        axes.scatter(
            [], [], s=millions * 1e6 * _AREA_PER_PARAMETER, c=GRID, alpha=0.6, label=f"{millions} M parameters"
        )
        for millions in (5, 25, 60, 140)
    ]
    axes.legend(handles=handles, loc="lower right", labelspacing=1.2, borderpad=1.0)


def _told(point: ComplexityPoint) -> str:
    speed = f", {point.images_per_second:.1f} images/s" if point.images_per_second else ""
    memory = f", {byte_size(point.peak_bytes)} of memory" if point.peak_bytes is not None else ""
    energy = f", {point.joules_per_image:.3g} J per image" if point.joules_per_image is not None else ""
    return (
        f"{point.name} ({point.year}): {point.top1:.1f}%, {quantity(point.multiply_adds)} multiply-adds, "
        f"{quantity(point.parameters)} parameters{speed}{memory}{energy}"
    )


def _family_colors(study: ComplexityStudy) -> dict[str, str]:
    families = list(dict.fromkeys(point.family for point in study.points))
    return {family: COLORS[i % len(COLORS)] for i, family in enumerate(families)}
