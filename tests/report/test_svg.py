import re
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from convlens.report.charts import MAX_MARKERS, accuracy_curves, heat_map, loss_curves, roc_curve
from convlens.report.svg import inline_svg

from .sample_run import evaluation, metrics


def charts() -> list[str]:
    roc = evaluation(2, 5).roc
    assert roc
    return [
        loss_curves(metrics(5), "loss"),
        accuracy_curves(metrics(5)),
        roc_curve(roc, "roc"),
        heat_map([[1.0, 0.0], [0.5, 0.5]], 2, "heat", "two classes"),
    ]


def test_every_color_follows_the_page() -> None:
    for chart in charts():
        assert "currentColor" in chart
        assert not re.search(r"#[0-9a-fA-F]{6}\b", re.sub(r"base64,[^\"]*", "", chart))


def test_no_namespace_no_metadata_no_style_sheet_no_font() -> None:
    for chart in charts():
        assert not re.search(r"xmlns|http|<metadata|<style|font-family|font:", chart)


def test_text_stays_text() -> None:
    assert ">epoch</text>" in loss_curves(metrics(5), "loss")


def test_own_matplotlib_settings_change_nothing() -> None:
    before = charts()
    with mpl.rc_context({"lines.linewidth": 9.0, "font.size": 30.0, "svg.fonttype": "path"}):
        assert charts() == before


def test_markers_are_thinned_and_keep_the_last_epoch() -> None:
    chart = loss_curves(metrics(301), "loss")
    titles = re.findall(r"<title>epoch (\d+), train", chart)
    assert MAX_MARKERS // 2 < len(titles) <= MAX_MARKERS
    assert titles[-1] == "301"


def test_one_epoch_has_one_tick() -> None:
    assert re.findall(r">([\d.]+)</text>", loss_curves(metrics(1), "loss"))[0:2] == ["1", "0.0"]


def test_heat_map_is_clear_where_nothing_was_confused() -> None:
    full, empty = ([[1.0, share], [share, 1.0]] for share in (0.5, 0.0))
    assert heat_map(full, 2, "heat", "") != heat_map(empty, 2, "heat", "")


def test_hover_texts_must_match_the_markers() -> None:
    figure = Figure()
    figure.add_subplot().plot([1, 2], [3, 4], "o", gid="points")
    assert "<title>a &lt; b</title>" in inline_svg(figure, name="x", description="", hover={"points": ["a < b", "c"]})
    with pytest.raises(ValueError, match="shorter"):
        inline_svg(figure, name="x", description="", hover={"points": ["only one"]})


def test_report_never_draws_through_pyplot() -> None:
    import convlens.report as report

    for source in Path(report.__path__[0]).glob("*.py"):
        assert "pyplot" not in source.read_text()
