"""Charts of backbones: the reasonable choices, labels beside lines, names of any signs."""

import re
import warnings

from matplotlib.figure import Figure

from convlens.core.comparison import ComparedRecipe
from convlens.core.kinds.registry import KINDS
from convlens.report.backbones import backbone_view, frontier
from convlens.report.labels import place_labels
from tests.core.test_comparison import BEFORE, COST

ACCURACY, ERROR = KINDS["classification"].measure, KINDS["regression"].measure
BASE = ComparedRecipe.from_json(BEFORE, "comparison.json").model_copy(update={"cost": COST})


def row(name: str, value: float, **changes: object) -> ComparedRecipe:
    cost = COST.model_copy(update={"backbone": name, **changes})
    interval = (value - 0.05, value + 0.02)
    return BASE.model_copy(
        update={"name": name, "value": value, "interval": interval, "verdict": "helps", "cost": cost}
    )


def labels(chart: str) -> list[str]:
    """The descriptions of a chart's points, in their order."""
    return re.findall(r"<title>(.*?)</title>", chart)


def test_the_frontier_leaves_out_what_is_dearer_and_no_better():
    points = [(3.0, 0.9), (1.0, 0.5), (2.0, 0.4), (4.0, 0.9), (3.0, 0.8)]
    assert frontier(points) == [(1.0, 0.5), (3.0, 0.9)]


def test_each_cost_has_a_chart_that_tells_all_points():
    view = backbone_view([BASE, row("large", 0.95, multiply_adds=10**9, images_per_second=4.0)], ACCURACY)
    pace, counted = view.charts
    assert labels(pace)[1] == "large: 95.0% (90.0% to 97.0%) at 250 ms"
    assert labels(counted)[1].replace("\u00a0", " ") == "large: 95.0% (90.0% to 97.0%) at 1 G multiply-adds"
    for chart in view.charts:
        assert 'role="img"' in chart
        assert "large: 95.0%" in re.search(r'aria-label="([^"]*)"', chart)[1]
        assert not re.search(r"#[0-9a-fA-F]{6}\b", chart)


def test_errors_are_drawn_with_their_own_measure():
    [pace, _] = backbone_view([BASE, row("large", 0.25, images_per_second=4.0)], ERROR).charts
    assert "lower is better" in pace
    assert labels(pace)[1] == "large: 0.2500 (0.2000 to 0.2700) at 250 ms"


def test_where_nothing_is_frozen_there_is_no_chart():
    bare = {"multiply_adds": 0, "images_per_second": None, "sample": 0}
    view = backbone_view([row("whole", 0.9, **bare)], ACCURACY)
    assert (view.charts, view.sample) == ([], 0)
    assert backbone_view([BASE.model_copy(update={"cost": None})], ACCURACY) is None


def test_a_name_of_any_signs_is_drawn_as_it_is():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chart = backbone_view([row("net=a$b$_1.pth", 0.9), row("net=\u7db2.pth", 0.8)], ACCURACY).charts[0]
    assert ">net=a$b$_1.pth</text>" in chart
    assert ">net=?.pth</text>" in chart
    assert "net=\u7db2.pth: 80.0%" in chart


def test_a_label_avoids_lines():
    figure = Figure(figsize=(4, 3))
    axes = figure.add_subplot(xlim=(0, 10), ylim=(0, 10))
    place_labels(axes, [(5, 5, "name")], "#000001")
    place_labels(axes, [(5, 5, "name")], "#000001", avoiding=[((5, 5), (9, 5))])
    free, beside = (text.get_position() for text in axes.texts)
    assert free[0] > 0
    assert beside[0] < 0
