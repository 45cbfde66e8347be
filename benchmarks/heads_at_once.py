"""Heads of one comparison trained one by one and at once, side by side, on the same features.

    python benchmarks/heads_at_once.py
    python benchmarks/heads_at_once.py --features 2048 --classes 10

The recipes are the base of `convlens compare` and every trick whose head sees the same minibatches as the base's, all
in one stack, however large it is. Both ways take turns, and the medians of `--rounds` are given. The results are held
against each other: losses of every epoch, weights, and the answers on the validation rows.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from convlens.comparison.siblings import TrainedHead, family, fit_siblings
from convlens.comparison.stacked_losses import Sibling
from convlens.comparison.tricks import PLAIN, TRICKS
from convlens.core.progress import silent
from convlens.core.run import EpochMetrics
from convlens.training.learner import Model
from convlens.training.loop import fit, predict_logits
from convlens.training.objective import CategoricalCrossEntropy
from convlens.training.recipe import Recipe


class Rows:
    """Made features, about those of a network after its last ReLU, with a class each that they tell in part."""

    def __init__(self, number: int, features: int, classes: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        centers = torch.randn(classes, features, generator=torch.Generator().manual_seed(0))
        self.labels = torch.randint(classes, (number,), generator=generator)
        noise = torch.randn(number, features, generator=generator)
        self._rows = (0.1 * centers[self.labels] + noise).relu()
        self.files = [f"row {i}" for i in range(number)]

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """One tensor of shape (len(indices), features)."""
        return (self._rows[indices],)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=320)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    base = Recipe.of(**{**PLAIN, "epochs": chosen.epochs})
    tried = {name: trick.apply(base) for name, trick in TRICKS.items()}
    recipes = [base, *(one for one in tried.values() if family(one) == family(base))]
    train = Rows(chosen.rows, chosen.features, chosen.classes, seed=1)
    val = Rows(chosen.rows // 4, chosen.features, chosen.classes, seed=2)
    torch.manual_seed(0)
    start = nn.Linear(chosen.features, chosen.classes)
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}, threads: {torch.get_num_threads()}")
    ways: dict[str, Callable[[], list[TrainedHead]]] = {
        "one by one": lambda: [one_head(recipe, start, train, val) for recipe in recipes],
        "at once": lambda: at_once(recipes, start, train, val),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    heads: dict[str, list[TrainedHead]] = {}
    for _ in range(chosen.rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            heads[name] = way()
            seconds[name].append(time.perf_counter() - begun)
    alone, together = (statistics.median(found) for found in seconds.values())
    print(f"{len(recipes)} heads of {chosen.features} -> {chosen.classes}, {chosen.rows} rows, {chosen.epochs} epochs")
    print(f"one by one  {alone:8.3f} s")
    print(f"at once     {together:8.3f} s   {alone / together:.1f} times faster")
    print_differences(*heads.values())
    print(f"load of the machine after: {os.getloadavg()[0]:.2f}")


def at_once(recipes: Sequence[Recipe], start: nn.Linear, train: Rows, val: Rows) -> list[TrainedHead]:
    """All heads side by side."""
    found = fit_siblings([Sibling(recipe, objective(recipe, train)) for recipe in recipes], start, train, val)
    heads = [head for head in found if head is not None]
    assert len(heads) == len(recipes)
    return heads


def one_head(recipe: Recipe, start: nn.Linear, train: Rows, val: Rows) -> TrainedHead:
    """One head by the usual loop of convlens."""
    layer = nn.Linear(start.in_features, start.out_features)
    layer.load_state_dict(start.state_dict())
    model = Model(
        train_forward=lambda x: (layer(x),),
        eval_forward=lambda x: (layer(x),),
        parameters=dict(layer.named_parameters()),
        objective=objective(recipe, train),
    )
    history = fit(model, train, val, recipe, silent)
    return TrainedHead(history, layer.weight.detach(), layer.bias.detach(), predict_logits(model, val))


def objective(recipe: Recipe, train: Rows) -> CategoricalCrossEntropy:
    """With class weights where the recipe wants them."""
    if not recipe.class_weights:
        return CategoricalCrossEntropy()
    counts = train.labels.bincount().float()
    return CategoricalCrossEntropy(len(train.labels) / (len(counts) * counts))


def print_differences(alone: Sequence[TrainedHead], together: Sequence[TrainedHead]) -> None:
    """How far the results of both ways lie apart."""
    pairs = list(zip(alone, together, strict=True))
    losses = max(relative(one, other) for a, b in pairs for one, other in zip(a.history, b.history, strict=True))
    weights = max((a.weight - b.weight).abs().max().item() for a, b in pairs)
    answers = sum(int((a.logits.argmax(1) != b.logits.argmax(1)).sum()) for a, b in pairs)
    print(f"largest differences: losses {losses:.1e} (relative), weights {weights:.1e}; answers that differ: {answers}")


def relative(one: EpochMetrics, other: EpochMetrics) -> float:
    """The larger difference of the two losses of an epoch."""
    train, val = one.train_loss / other.train_loss - 1, one.val_loss / other.val_loss - 1
    return max(abs(train), abs(val))


if __name__ == "__main__":
    main()
