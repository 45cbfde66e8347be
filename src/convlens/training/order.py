"""The order: which examples each step sees, and all else that is random, as it follows from the seed."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from convlens.core.seeds import derived_seed
from convlens.training.recipe import Recipe


def steps_in_epoch(examples: int, batch_size: int) -> int:
    """Into how many minibatches `minibatches` divides so many examples."""
    return max(1, examples // batch_size + (examples % batch_size > 1))


def minibatches(order: Tensor, batch_size: int) -> tuple[Tensor, ...]:
    """An epoch's order in minibatches.

    A single example that is left over joins the minibatch before it: batch normalization needs two.
    """
    steps = steps_in_epoch(len(order), batch_size)
    return order.tensor_split([batch_size * step for step in range(1, steps)])


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
    devices = [torch.cuda.current_device()] if recipe.device == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(derived_seed(recipe.seed, f"training, process {process}" if process else "training"))
        yield
