"""The loop: minibatch stochastic gradient descent, and evaluation after every epoch."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.core.errors import DataError
from convlens.core.progress import Progress
from convlens.core.run import EpochMetrics
from convlens.core.seeds import derived_seed
from convlens.training.optimizer import StochasticGradientDescent
from convlens.training.recipe import Recipe

Forward = Callable[..., tuple[Tensor, ...]]
"""From the tensors of a batch to the network's outputs; the first one holds the logits, of shape (N, classes)."""

_EVALUATION_BATCH = 256


class Examples(Protocol):
    """Labelled examples, read in batches by their numbers."""

    @property
    def labels(self) -> Tensor:
        """Class numbers, int64, of shape (N,)."""
        ...

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The input tensors of these examples, each of shape (len(indices), ...)."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """What is trained: a forward pass for training, one for use, and the parameters that change."""

    train_forward: Forward
    eval_forward: Forward
    parameters: Mapping[str, nn.Parameter]
    autocast: torch.dtype | None = None
    """bfloat16 to run the forward passes in mixed precision."""


def fit(
    model: Model,
    train: Examples,
    val: Examples,
    recipe: Recipe,
    progress: Progress,
    on_epoch: Callable[[EpochMetrics], None] = lambda metrics: None,
) -> list[EpochMetrics]:
    """Metrics of each epoch; the model's parameters are trained in place and are those of the last epoch after it.

    Each epoch visits all training examples once, in an order that follows from the seed, in minibatches of
    `recipe.batch_size`; θ ← θ − α g with the gradient g of the mean categorical cross-entropy of a minibatch, with
    momentum. Raises DataError when the loss is no longer finite.
    """
    descent = StochasticGradientDescent(
        model.parameters.values(), momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    order = torch.Generator().manual_seed(derived_seed(recipe.seed, "order"))
    steps = math.ceil(len(train.labels) / recipe.batch_size)
    history = []
    with _seeded(derived_seed(recipe.seed, "training")), progress("fit", recipe.epochs * steps) as advance:
        for epoch in range(recipe.epochs):
            start = time.perf_counter()
            loss_sum, correct = 0.0, 0
            batches = torch.split(torch.randperm(len(train.labels), generator=order), recipe.batch_size)
            for step, indices in enumerate(batches):
                rate = learning_rate(recipe, (epoch * steps + step) / (recipe.epochs * steps))
                loss, hits = _train_step(model, descent, rate, train.batch(indices), train.labels[indices])
                _refuse_divergence(loss, epoch, recipe)
                loss_sum += loss * len(indices)
                correct += hits
                advance(1)
            logits = predict_logits(model, val)
            metrics = EpochMetrics(
                epoch=epoch + 1,
                learning_rate=rate,
                train_loss=loss_sum / len(train.labels),
                train_accuracy=correct / len(train.labels),
                val_loss=F.cross_entropy(logits, val.labels).item(),
                val_accuracy=(logits.argmax(1) == val.labels).float().mean().item(),
                seconds=time.perf_counter() - start,
            )
            history.append(metrics)
            on_epoch(metrics)
    return history


def learning_rate(recipe: Recipe, done: float) -> float:
    """The learning rate when the part `done` (0 to 1) of all steps has been made."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def predict_logits(model: Model, examples: Examples) -> Tensor:
    """Logits of all examples, of shape (N, classes), float32."""
    parts = []
    with torch.inference_mode(), _mixed(model.autocast):
        for indices in torch.split(torch.arange(len(examples.labels)), _EVALUATION_BATCH):
            parts.append(model.eval_forward(*examples.batch(indices))[0].float())
    return torch.cat(parts)


def _train_step(
    model: Model, descent: StochasticGradientDescent, rate: float, inputs: Sequence[Tensor], labels: Tensor
) -> tuple[float, int]:
    """One step; gives the loss before it and the number of examples that were classified rightly."""
    with _mixed(model.autocast):
        logits = model.train_forward(*inputs)[0]
    loss = F.cross_entropy(logits.float(), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    descent.step(rate)
    return loss.item(), int((logits.argmax(1) == labels).sum())


def _refuse_divergence(loss: float, epoch: int, recipe: Recipe) -> None:
    if not math.isfinite(loss):
        raise DataError(
            f"the loss became {loss} in epoch {epoch + 1}: training diverged with learning rate "
            f"{recipe.learning_rate}. Try a tenth of it (--learning-rate {recipe.learning_rate / 10:g})."
        )


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Everything random inside (dropout, augmentation) follows from the seed; the caller's generator is untouched."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _mixed(dtype: torch.dtype | None) -> contextlib.AbstractContextManager[object]:
    return torch.autocast("cpu", dtype) if dtype else contextlib.nullcontext()
