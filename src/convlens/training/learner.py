"""A model while it is trained: one step, and everything that changes by it."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from convlens.core.errors import DataError
from convlens.training.adam import Adam
from convlens.training.average import WeightAverage
from convlens.training.mixing import mixed
from convlens.training.optimizer import StochasticGradientDescent
from convlens.training.recipe import Recipe

Forward = Callable[..., tuple[Tensor, ...]]
"""From the tensors of a batch to the network's outputs; the first one holds the logits, of shape (N, classes)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """What is trained: a forward pass for training, one for use, and the tensors that change."""

    train_forward: Forward
    """May give more outputs than the logits: those of auxiliary heads, of shape (N, classes) each."""
    eval_forward: Forward
    parameters: Mapping[str, nn.Parameter]
    buffers: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    """What the forward pass for training changes: means and variances of batch normalisation."""
    factors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Parts of the learning rate, by the parameter's name; 1 for those that are not here."""
    class_weights: Tensor | None = None
    """How much an example of each class counts, of shape (classes,)."""
    auxiliary_weight: float = 0.0
    """How much the loss of an auxiliary head counts."""
    autocast: torch.dtype | None = None
    """bfloat16 to run the forward passes in mixed precision."""

    def mixed_precision(self) -> contextlib.AbstractContextManager[object]:
        """In it the forward passes run."""
        return torch.autocast("cpu", self.autocast) if self.autocast else contextlib.nullcontext()


class Learner:
    """Makes steps. What they change is `state`, by which another learner goes on as this one would have."""

    def __init__(self, model: Model, recipe: Recipe) -> None:
        self._model = model
        self._recipe = recipe
        self._changing = {**model.parameters, **model.buffers}
        self._average = WeightAverage(self._changing, recipe.ema) if recipe.ema else None
        self._descent = _descent(model, recipe)
        self._best: dict[str, Tensor] = {}

    def step(self, number: int, rate: float, inputs: Sequence[Tensor], labels: Tensor) -> tuple[float, float]:
        """The loss before step `number`, counted from 1, and how many examples were classified rightly.

        Where the loss is not finite nothing is changed but buffers.
        """
        batch = mixed(inputs, labels, mixup=self._recipe.mixup, cutmix=self._recipe.cutmix)
        with self._model.mixed_precision():
            logits, *auxiliary = self._model.train_forward(*batch.inputs)
        smoothing, weights = self._recipe.label_smoothing, self._model.class_weights
        loss = batch.loss(logits.float(), smoothing, weights)
        for other in auxiliary if self._model.auxiliary_weight else ():
            loss = loss + self._model.auxiliary_weight * batch.loss(other.float(), smoothing, weights)
        value = loss.item()
        if math.isfinite(value):
            loss.backward()  # type: ignore[no-untyped-call]
            self._descent.step(rate)
            if self._average:
                self._average.update(number)
        return value, batch.hits(logits)

    def judged(self) -> contextlib.AbstractContextManager[None]:
        """In it the model has the weights that are judged: their average where the recipe wants one."""
        return self._average.in_place() if self._average else contextlib.nullcontext()

    @torch.no_grad()
    def remember(self) -> None:
        """Keep the weights that are judged now: the best so far."""
        with self.judged():
            self._best = {name: tensor.detach().clone() for name, tensor in self._changing.items()}

    @torch.no_grad()
    def finish(self) -> None:
        """Leave the weights in the model that are kept: those that were remembered, their average, or the last."""
        if self._average:
            self._average.settle()
        for name, tensor in self._best.items():
            self._changing[name].copy_(tensor)

    @property
    def finite(self) -> bool:
        """Whether all parameters are numbers."""
        return all(bool(p.isfinite().all()) for p in self._model.parameters.values())

    @property
    def state(self) -> dict[str, Tensor]:
        """Weights, buffers, velocities, average and random number generator, by names that tell them apart."""
        return {
            **{f"model/{name}": tensor.detach() for name, tensor in self._changing.items()},
            **{f"velocity/{name}": tensor for name, tensor in self._descent.velocities.items()},
            **{f"average/{name}": tensor for name, tensor in (self._average.values if self._average else {}).items()},
            **{f"best/{name}": tensor for name, tensor in self._best.items()},
            "random": torch.get_rng_state(),
        }

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from the state of another learner. Raises DataError when it is that of another network."""
        expected = {name for name in self.state if not name.startswith(("velocity/", "best/"))}
        if missing := sorted(expected - state.keys()):
            raise DataError(f"the checkpoint lacks {', '.join(missing[:3])}: it belongs to another network.")
        for name, tensor in self._changing.items():
            tensor.copy_(state[f"model/{name}"])
        self._descent.velocities = {
            name: _laid_out_as(self._model.parameters[name.partition("/")[0]], tensor)
            for name, tensor in _below("velocity", state)
        }
        self._best = dict(_below("best", state))
        if self._average:
            for name, tensor in self._average.values.items():
                tensor.copy_(state[f"average/{name}"])
        torch.set_rng_state(state["random"])


def _descent(model: Model, recipe: Recipe) -> StochasticGradientDescent | Adam:
    """The optimiser that the recipe names."""
    common = {"weight_decay": recipe.weight_decay, "clip": recipe.clip}
    if recipe.optimizer == "sgd":
        return StochasticGradientDescent(
            model.parameters, momentum=recipe.momentum, nesterov=recipe.nesterov, factors=model.factors, **common
        )
    return Adam(model.parameters, decoupled=recipe.optimizer == "adamw", factors=model.factors, **common)


def _below(kind: str, state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of one kind of state, such as "velocity"."""
    return ((name.removeprefix(f"{kind}/"), value) for name, value in state.items() if name.startswith(f"{kind}/"))


def _laid_out_as(parameter: Tensor, values: Tensor) -> Tensor:
    """The values in the parameter's order in memory, which decides the order of sums within kernels."""
    return torch.empty_like(parameter).copy_(values) if values.shape == parameter.shape else values
