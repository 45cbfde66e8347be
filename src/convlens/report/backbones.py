"""The backbones of a comparison by what they cost: the lines of the table, and the measure against each cost."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from convlens.core.comparison import BackboneCost, ComparedRecipe, by_cost
from convlens.core.kinds.measure import Measure
from convlens.report.charts import measure_axis, quantity_axis, reach
from convlens.report.formatting import number, quantity
from convlens.report.labels import place_labels
from convlens.report.svg import FIRST, GRID, TEXT, in_report_style, inline_svg

_Line = tuple[ComparedRecipe, BackboneCost]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackboneView:
    """What the page shows of backbones; `charts` has one for each kind of cost that is known."""

    lines: list[_Line]
    charts: list[str]

    @property
    def sample(self) -> int:
        """Images on which the pace was measured; 0 where nothing was frozen."""
        return max(cost.sample for _, cost in self.lines)

    @property
    def all_extracted(self) -> bool:
        """Whether the features of all backbones were computed in this comparison."""
        return all(cost.extract_measured for _, cost in self.lines)

    @property
    def uncounted(self) -> list[str]:
        """Backbones with operators that the table of operators does not count."""
        return [row.network for row, cost in self.lines if cost.uncounted]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Axis:
    """What lies on the horizontal axis of one chart."""

    name: str
    label: str
    unit: str
    value: Callable[[BackboneCost], float | None]


_AXES = (
    _Axis(
        name="pace",
        label="milliseconds an image, frozen layers, measured here",
        unit="ms",
        value=lambda cost: 1000 / cost.images_per_second if cost.images_per_second else None,
    ),
    _Axis(
        name="multiply-adds",
        label="multiply-adds of the frozen layers for one image",
        unit="multiply-adds",
        value=lambda cost: cost.multiply_adds or None,
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Point:
    """A backbone in a chart."""

    row: ComparedRecipe
    cost: float

    @property
    def label(self) -> str:
        """Its name in signs that every font has."""
        return self.row.network.encode("ascii", "replace").decode()


def backbone_view(rows: Sequence[ComparedRecipe], measure: Measure) -> BackboneView | None:
    """The view of those rows that have a cost; None without any."""
    lines = by_cost(rows)
    if not lines:
        return None
    charts = [_chart(points, axis, measure) for axis in _AXES if (points := _points(lines, axis))]
    return BackboneView(lines=lines, charts=charts)


def _points(lines: Sequence[_Line], axis: _Axis) -> list[_Point]:
    return [_Point(row=row, cost=value) for row, cost in lines if (value := axis.value(cost)) is not None]


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (cost, gain) the points for which no other one is as cheap and as good, by cost: the reasonable choices."""
    best: list[tuple[float, float]] = []
    for cost, gain in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or gain > best[-1][1]:
            best.append((cost, gain))
    return best


@in_report_style
def _chart(points: Sequence[_Point], axis: _Axis, measure: Measure) -> str:
    figure = Figure(figsize=(9.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    steps = frontier([(point.cost, measure.gain(point.row.value)) for point in points])
    line = [(cost, measure.gain(gain)) for cost, gain in steps]
    axes.plot([x for x, _ in line], [y for _, y in line], color=GRID, linestyle="--", linewidth=1.2)
    costs, values = [point.cost for point in points], [point.row.value for point in points]
    intervals = [point.row.interval for point in points]
    axes.errorbar(costs, values, yerr=reach(values, intervals), color=FIRST, fmt="none", elinewidth=1.0, capsize=2.5)
    axes.plot(costs, values, "o", color=FIRST, markersize=6, gid="points")
    axes.margins(x=0.2, y=0.12)
    quantity_axis(axes, axis.label)
    measure_axis(axes, measure)
    bars = [((cost, low), (cost, high)) for cost, (low, high) in zip(costs, intervals, strict=True)]
    labels = [(point.cost, point.row.value, point.label) for point in points]
    place_labels(axes, labels, TEXT, avoiding=[*bars, *itertools.pairwise(line)])
    told = [_told(point, axis, measure) for point in points]
    description = (
        f"{measure.name.capitalize()} with its 95 % interval against {axis.label}. {'; '.join(told)}. The dashed line "
        "joins those for which no other one is both cheaper and better."
    )
    return inline_svg(figure, name=axis.name, description=description, hover={"points": told})


def _told(point: _Point, axis: _Axis, measure: Measure) -> str:
    low, high = map(measure.text, point.row.interval)
    cost = quantity(point.cost) if axis.unit != "ms" else number(point.cost)
    return f"{point.row.network}: {measure.text(point.row.value)} ({low} to {high}) at {cost} {axis.unit}"
