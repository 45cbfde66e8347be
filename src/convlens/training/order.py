"""The order: which examples each step sees, and all else that is random, as it follows from the seed."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from convlens.core.seeds import derived_seed
from convlens.training.recipe import Recipe


def epoch_orders(recipe: Recipe, examples: int) -> Iterator[Tensor]:
    """For each epoch, the numbers of all training examples in the order in which it visits them."""
    generator = torch.Generator().manual_seed(derived_seed(recipe.seed, "order"))
    for _ in range(recipe.epochs):
        yield torch.randperm(examples, generator=generator)


@contextlib.contextmanager
def seeded(recipe: Recipe, process: int = 0) -> Iterator[None]:
    """Everything random inside (dropout, views, mixing) follows from the seed; the caller's generator is untouched.

    Each of several processes draws something else.
    """
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(recipe.seed, f"training, process {process}" if process else "training"))
        yield
