"""The range test: how large a learning rate may be."""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from convlens.core.comparison import RangeTest
from convlens.core.seeds import derived_seed
from convlens.training.examples import Examples
from convlens.training.learner import Learner, Model
from convlens.training.order import minibatches
from convlens.training.recipe import Recipe

_STEPS = 120
_LOWEST, _HIGHEST = 1e-5, 10.0
_MEMORY = 0.9
_DIVERGED = 4.0


def range_test(model: Model, examples: Examples, recipe: Recipe) -> RangeTest:
    """The loss while the learning rate grows from step to step, a factor at a time; the model is changed by it.

    The loss is smoothed, and the test ends where it is four times the lowest. The rate that is proposed is a tenth of
    the one with the lowest loss: there the loss still falls fast. Smith, Cyclical learning rates for training neural
    networks, arXiv:1506.01186, section 3.3.
    """
    growth = (_HIGHEST / _LOWEST) ** (1 / (_STEPS - 1))
    learner = Learner(model, recipe)
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(recipe.seed, "range test"))
        for number, indices in enumerate(itertools.islice(_minibatches(examples, recipe.batch_size), _STEPS), start=1):
            rate = _LOWEST * growth ** (number - 1)
            outcome = learner.step(number, rate, examples.batch(indices), examples.labels[indices])
            average = _MEMORY * average + (1 - _MEMORY) * outcome.loss
            smooth = average / (1 - _MEMORY**number)
            if not outcome.finite or (losses and smooth > _DIVERGED * min(losses)):
                break
            rates.append(rate)
            losses.append(smooth)
    lowest = min(range(len(losses)), key=losses.__getitem__)
    return RangeTest(rates=rates, losses=losses, proposed=float(f"{rates[lowest] / 10:.2g}"))


def _minibatches(examples: Examples, size: int) -> Iterator[Tensor]:
    """Minibatches without end, in a new order for each epoch."""
    while True:
        yield from minibatches(torch.randperm(len(examples.labels)), size)
