"""The charts of a study, each as inline SVG; the names of series stand in a legend of the page, not in the image."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from convlens.core.study import Axis, Chart, HeatMap, Point, Series
from convlens.report.charts import reach
from convlens.report.formatting import number, percent, quantity
from convlens.report.labels import place_labels
from convlens.report.svg import COLORS, DASHES, GRID, TEXT, in_report_style, inline_svg

_MARKERS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"), ("P", "✚"), ("X", "✖"), ("*", "★"))
"""In the image and in words: they tell series apart without color."""
_BLUE = (0.0, 0.447, 0.698)
_MARGIN = 0.02
"""Beyond 0 and 1 of an axis of proportions, so that a marker on the edge is whole."""
_MOST_TICKS = 10
_MOST_NAMES = 40
_WIDE = 100.0
"""The factor that a logarithmic axis spans from which powers of ten are ticks enough."""
_TURNED_FROM = 6
"""Names on the horizontal axis are turned where there are more of them."""
_WRITTEN: dict[str, Callable[[float], str]] = {"number": number, "percent": percent, "quantity": quantity}


class Key(NamedTuple):
    """How one series looks."""

    name: str
    color: str
    sign: str
    dashed: bool


def legend(chart: Chart) -> list[Key]:
    """The keys of a chart's series; one alone needs none."""
    if len(chart.series) < 2:
        return []
    return [
        Key(series.name, _color(place), _marker(place)[1], series.joined and _dashes(place) != "-")
        for place, series in enumerate(chart.series)
    ]


@in_report_style
def chart_svg(chart: Chart) -> str:
    """The chart, with the numbers of each point under the pointer and the first and last of each series in words."""
    figure = Figure(figsize=(7.2, 3.9), layout="constrained")
    axes = figure.add_subplot()
    _prepare(axes, chart)
    hover = {f"series{place}": _draw(axes, chart, series, place) for place, series in enumerate(chart.series)}
    _draw_levels(axes, chart)
    if labels := [(p.x, p.y, p.label) for series in chart.series for p in series.points if p.label]:
        place_labels(axes, labels, TEXT)
    if chart.y.form == "percent":
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, -_MARGIN), min(high, 1 + _MARGIN))
    return inline_svg(figure, name=chart.name, description=_description(chart), hover=hover)


@in_report_style
def heat_map_svg(heat_map: HeatMap) -> str:
    """Cells in one color, the stronger the larger; those without a number stay empty."""
    rows, columns = len(heat_map.cells), max(len(row) for row in heat_map.cells)
    numbers = [cell for row in heat_map.cells for cell in row if cell is not None]
    most = max(numbers, default=0.0) or 1.0
    pixels = [[(*_BLUE, 0.0 if cell is None else 0.06 + 0.94 * cell / most) for cell in row] for row in heat_map.cells]
    figure = Figure(figsize=(4.6, max(1.6, min(4.6, 0.8 + 3.8 * rows / columns))), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(pixels, interpolation="none", extent=(0.5, columns + 0.5, rows + 0.5, 0.5), aspect="auto")
    axes.grid(visible=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.set_xlabel(heat_map.column)
    axes.set_ylabel(heat_map.row)
    description = f"{heat_map.title}: {heat_map.value}, from {number(min(numbers, default=0.0))} to {number(most)}."
    return inline_svg(figure, name=heat_map.name, description=description)


def _prepare(axes: Axes, chart: Chart) -> None:
    places: tuple[Callable[[Point], float], ...] = (lambda point: point.x, lambda point: point.y)
    for of, axis, form, set_label, scale in (
        (places[0], axes.xaxis, chart.x, axes.set_xlabel, axes.set_xscale),
        (places[1], axes.yaxis, chart.y, axes.set_ylabel, axes.set_yscale),
    ):
        set_label(form.label)
        if form.log:
            scale("log")
            axis.set_major_locator(LogLocator(subs=_log_ticks(chart, of), numticks=_MOST_TICKS))
            axis.set_minor_locator(NullLocator())
            axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(FuncFormatter(lambda value, _, written=_WRITTEN[form.form]: written(value)))
    _x_ticks(axes, chart)


def _log_ticks(chart: Chart, of: Callable[[Point], float]) -> tuple[float, ...]:
    """Where each power of ten has ticks: within two of them it needs more than its own."""
    values = [of(point) for series in chart.series for point in series.points if _can_be_drawn(chart, point)]
    wide = not values or max(values) > _WIDE * min(values)
    return (1.0,) if wide else (1.0, 2.0, 5.0)


def _x_ticks(axes: Axes, chart: Chart) -> None:
    """Names where the places have some; the places themselves where they are few, so that each can be read off."""
    if chart.x.names:
        shown = range(0, len(chart.x.names), -(-len(chart.x.names) // _MOST_NAMES))
        many = len(chart.x.names) > _TURNED_FROM
        axes.set_xticks(
            [*shown],
            [chart.x.names[place] for place in shown],
            rotation=40 if many else 0,
            ha="right" if many else "center",
            parse_math=False,
        )
        return
    places = sorted({point.x for series in chart.series for point in series.points if _can_be_drawn(chart, point)})
    if 0 < len(places) <= _MOST_TICKS and _stand_apart(places, log=chart.x.log):
        axes.xaxis.set_major_locator(FixedLocator(places))


def _stand_apart(places: Sequence[float], *, log: bool) -> bool:
    """Whether ticks at these places would leave room for their numbers."""
    at = [math.log(place) for place in places] if log else [*places]
    span = at[-1] - at[0]
    return all(b - a >= span / (1.6 * _MOST_TICKS) for a, b in itertools.pairwise(at))


def _draw(axes: Axes, chart: Chart, series: Series, place: int) -> list[str]:
    """Draw one series; the texts that its markers show under the pointer."""
    points = [point for point in series.points if _can_be_drawn(chart, point)]
    color, (marker, _) = _color(place), _marker(place)
    xs, ys = [point.x for point in points], [point.y for point in points]
    bands = [(point, (point.low, point.high)) for point in points if point.low is not None and point.high is not None]
    bands = [(point, ends) for point, ends in bands if all(map(math.isfinite, ends))]
    if series.joined:
        axes.plot(xs, ys, color=color, linewidth=1.6, linestyle=_dashes(place))
    if bands:
        centers = [point.y for point, _ in bands]
        spread = reach(centers, [ends for _, ends in bands])
        axes.errorbar([p.x for p, _ in bands], centers, spread, color=color, linestyle="none", alpha=0.55, capsize=2.5)
    if not points:
        return []
    size = 5.5 if len(points) <= 60 else 2.5
    axes.plot(xs, ys, color=color, linestyle="none", marker=marker, markersize=size, gid=f"series{place}")
    return [_under_pointer(chart, series, point) for point in points]


def _can_be_drawn(chart: Chart, point: Point) -> bool:
    finite = math.isfinite(point.x) and math.isfinite(point.y)
    return finite and not (chart.x.log and point.x <= 0) and not (chart.y.log and point.y <= 0)


def _draw_levels(axes: Axes, chart: Chart) -> None:
    for level in chart.levels:
        axes.axhline(level.y, color=GRID, linewidth=1.2, linestyle="--")
        axes.annotate(
            level.name,
            (1.0, level.y),
            (0, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            parse_math=False,
            color=TEXT,
            fontsize=7.5,
            ha="right",
        )


def _under_pointer(chart: Chart, series: Series, point: Point) -> str:
    x = _written(chart.x, point.x)
    y = _written(chart.y, point.y)
    interval = ""
    if point.low is not None and point.high is not None:
        interval = f", {_written(chart.y, point.low)} to {_written(chart.y, point.high)}"
    name = f"{series.name}, " if len(chart.series) > 1 else ""
    return f"{name}{point.label + ', ' if point.label else ''}{x}: {y}{interval}"


def _written(axis: Axis, value: float) -> str:
    return axis.names[round(value)] if axis.names else _WRITTEN[axis.form](value)


def _description(chart: Chart) -> str:
    parts = [f"{chart.title}: {chart.y.label} over {chart.x.label}."]
    for series in chart.series:
        if series.points:
            first, last = series.points[0], series.points[-1]
            parts.append(
                f"{series.name}: from {_written(chart.y, first.y)} at {_written(chart.x, first.x)} "
                f"to {_written(chart.y, last.y)} at {_written(chart.x, last.x)}."
            )
    parts += [f"Dashed: {level.name}." for level in chart.levels]
    return " ".join(parts)


def _color(place: int) -> str:
    return COLORS[place % len(COLORS)]


def _marker(place: int) -> tuple[str, str]:
    return _MARKERS[place % len(_MARKERS)]


def _dashes(place: int) -> str:
    return DASHES[place // len(COLORS) % len(DASHES)]
