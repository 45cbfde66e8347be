"""The loop: minibatch stochastic gradient descent, and evaluation after every epoch."""

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from convlens.core.errors import DivergedError
from convlens.core.progress import Advance, Progress
from convlens.core.run import EpochMetrics
from convlens.core.settings import setting
from convlens.core.stopping import stop_deferred
from convlens.training.checkpoint import Checkpoints, Course
from convlens.training.early_stopping import best_epoch, stalled
from convlens.training.examples import Examples
from convlens.training.learner import Learner, Model
from convlens.training.order import epoch_orders, minibatches, seeded, steps_in_epoch
from convlens.training.processes import ALONE, Processes
from convlens.training.progressive_resizing import ProgressiveResizing
from convlens.training.recipe import Recipe
from convlens.training.schedule import learning_rate

_MOST_NAMED = 3
_PATIENCE_SECONDS = 60.0
"""After a signal, for the step under way: to give it up would lose all steps since the last checkpoint."""
OnEpoch = Callable[[Sequence[EpochMetrics]], None]
"""Told the metrics of all epochs so far, after each."""


def no_log(history: Sequence[EpochMetrics]) -> None:
    """Where nothing is to be reported."""


def fit(
    model: Model,
    train: Examples,
    val: Examples,
    recipe: Recipe,
    progress: Progress,
    *,
    on_epoch: OnEpoch = no_log,
    checkpoints: Checkpoints | None = None,
    growth: ProgressiveResizing | None = None,
    processes: Processes = ALONE,
) -> list[EpochMetrics]:
    """Metrics of each epoch; the model is trained in place and has the weights after the last step, or their average.

    Each epoch visits all training examples once, in an order that follows from the seed, in minibatches of
    `recipe.batch_size`; θ ← θ − α g with the gradient g of the objective of a minibatch (see `objective`), with
    momentum, or Adam's step. With `recipe.early_stopping` it ends after so many epochs without a lower validation loss,
    with the weights of the best epoch (Prechelt, Early stopping – but when?, 1998). With `growth` the training examples
    are smaller in the first epochs; progress counts them for what they cost, in whole ones. After each epoch `on_epoch`
    gets the metrics of all epochs so far. Of several `processes` each takes its part of every minibatch.

    With `checkpoints` it goes on from the newest one, writes one when it is due and when a signal asks to stop, and
    ends by KeyboardInterrupt then. A training that goes on gives, on one machine's processor with one number of
    threads, bit for bit what it would have given without the break. Raises DivergedError when a loss, a gradient or a
    weight is no longer finite.
    """
    learner = Learner(model, recipe, processes)
    with seeded(recipe, processes.rank), contextlib.ExitStack() as stack:
        stopping = stack.enter_context(stop_deferred(_PATIENCE_SECONDS)) if checkpoints else lambda: False
        training = _Training(
            learner,
            model,
            train,
            val,
            recipe=recipe,
            growth=growth,
            checkpoints=checkpoints,
            stopping=stopping,
            processes=processes,
        )
        training.go_on()
        advance = stack.enter_context(progress("grow" if growth else "fit", training.worth_left))
        for order in training.remaining_orders():
            if training.stalled:
                break
            training.run_epoch(order, advance)
            on_epoch(training.course.history)
            training.keep(at_once=recipe.freeze == "none")
    learner.finish()
    return training.course.history


class _Training:
    """A learner on its way through the epochs."""

    def __init__(
        self,
        learner: Learner,
        model: Model,
        train: Examples,
        val: Examples,
        *,
        recipe: Recipe,
        growth: ProgressiveResizing | None,
        checkpoints: Checkpoints | None,
        stopping: Callable[[], bool],
        processes: Processes,
    ) -> None:
        self.course = Course()
        self._learner, self._model = learner, model
        self._train, self._val = train, val
        self._recipe = recipe
        self._growth = growth
        self._checkpoints = checkpoints
        self._stopping = stopping
        self._processes = processes
        self._steps = steps_in_epoch(len(train.labels), recipe.batch_size)

    @property
    def total_steps(self) -> int:
        return self.course.epoch * self._steps + self.course.step

    @property
    def worth_left(self) -> int:
        """What is to be done yet, in whole images."""
        epochs = range(self.course.epoch, self._recipe.epochs)
        return sum(self._worth(epoch, len(self._train.labels)) for epoch in epochs) - self._worth_done

    @property
    def _worth_done(self) -> int:
        """What was done in the epoch under way, in whole images."""
        whole = self.course.step == self._steps
        images = len(self._train.labels) if whole else self.course.step * self._recipe.batch_size
        return self._worth(self.course.epoch, images) if images else 0

    def _worth(self, epoch: int, images: int) -> int:
        return self._growth.worth(epoch, images) if self._growth else images

    @property
    def stalled(self) -> bool:
        """Whether the validation loss has not fallen for as many epochs as the recipe bears."""
        return stalled(self.course.history, self._recipe.early_stopping)

    def go_on(self) -> None:
        """Take up the newest checkpoint, if there is one."""
        if self._checkpoints and (saved := self._processes.broadcast(self._checkpoints.newest)):
            self.course = saved.course
            self._learner.load(saved.tensors)

    def remaining_orders(self) -> Iterator[Tensor]:
        """The orders of the epochs that are left."""
        return itertools.islice(epoch_orders(self._recipe, len(self._train.labels)), self.course.epoch, None)

    def run_epoch(self, order: Tensor, advance: Advance) -> None:
        """The rest of an epoch, step by step, and its evaluation."""
        course = self.course
        start = time.perf_counter() - course.seconds
        train = self._growth.examples(self._growth.sides[course.epoch]) if self._growth else self._train
        for indices in minibatches(order, self._recipe.batch_size)[course.step :]:
            rate = learning_rate(self._recipe, self.total_steps / (self._recipe.epochs * self._steps))
            loss, hits = self._step(rate, train, indices)
            done = self._worth_done
            course = self.course = course.model_copy(
                update={
                    "step": course.step + 1,
                    "loss_sum": course.loss_sum + loss * len(indices),
                    "hits": course.hits + hits,
                    "seconds": time.perf_counter() - start,
                }
            )
            advance(self._worth_done - done, self._note(loss))
            self.keep()
        rate = learning_rate(self._recipe, (self.total_steps - 1) / (self._recipe.epochs * self._steps))
        val = self._model.objective.standing(self._validation_logits(), self._val.labels)
        if not math.isfinite(val.loss):
            raise self._diverged(f"the validation loss became {val.loss} after epoch {course.epoch + 1}")
        metrics = EpochMetrics(
            epoch=course.epoch + 1,
            learning_rate=rate,
            train_loss=course.loss_sum / len(order),
            train_accuracy=None if val.accuracy is None else course.hits / len(order),
            val_loss=val.loss,
            val_accuracy=val.accuracy,
            seconds=time.perf_counter() - start,
        )
        self.course = Course(history=[*course.history, metrics])
        advance(0, self._note())
        if self._recipe.early_stopping and best_epoch(self.course.history) == metrics.epoch:
            self._learner.remember()

    def _note(self, loss: float | None = None) -> str:
        """The epoch under way, or the last one that is done, and the newest standing on the validation images."""
        history = self.course.history
        epoch = self.course.epoch + (loss is not None)
        parts = [f"epoch {epoch} of {self._recipe.epochs}"]
        if loss is not None:
            parts.append(f"loss {loss:.3f}")
        if history and history[-1].val_accuracy is not None:
            parts.append(f"val accuracy {history[-1].val_accuracy:.1%}")
        elif history:
            parts.append(f"val loss {history[-1].val_loss:.3f}")
        return ", ".join(parts)

    def keep(self, *, at_once: bool = False) -> None:
        """Write a checkpoint if it is due, or at once; and end here if a signal asks for it."""
        if not self._checkpoints:
            return
        stopping, due = self._processes.any_of_all(self._stopping(), self._processes.first and self._checkpoints.due)
        if stopping or at_once or due:
            if not self._learner.finite:
                raise self._diverged(f"a weight is no longer a finite number after step {self.total_steps}")
            state = self._learner.state
            if self._processes.first:
                self._checkpoints.save(self.total_steps, self.course, state)
        if stopping:
            raise KeyboardInterrupt

    def _step(self, rate: float, train: Examples, indices: Tensor) -> tuple[float, float]:
        part = self._processes.part(indices)
        outcome = self._learner.step(self.total_steps + 1, rate, train.batch(part), train.labels[part])
        if not outcome.finite:
            files = [train.files[i] for i in indices.tolist()]
            more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
            what = "the gradient became infinite" if math.isfinite(outcome.loss) else f"the loss became {outcome.loss}"
            where = f"epoch {self.course.epoch + 1}, step {self.course.step + 1} of {self._steps}"
            raise self._diverged(f"{what} in {where}, on {', '.join(files[:_MOST_NAMED])}{more}", files)
        return outcome.loss, outcome.hits * len(indices) / outcome.examples

    def _diverged(self, what: str, files: Sequence[str] = ()) -> DivergedError:
        tenth = setting("learning_rate", self._recipe.learning_rate / 10)
        advice = f"Try a tenth of the learning rate ({tenth})."
        return DivergedError(f"{what}: training diverged. {advice}", files)

    def _validation_logits(self) -> Tensor:
        """Of the validation examples. A signal that asks to stop is heard between two batches."""
        try:
            with self._learner.evaluating():
                return predict_logits(self._model, self._val, self._processes, self._hear)
        except _StopAskedError:
            self.keep(at_once=True)
            raise KeyboardInterrupt from None

    def _hear(self) -> None:
        if self._checkpoints and self._processes.any_of_all(self._stopping())[0]:
            raise _StopAskedError


class _StopAskedError(Exception):
    """A signal asks to stop, and the evaluated weights stand where the trained ones do."""


def predict_logits(
    model: Model,
    examples: Examples,
    processes: Processes = ALONE,
    before_batch: Callable[[], None] = lambda: None,
) -> Tensor:
    """Logits of all examples, of shape (N, classes), float32; each process computes a part of them.

    `before_batch` is called before each batch, equally often in all processes.
    """
    everything = torch.arange(len(examples.labels))
    if len(everything) < processes.count:
        processes = ALONE
    mine = everything.tensor_split(processes.count)[processes.rank]
    longest = math.ceil(len(everything) / processes.count)
    parts = []
    with torch.inference_mode(), model.mixed_precision():
        for start in range(0, longest, model.evaluated_at_once):
            before_batch()
            if len(indices := mine[start : start + model.evaluated_at_once]):
                inputs = (one.to(model.device) for one in examples.batch(indices))
                parts.append(model.eval_forward(*inputs)[0].float().cpu())
    return torch.cat(processes.all_gather(torch.cat(parts)))
