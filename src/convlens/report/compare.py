"""The pages of a comparison: the table, the learning curves with a legend to switch, quality against cost."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from convlens.core.comparison import (
    BEST_RECIPE_FILE,
    COMPARISON_FILE,
    COMPARISON_PAGE,
    ComparedRecipe,
    Comparison,
    Forecast,
    RangeTest,
)
from convlens.core.files import write_atomically
from convlens.core.kinds.kind import Kind
from convlens.core.kinds.measure import Measure
from convlens.core.kinds.registry import KINDS
from convlens.core.run import EpochMetrics
from convlens.report.backbones import backbone_view
from convlens.report.charts import has_accuracies, measure_axis, reach
from convlens.report.formatting import number
from convlens.report.labels import place_labels
from convlens.report.pages import PAGES
from convlens.report.svg import COLORS, DASHES, FIRST, GRID, SECOND, TEXT, in_report_style, inline_svg


@dataclasses.dataclass(frozen=True, kw_only=True)
class LegendEntry:
    """One recipe in the legend: the number that its lines are called by, and how they look."""

    number: int
    name: str
    color: str
    dashes: str


def write_comparison(folder: Path, record: Comparison, best: str) -> Path:
    """The path of the page; beside it lie the record, from which the page can be drawn again, and the best recipe."""
    write_atomically(folder / COMPARISON_FILE, record.to_json())
    write_atomically(folder / BEST_RECIPE_FILE, best)
    kind = KINDS[record.task]
    page = PAGES.get_template("compare.html.jinja").render(
        record=record,
        kind=kind,
        measure=kind.measure,
        legend=_legend(record.rows),
        curves=_curves(record.rows, kind),
        cost=_cost_chart(record.rows, kind.measure),
        backbones=backbone_view(record.rows, kind.measure),
        fractions=_fraction_chart(record, kind.measure) if record.fractions else None,
        range_chart=_range_chart(record.range_test, kind.loss_unit) if record.range_test else None,
        best_file=BEST_RECIPE_FILE,
    )
    write_atomically(folder / COMPARISON_PAGE, page)
    return folder / COMPARISON_PAGE


def _legend(rows: Sequence[ComparedRecipe]) -> list[LegendEntry]:
    return [
        LegendEntry(
            number=place,
            name=row.name,
            color=COLORS[place % len(COLORS)],
            dashes=DASHES[place // len(COLORS) % len(DASHES)],
        )
        for place, row in enumerate(rows)
    ]


def _curves(rows: Sequence[ComparedRecipe], kind: Kind) -> list[str]:
    curves = [_curve_chart(rows, "loss", f"validation loss ({kind.loss_unit})", lambda epoch: epoch.val_loss)]
    if all(has_accuracies(run.epochs) for row in rows for run in row.runs):
        label = f"validation {kind.accuracy}"
        curves.append(_curve_chart(rows, "accuracy", label, lambda epoch: epoch.val_accuracy or 0.0))
    label = f"training loss ({kind.loss_unit})"
    return [*curves, _curve_chart(rows, "training", label, lambda epoch: epoch.train_loss)]


@in_report_style
def _curve_chart(rows: Sequence[ComparedRecipe], name: str, label: str, value: Callable[[EpochMetrics], float]) -> str:
    """One line for each recipe, the mean over its runs; the page's legend shows and hides it by its id."""
    figure, axes = _figure()
    for entry, row in zip(_legend(rows), rows, strict=True):
        epochs, means = mean_curve(row, value)
        axes.plot(epochs, means, color=entry.color, linestyle=entry.dashes, linewidth=1.6, gid=f"line{entry.number}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    description = (
        f"Mean {label} over the epochs, a line for each of {len(rows)} recipes; the table has the last values."
    )
    return inline_svg(figure, name=name, description=description)


def mean_curve(row: ComparedRecipe, value: Callable[[EpochMetrics], float]) -> tuple[list[int], list[float]]:
    """Epochs, and the mean over the runs at each; a run that stopped early counts with its last epoch from then on."""
    longest = max(len(run.epochs) for run in row.runs)
    padded = [
        [value(epoch) for epoch in (*run.epochs, *[run.epochs[-1]] * (longest - len(run.epochs)))] for run in row.runs
    ]
    means = [sum(values) / len(values) for values in zip(*padded, strict=True)]
    return list(range(1, longest + 1)), [mean if math.isfinite(mean) else math.nan for mean in means]


@in_report_style
def _cost_chart(rows: Sequence[ComparedRecipe], measure: Measure) -> str:
    figure, axes = _figure(width=9.2, height=4.2)
    for entry, row in zip(_legend(rows), rows, strict=True):
        axes.errorbar(
            row.seconds,
            row.value,
            yerr=reach([row.value], [row.interval]),
            color=entry.color,
            fmt="o",
            markersize=5,
            elinewidth=0.8,
            alpha=0.85,
        )
    axes.set_xscale("log")
    axes.set_xlabel("seconds of training, mean of the runs")
    measure_axis(axes, measure)
    place_labels(axes, [(row.seconds, row.value, row.name) for row in rows], TEXT)
    description = (
        f"{measure.name.capitalize()} with its 95% interval against the seconds of one training; the table has all "
        "numbers."
    )
    return inline_svg(figure, name="cost", description=description)


@in_report_style
def _fraction_chart(record: Comparison, measure: Measure) -> str:
    figure, axes = _figure(width=9.2, height=4.2)
    points = record.fractions
    images = [point.images for point in points]
    lines = [("transfer", [(p.transfer, p.transfer_interval) for p in points], FIRST, "-", "o")]
    scratch = [(p.scratch, p.scratch_interval) for p in points if p.scratch is not None and p.scratch_interval]
    if scratch:
        lines.append(("from scratch", scratch, SECOND, "--", "s"))
    for name, measured, color, dashes, marker in lines:
        values = [value for value, _ in measured]
        axes.errorbar(
            images,
            values,
            yerr=reach(values, [interval for _, interval in measured]),
            color=color,
            linestyle=dashes,
            marker=marker,
            label=name,
            elinewidth=0.8,
        )
    if record.forecast:
        _draw_forecast(axes, record.forecast, images[0], measure)
    ticks = sorted({*images, *_counts_ahead(record)})
    axes.set_xscale("log")
    axes.set_xlabel("training images")
    axes.set_xticks(ticks, [str(count) for count in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    measure_axis(axes, measure)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    last = points[-1]
    other = "" if last.scratch is None else f", training from scratch {measure.text(last.scratch)}"
    description = (
        f"{measure.name.capitalize()} over the number of training images. With {last.images} of them transfer "
        f"reaches {measure.text(last.transfer)}{other}."
    )
    return inline_svg(figure, name="fractions", description=description)


def _draw_forecast(axes: Axes, found: Forecast, first: int, measure: Measure) -> None:
    """The fitted curve, and the intervals of where it leads."""
    now = found.all[0].images
    counts = np.geomspace(first, now + found.all[-1].more, 100)
    drawn = [_quality(found.error(count), measure) for count in counts]
    axes.plot(counts, drawn, color=FIRST, linestyle=":", linewidth=1.4, label="forecast")
    for one in found.all:
        bounds = sorted(_quality(found.error(now) - bound, measure) for bound in one.interval)
        axes.plot([now + one.more] * 2, bounds, color=FIRST, linewidth=3, alpha=0.35, solid_capstyle="butt")


def _quality(error: float, measure: Measure) -> float:
    return 1 - error if measure.proportion else error


def _counts_ahead(record: Comparison) -> list[int]:
    return [one.images + one.more for one in record.forecast.all] if record.forecast else []


@in_report_style
def _range_chart(found: RangeTest, unit: str) -> str:
    figure, axes = _figure(width=9.2, height=3.4)
    axes.plot(found.rates, found.losses, color=FIRST, linewidth=1.6)
    axes.axvline(found.proposed, color=GRID, linestyle="--")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel(f"training loss, smoothed ({unit})")
    description = f"Loss as the learning rate grows; {number(found.proposed)} is proposed, the dashed line."
    return inline_svg(figure, name="range-test", description=description)


def _figure(width: float = 4.6, height: float = 3.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()
