"""A model while it is trained: one step, and everything that changes by it."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convlens.core.errors import DataError
from convlens.training.adam import Adam
from convlens.training.average import WeightAverage
from convlens.training.mixing import mixed
from convlens.training.objective import CategoricalCrossEntropy, Objective
from convlens.training.optimizer import StochasticGradientDescent
from convlens.training.processes import ALONE, Processes
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
    """What the forward pass for training changes: means and variances of batch normalization."""
    factors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Parts of the learning rate, by the parameter's name; 1 for those that are not here."""
    objective: Objective = dataclasses.field(default_factory=CategoricalCrossEntropy)
    """What training makes small."""
    evaluated_at_once: int = 256
    """Examples in a batch when it is evaluated."""
    auxiliary_weight: float = 0.0
    """How much the loss of an auxiliary head counts."""
    autocast: torch.dtype | None = None
    """bfloat16 to run the forward passes in mixed precision."""
    device: str = "cpu"
    """Where the parameters are; examples are brought there."""

    def mixed_precision(self) -> contextlib.AbstractContextManager[object]:
        """In it the forward passes run."""
        return torch.autocast(self.device, self.autocast) if self.autocast else contextlib.nullcontext()


class Outcome(NamedTuple):
    """Of a step, over all processes."""

    loss: float
    """Its mean, before the step."""
    hits: float
    """How many examples were right, as the objective counts."""
    examples: int
    finite: bool
    """Whether loss and gradient are finite numbers. If not, the step changed nothing but buffers."""


class Learner:
    """Makes steps. What they change is `state`, by which another learner goes on as this one would have."""

    def __init__(self, model: Model, recipe: Recipe, processes: Processes = ALONE) -> None:
        self._model = model
        self._recipe = recipe
        self._processes = processes
        self._changing = {**model.parameters, **model.buffers}
        self._average = WeightAverage(self._changing, recipe.ema) if recipe.ema else None
        self._descent = _descent(model, recipe)
        self._best: dict[str, Tensor] = {}

    def step(self, number: int, rate: float, inputs: Sequence[Tensor], labels: Tensor) -> Outcome:
        """What step `number`, counted from 1, found, with this process's part of the minibatch."""
        device = self._model.device
        inputs, labels = [one.to(device) for one in inputs], labels.to(device)
        batch = mixed(inputs, labels, mixup=self._recipe.mixup, cutmix=self._recipe.cutmix)
        with self._model.mixed_precision():
            logits, *auxiliary = self._model.train_forward(*batch.inputs)
        objective, smoothing = self._model.objective, self._recipe.label_smoothing
        loss = batch.loss(logits.float(), objective, smoothing)
        for other in auxiliary if self._model.auxiliary_weight else ():
            loss = loss + self._model.auxiliary_weight * batch.loss(other.float(), objective, smoothing)
        size = len(labels)
        loss_sum, hits, examples = self._processes.all_reduce_sum(
            loss.item() * size, batch.hits(logits, objective), size
        )
        finite = math.isfinite(loss_sum)
        if finite:
            # The mean over the processes follows, whose parts may differ by one example.
            (loss * (size * self._processes.count / examples)).backward()  # type: ignore[no-untyped-call]
            gradients = self._gradients
            self._processes.average([*gradients, *self._model.buffers.values()])
            finite = _all_finite(gradients)
        if finite:
            self._descent.step(rate)
            if self._average:
                self._average.update(number)
        return Outcome(loss_sum / examples, hits, int(examples), finite)

    @property
    def _gradients(self) -> list[Tensor]:
        return [parameter.grad for parameter in self._model.parameters.values() if parameter.grad is not None]

    def evaluating(self) -> contextlib.AbstractContextManager[None]:
        """In it the model has the weights that are evaluated: their average where the recipe wants one."""
        return self._average.in_place() if self._average else contextlib.nullcontext()

    @torch.no_grad()
    def remember(self) -> None:
        """Keep the weights that are evaluated now: the best so far."""
        with self.evaluating():
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
        """Whether all that the steps change are finite numbers."""
        return all(bool(tensor.isfinite().all()) for tensor in self._changing.values())

    @property
    def state(self) -> dict[str, Tensor]:
        """Weights, buffers, velocities, average and the processes' random number generators, by names that tell."""
        return {
            **{f"model/{name}": tensor.detach() for name, tensor in self._changing.items()},
            **{f"velocity/{name}": tensor for name, tensor in self._descent.velocities.items()},
            **{f"average/{name}": tensor for name, tensor in (self._average.values if self._average else {}).items()},
            **{f"best/{name}": tensor for name, tensor in self._best.items()},
            **{name: torch.stack(self._processes.all_gather(own)) for name, own in self._random.items()},
        }

    @property
    def _random(self) -> dict[str, Tensor]:
        """The states of this process's random number generators."""
        on_gpu = {"random_gpu": torch.cuda.get_rng_state()} if self._model.device == "cuda" else {}
        return {"random": torch.get_rng_state(), **on_gpu}

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
        torch.set_rng_state(state["random"][self._processes.rank].clone())  # which reads views wrongly
        if self._model.device == "cuda":
            torch.cuda.set_rng_state(state["random_gpu"][self._processes.rank].clone())


def _all_finite(gradients: Sequence[Tensor]) -> bool:
    """By their sum, which an infinite one or one that is no number makes so; it takes less time than their norm."""
    return not gradients or bool(torch.stack([gradient.sum() for gradient in gradients]).sum().isfinite())


def _descent(model: Model, recipe: Recipe) -> StochasticGradientDescent | Adam:
    """The optimizer that the recipe names."""
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
