from functools import partial

import pytest
import torch

from convlens.core.errors import UsageError
from convlens.graph.run import run
from convlens.pipeline.prepare import prepare
from convlens.training.recipe import Recipe


@pytest.mark.parametrize(
    ("backbone", "shape", "output"),
    [("lenet5", "1x32x32", "scores"), ("mlp", "1x28x28", "scores"), ("dilated_vgg16", "3x224x224", "maps")],
)
def test_a_network_that_does_not_classify_color_images_is_refused(backbone: str, shape: str, output: str) -> None:
    with pytest.raises(UsageError, match=rf"backbone='{backbone}' takes inputs of {shape} and gives {output}; "):
        prepare(Recipe(backbone=backbone, weights="random", size=32), classes=2)


def test_a_size_below_the_networks_least_is_refused() -> None:
    with pytest.raises(UsageError, match="size=74: the input of inception_v3 needs a side of at least 75"):
        prepare(Recipe(backbone="inception_v3", weights="random", size=74), classes=2)


@pytest.mark.parametrize(
    ("backbone", "sides"),
    [
        ("house", (32, 40, 48, 56, 64)),
        ("squeezenet1_1", (32, 40, 48, 56, 64)),
        ("resnet20", (32, 40, 48, 56, 64)),
        ("vgg11", (32, 40, 48, 56, 64)),  # pools to 7x7 from whatever there is
        ("alexnet", (63, 63, 63, 63, 64)),
    ],
)
def test_growing_images_go_through_the_same_network(backbone: str, sides: tuple[int, ...]) -> None:
    recipe = Recipe(backbone=backbone, weights="random", freeze="none", size=64, epochs=5, progressive_resizing=0.5)
    prepared = prepare(recipe, classes=2)
    assert prepared.sides == sides
    assert prepared.smaller.keys() == {*sides} - {64}
    for side, graph in prepared.smaller.items():
        x = torch.randn(2, 3, side, side)
        (found,), expected = seeded(partial(run, graph), x), seeded(prepared.module, x)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def seeded(forward, x):
    """Dropout draws the same numbers each time."""
    torch.manual_seed(0)
    return forward(x)


def test_images_that_do_not_grow_need_one_graph() -> None:
    prepared = prepare(Recipe(backbone="house", weights="random", freeze="none", size=64, epochs=3), classes=2)
    assert prepared.sides == (64, 64, 64)
    assert prepared.smaller == {}
