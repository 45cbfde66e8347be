"""Modules of the page of `convlens explain`, each in a browser by itself."""

from pathlib import Path

import pytest

import convlens.report
from convlens.report.scripts import bundle

pytestmark = pytest.mark.browser

MODULES = Path(convlens.report.__file__).parent / "templates" / "explain"


@pytest.fixture(scope="module")
def evaluate(browser):
    """Evaluates an expression in which `module` stands for what a module exports."""
    page = browser.new_page()

    def run(module, expression):
        return page.evaluate(
            f"(() => {{{bundle(MODULES / module)}\nconst module = modules['{module}'];\nreturn {expression};}})()"
        )

    yield run
    page.close()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("null", "–"),
        ("0", "0"),
        ("-0.5", "-0.5"),
        ("0.00012345", "1.23e-4"),
        ("999", "999"),
        ("1234", "1.23 k"),
        ("-11689512", "-11.7 M"),
        ("1.8e9", "1.8 G"),
        ("2e15", "2.00e+15"),
    ],
)
def test_short_numbers(evaluate, value, text):
    assert evaluate("text.js", f"module.shortNumber({value})") == text


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("null", ""),
        ("'whole input'", "whole input"),
        ("[{size: 3}, {size: 3}]", "3 px"),
        ("[{size: 3}, {size: 5}]", "3 × 5 px"),
    ],
)
def test_sizes_of_receptive_fields(evaluate, field, text):
    assert evaluate("text.js", f"module.fieldText({field})") == text


@pytest.mark.parametrize("stride", [0, 1, 2, 4])
@pytest.mark.parametrize("point", [0, 7.4, 31.9])
def test_no_place_has_its_field_nearer_to_the_point(evaluate, stride, point):
    size, offset, places = 7, -3, 8
    axis = f"{{size: {size}, stride: {stride}, offset: {offset}}}"
    place = evaluate("receptive_field.js", f"module.placeAt({axis}, {point}, {places})")
    distances = [abs(offset + i * stride + size / 2 - point) for i in range(places)]
    assert distances[place] == min(distances)
    assert evaluate("receptive_field.js", f"module.startOf({axis}, {place})") == offset + place * stride


def test_fractions_of_zeros_are_zeros(evaluate):
    assert evaluate("numbers.js", "module.fractionsOfLargest([0, 0])") == [0, 0]
    assert evaluate("numbers.js", "module.fractionsOfLargest([1, 4])") == [0.25, 1]


LAYOUT = """module.layOut("", new Map([
  ["", { layers: [["a"], ["b/", "~1"], ["c"]], routes: [["a", "b/", "c"], ["a", "~1", "c"]] }],
  ["b/", { layers: [["d"], ["e"]], routes: [["^", "d", "e", "v"]] }],
]), new Set(%s))"""


@pytest.mark.parametrize("unfolded", ['[""]', '["", "b/"]'])
def test_items_of_a_layer_do_not_overlap_and_stand_inside_their_box(evaluate, unfolded):
    box = evaluate("layout.js", LAYOUT % unfolded)
    items = {item["id"]: item for item in box["items"]}
    assert items["b/"]["x"] + items["b/"]["width"] < items["~1"]["x"]
    assert items["a"]["layerBottom"] < items["b/"]["layerTop"] <= items["b/"]["y"]
    assert items["b/"]["layerBottom"] < items["c"]["y"]
    for item in items.values():
        assert 0 <= item["x"] < item["x"] + item["width"] <= box["width"]
        assert 0 <= item["y"] < item["y"] + item["height"] <= box["height"]


def test_an_unfolded_box_is_larger_than_its_node(evaluate):
    folded, unfolded = (evaluate("layout.js", LAYOUT % ids) for ids in ('[""]', '["", "b/"]'))
    assert unfolded["height"] > folded["height"]
    assert [item["id"] for item in unfolded["items"][1]["items"]] == ["d", "e"]
