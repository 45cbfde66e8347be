"""The table of backbones by cost: its width, its order, and what is said of its numbers."""

import pytest

from convlens.cli.backbone_table import backbone_table, shortened
from convlens.core.comparison import BackboneCost, ComparedRecipe
from convlens.core.kinds.registry import KINDS
from tests.core.test_comparison import BEFORE, COST

ACCURACY, ERROR = KINDS["classification"].measure, KINDS["regression"].measure
BASE = ComparedRecipe.from_json(BEFORE, "comparison.json").model_copy(update={"cost": COST})


def row(name: str, value: float, **changes: object) -> ComparedRecipe:
    cost: BackboneCost = COST.model_copy(update={"backbone": name, **changes})
    return BASE.model_copy(
        update={"name": name, "value": value, "verdict": "helps", "difference_interval": (-0.1, 0.15), "cost": cost}
    )


def test_a_line_for_each_backbone_the_cheapest_first():
    large = row("efficientnet_lite2", 0.961, size=260, multiply_adds=858_512_640, parameters=4_811_044)
    trick = BASE.model_copy(update={"name": "adam", "verdict": "helps", "cost": None})
    head, first, second, *notes = backbone_table([large, BASE, trick], ACCURACY)
    assert head.split("  ")[0] == "Backbones, by cost"
    assert " ".join(first.split()) == "house 64 90.0% the base 80.0 5.0 s 0.41 MB 2.82 M 120 M"
    assert " ".join(second.split()) == "efficientnet_lite2 260 96.1% -10.0 to +15.0 80.0 5.0 s 0.41 MB 4.81 M 859 M"
    assert len(head) == len(first) == len(second) <= 100
    assert "measured on 64 images after a warm-up batch. Extract: all 400 images" in " ".join(notes)
    assert "~" not in " ".join(notes)


def test_without_backbones_there_is_no_table():
    assert not [*backbone_table([BASE.model_copy(update={"cost": None})], ACCURACY)]


def test_an_estimate_is_marked_and_explained():
    _, line, *notes = backbone_table([row("house", 0.9, extract_measured=False)], ACCURACY)
    assert "  ~5.0 s  " in line
    assert "~: the features were stored already" in " ".join(notes)


def test_nothing_frozen_has_no_pace():
    whole = row("house", 0.9, images_per_second=None, sample=0, multiply_adds=0, parameters=0)
    _, line, *notes = backbone_table([whole], ACCURACY)
    assert " ".join(line.split()) == "house 64 90.0% -10.0 to +15.0 5.0 s 0.41 MB 0 0"
    assert "Images/s" not in " ".join(notes)


def test_what_is_not_counted_is_named():
    lines = backbone_table([row("odd", 0.9, uncounted=["aten.strange.default"])], ACCURACY)
    assert "Not all operators of odd are counted" in " ".join(lines)


@pytest.mark.parametrize("measure", [ACCURACY, ERROR], ids=["accuracy", "error"])
def test_no_line_is_wider_than_100_columns(measure):
    rows = [row(name, 0.9, extract_seconds=12345.6, extract_measured=False) for name in ("timm:" + "x" * 40, "house")]
    lines = [*backbone_table(rows, measure)]
    assert max(map(len, lines)) <= 100
    assert len({len(line) for line in lines[:3]}) == 1
    assert "…" in lines[1]


def test_names_that_would_be_alike_are_not_shortened():
    names = ["timm:vit_small_patch14_reg4_dinov2.lvd142m", "timm:vit_small_patch14_dinov2.lvd142m"]
    lines = [*backbone_table([row(name, 0.9) for name in names], ACCURACY)]
    assert [line.split()[0] for line in lines[1:3]] == names


def test_names_are_shortened_in_the_middle():
    assert shortened("efficientnet_lite2", 18) == "efficientnet_lite2"
    assert shortened("efficientnet_lite2", 12) == "effici…lite2"
