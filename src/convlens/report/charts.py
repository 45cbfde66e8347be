"""The charts of a report, each as inline SVG.

No name given by a person is drawn: it could hold signs that the font lacks or that matplotlib reads as
mathematics. Names stand in the page around the chart, and in its text alternative.
"""

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from convlens.core.intervals import wilson_interval
from convlens.core.kinds.classification import Roc
from convlens.core.kinds.measure import Measure
from convlens.core.run import EpochMetrics
from convlens.core.trust import CalibrationScores
from convlens.report.formatting import number, percent, quantity, score
from convlens.report.svg import FIRST, GRID, SECOND, in_report_style, inline_svg

MAX_MARKERS = 30
MAX_POINTS = 2000
_LEAST_SPAN = 3.0

# One mid tone each, since a raster image cannot follow the page from light to dark.
_RIGHT_RGB = (0.13, 0.53, 0.85)
_WRONG_RGB = (0.90, 0.45, 0.0)


@in_report_style
def loss_curves(epochs: Sequence[EpochMetrics], label: str) -> str:
    """The mean loss over epochs, train and validation; `label` says which loss, and its unit."""
    train, val = [epoch.train_loss for epoch in epochs], [epoch.val_loss for epoch in epochs]
    figure, axes = _figure(height=3.0)
    hover = _draw_curves(axes, [epoch.epoch for epoch in epochs], train, val, number)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    description = _curves_description("Loss", epochs, train, val, number)
    return inline_svg(figure, name="loss", description=description, hover=hover)


@in_report_style
def accuracy_curves(epochs: Sequence[EpochMetrics]) -> str:
    """Accuracy over epochs, train and validation; all of them have one."""
    train, val = ([share for share in of_side if share is not None] for of_side in _accuracies(epochs))
    figure, axes = _figure(height=3.0)
    hover = _draw_curves(axes, [epoch.epoch for epoch in epochs], train, val, percent)
    axes.set_ylabel("accuracy")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}%"))
    description = _curves_description("Accuracy", epochs, train, val, percent)
    return inline_svg(figure, name="accuracy", description=description, hover=hover)


def has_accuracies(epochs: Sequence[EpochMetrics]) -> bool:
    """Whether there is an accuracy to be drawn: numbers have none."""
    return all(share is not None for of_side in _accuracies(epochs) for share in of_side)


def _accuracies(epochs: Sequence[EpochMetrics]) -> tuple[list[float | None], list[float | None]]:
    return [epoch.train_accuracy for epoch in epochs], [epoch.val_accuracy for epoch in epochs]


@in_report_style
def roc_curve(roc: Roc, name: str) -> str:
    """True positive rate over false positive rate, with the diagonal of a guess."""
    figure, axes = _figure(height=3.6)
    axes.plot([0, 1], [0, 1], color=GRID, linewidth=1.0, linestyle="--")
    axes.plot(roc.false_positive_rate, roc.true_positive_rate, color=FIRST, linewidth=1.8, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    description = (
        f"Receiver operating characteristic with {roc.positive} as the positive class: "
        f"area {score(roc.area)}; random guessing, drawn as the dashed diagonal, has 0.500."
    )
    return inline_svg(figure, name=name, description=description)


@in_report_style
def reliability(before: CalibrationScores, after: CalibrationScores) -> str:
    """Accuracy over confidence, before and after calibration, with the diagonal of perfect ones (Guo et al. 2017)."""
    figure, axes = _figure(height=3.6)
    axes.plot([0, 1], [0, 1], color=GRID, linewidth=1.0, linestyle="--")
    for scores, color, name in ((before, SECOND, "before"), (after, FIRST, "after")):
        confidences, accuracies = [one.confidence for one in scores.bins], [one.accuracy for one in scores.bins]
        intervals = [wilson_interval(one.accuracy * one.images, one.images) for one in scores.bins]
        axes.errorbar(confidences, accuracies, reach(accuracies, intervals), color=color, linestyle="none", alpha=0.5)
        axes.scatter(confidences, accuracies, _areas(scores), color=color, clip_on=False, label=name, zorder=3)
    least = min(one.confidence for one in (*before.bins, *after.bins))
    axes.set(xlim=(math.floor(10 * least) / 10, 1), ylim=(0, 1))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}%"))
    axes.set_xlabel("probability of the predicted class")
    axes.set_ylabel("accuracy")
    axes.legend(loc="lower right", markerscale=0.5)
    description = (
        f"Reliability diagram: expected calibration error {percent(before.expected_calibration_error)} before "
        f"calibration and {percent(after.expected_calibration_error)} after. The larger a point, the more images."
    )
    return inline_svg(figure, name="reliability", description=description)


def _areas(scores: CalibrationScores) -> list[float]:
    """Of points, in square points: in proportion to their images, but large enough to be seen."""
    total = sum(one.images for one in scores.bins)
    return [max(6.0, 150.0 * one.images / total) for one in scores.bins]


@in_report_style
def scatter(true: Sequence[float], said: Sequence[float], name: str) -> str:
    """Predicted over true numbers, with the diagonal of perfect ones; at most MAX_POINTS of them, evenly chosen."""
    step = -(-len(true) // MAX_POINTS)
    figure, axes = _figure(height=3.6)
    low, high = min(*true, *said), max(*true, *said)
    axes.plot([low, high], [low, high], color=GRID, linewidth=1.0, linestyle="--")
    axes.plot(true[::step], said[::step], color=FIRST, linestyle="none", marker="o", markersize=3.5, alpha=0.6)
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    description = (
        f"Predicted over true numbers of {len(true)} images; true ones lie between {number(min(true))} and "
        f"{number(max(true))}, predicted ones between {number(min(said))} and {number(max(said))}. The dashed "
        "diagonal is where both are equal."
    )
    return inline_svg(figure, name=name, description=description)


@in_report_style
def heat_map(shares: Sequence[Sequence[float]], num_classes: int, name: str, description: str) -> str:
    """A confusion matrix without numbers; `shares[i][j]` of true block i were predicted as block j.

    Blue on the diagonal, orange beside it, and the larger the share the stronger the color.
    """
    pixels = [
        [(*(_RIGHT_RGB if i == j else _WRONG_RGB), _opacity(share)) for j, share in enumerate(row)]
        for i, row in enumerate(shares)
    ]
    figure, axes = _figure(height=4.2)
    first, last = 0.5, num_classes + 0.5
    axes.imshow(pixels, interpolation="none", extent=(first, last, last, first))
    axes.grid(visible=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.set_xlabel("predicted class number")
    axes.set_ylabel("true class number")
    return inline_svg(figure, name=name, description=description)


def reach(values: Sequence[float], intervals: Sequence[tuple[float, float]]) -> list[list[float]]:
    """How far each interval reaches below and above its value; at least 0, whatever was rounded."""
    pairs = list(zip(values, intervals, strict=True))
    return [
        [max(0.0, value - low) for value, (low, _) in pairs],
        [max(0.0, high - value) for value, (_, high) in pairs],
    ]


def measure_axis(axes: Axes, measure: Measure) -> None:
    """The vertical axis on which recipes are compared."""
    axes.set_ylabel(f"validation {measure.name}" + (", lower is better" if measure.lower_is_better else ""))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: measure.tick(value)))


def quantity_axis(axes: Axes, label: str) -> None:
    """A logarithmic horizontal axis of counts or rates: 500 M, 1 G. It spans a factor of three at least."""
    axes.set_xscale("log")
    axes.set_xlabel(label)
    low, high = axes.get_xlim()
    widen = max(1.0, math.sqrt(_LEAST_SPAN * low / high))
    axes.set_xlim(low / widen, high * widen)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _opacity(share: float) -> float:
    """Far from zero for all but zero, so that one confusion among many right answers can still be seen."""
    return 0.2 + 0.8 * math.sqrt(share) if share else 0.0


def _figure(height: float) -> tuple[Figure, Axes]:
    """An empty chart, small enough that its text keeps its size on a phone."""
    figure = Figure(figsize=(4.6, height), layout="constrained")
    return figure, figure.add_subplot()


def _draw_curves(
    axes: Axes, epochs: list[int], train: list[float], val: list[float], written: Callable[[float], str]
) -> dict[str, list[str]]:
    """Draw both curves; the result gives the hover texts of each line of markers by its gid."""
    hover = {}
    sides = (("train", train, SECOND, "--", "o"), ("validation", val, FIRST, "-", "s"))
    for label, values, color, dashes, marker in sides:
        finite = [value if math.isfinite(value) else math.nan for value in values]
        axes.plot(epochs, finite, color=color, linestyle=dashes, linewidth=1.6)
        points = _marked([(x, y) for x, y in zip(epochs, finite, strict=True) if not math.isnan(y)])
        hover[label] = [f"epoch {x}, {label}: {written(y)}" for x, y in points]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        axes.plot(xs, ys, color=color, linestyle="none", marker=marker, markersize=4.5, gid=label)
        axes.plot([], [], color=color, linestyle=dashes, marker=marker, markersize=4.5, label=label)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return hover


def _marked(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most MAX_MARKERS of the points, evenly apart, the last one among them."""
    step = -(-len(points) // MAX_MARKERS) or 1
    return points[::-1][::step][::-1]


def _curves_description(
    quantity: str,
    epochs: Sequence[EpochMetrics],
    train: list[float],
    val: list[float],
    written: Callable[[float], str],
) -> str:
    first, last = epochs[0].epoch, epochs[-1].epoch
    return (
        f"{quantity} over epochs {first} to {last}. Train: from {written(train[0])} to {written(train[-1])}. "
        f"Validation: from {written(val[0])} to {written(val[-1])}."
    )
