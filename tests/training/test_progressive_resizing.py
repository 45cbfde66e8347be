"""Images that grow over the epochs: the rule, what the loop trains on, and going on across a change of size."""

import contextlib

import pytest
import torch
from torch import Tensor, nn

from convlens.core.progress import silent
from convlens.training.checkpoint import Checkpoints
from convlens.training.learner import Model
from convlens.training.loop import fit
from convlens.training.progressive_resizing import ProgressiveResizing, growing_sides
from convlens.training.recipe import Recipe

RECIPE = Recipe(size=32, epochs=5, batch_size=8, progressive_resizing=0.5, learning_rate=0.1, freeze="none", ema=0.9)
SIDES = growing_sides(RECIPE, 1)


class Squares:
    """Noise of one side, brighter for the second class."""

    def __init__(self, side: int, seed: int = 0) -> None:
        self.side = side
        self.labels = torch.arange(20) % 2
        self.files = [f"square {i}" for i in range(20)]
        self._whole = torch.randn(20, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        self._whole += self.labels.view(-1, 1, 1, 1)
        self.seen: list[int] = []

    def at(self, side: int) -> "Squares":
        other = Squares(side)
        other.seen = self.seen
        return other

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        self.seen.append(self.side)
        return (self._whole[indices, :, : self.side, : self.side],)


def model() -> Model:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    return Model(
        train_forward=lambda x: (module.train()(x),),
        eval_forward=lambda x: (module.eval()(x),),
        parameters=dict(module.named_parameters()),
        buffers=dict(module.named_buffers()),
    )


@pytest.mark.parametrize(
    ("epochs", "sides"),
    [
        (1, [64]),
        (2, [32, 64]),
        (3, [32, 40, 64]),
        (5, [32, 40, 48, 56, 64]),
        (7, [32, 32, 40, 48, 48, 56, 64]),
        (10, [32, 32, 40, 40, 48, 48, 56, 56, 64, 64]),
    ],
)
def test_the_rule(epochs: int, sides: list[int]) -> None:
    assert list(growing_sides(Recipe(size=64, epochs=epochs, progressive_resizing=0.5), 1)) == sides


def test_sides_are_multiples_of_eight_and_suit_the_network() -> None:
    recipe = Recipe(size=100, epochs=5, progressive_resizing=0.3)
    assert growing_sides(recipe, 1) == (24, 40, 64, 80, 100)
    assert growing_sides(recipe, 75) == (75, 75, 75, 80, 100)
    assert growing_sides(recipe, 100) == (100,) * 5
    assert growing_sides(recipe.model_copy(update={"progressive_resizing": 1.0}), 1) == (100,) * 5


def test_training_images_grow_and_judged_ones_are_whole() -> None:
    train, val = Squares(32), Squares(32, seed=1)
    fit(model(), train, val, RECIPE, silent, growth=ProgressiveResizing(sides=SIDES, examples=train.at))
    assert train.seen == [16] * 6 + [24] * 6 + [32] * 3
    assert set(val.seen) == {32}


def test_progress_counts_by_cost() -> None:
    told = []

    @contextlib.contextmanager
    def progress(stage, total):
        told.append((stage, total))
        yield lambda steps, note="": told.append(steps)

    train = Squares(32)
    fit(model(), train, train, RECIPE, progress, growth=ProgressiveResizing(sides=SIDES, examples=train.at))
    (stage, total), *steps = (one for one in told if one)
    assert stage == "grow"
    assert total == 5 + 5 + 11 + 11 + 20  # of 20 images: a quarter, and 9/16
    assert sum(steps) == total
    assert steps[0] == 2
    assert steps[-3:] == [8, 8, 4]


class KilledError(Exception):
    """Stands for a process that ends at once."""


@pytest.mark.parametrize("steps", [5, 6, 7, 11, 12, 14])
def test_it_goes_on_across_a_change_of_size(tmp_path, steps: int) -> None:
    def trained(progress=silent, folder=None):
        subject, train = model(), Squares(32)
        checkpoints = folder and Checkpoints(folder, "key", seconds=0.0, say=print)
        growth = ProgressiveResizing(sides=SIDES, examples=train.at)
        history = fit(subject, train, train, RECIPE, progress, checkpoints=checkpoints, growth=growth)
        tensors = {name: tensor.detach().clone() for name, tensor in {**subject.parameters, **subject.buffers}.items()}
        return tensors, [metrics.model_copy(update={"seconds": 0.0}) for metrics in history]

    @contextlib.contextmanager
    def killing(stage, total):
        done = 0

        def advance(images, note=""):
            nonlocal done
            done += 1
            if done == steps:
                raise KilledError

        yield advance

    with pytest.raises(KilledError):
        trained(killing, tmp_path)
    (tensors, history), (expected, expected_history) = trained(folder=tmp_path), trained()
    assert history == expected_history
    for name, tensor in expected.items():
        assert torch.equal(tensors[name], tensor), name
