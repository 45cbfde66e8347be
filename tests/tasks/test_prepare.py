import pytest

from convlens.core.errors import UsageError
from convlens.tasks.prepare import prepare
from convlens.training.recipe import Recipe


@pytest.mark.parametrize(
    ("backbone", "shape", "output"),
    [("lenet5", "1x32x32", "scores"), ("mlp", "1x28x28", "scores"), ("dilated_vgg16", "3x224x224", "maps")],
)
def test_a_network_that_does_not_classify_colour_pictures_is_refused(backbone: str, shape: str, output: str) -> None:
    with pytest.raises(UsageError, match=rf"--backbone {backbone} takes inputs of {shape} and gives {output}; "):
        prepare(Recipe(backbone=backbone, weights="random", size=32), classes=2)


def test_a_size_below_the_networks_least_is_refused() -> None:
    with pytest.raises(UsageError, match="--size 74: the input of inception_v3 needs a side of at least 75"):
        prepare(Recipe(backbone="inception_v3", weights="random", size=74), classes=2)
