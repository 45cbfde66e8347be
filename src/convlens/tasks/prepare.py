"""Prepare: from names (backbone, weights, freeze plan) to a network that is ready to train."""

import dataclasses
from pathlib import Path

import torch
from torch import nn

from convlens.core.files import sha256_of
from convlens.core.preprocessing import Preprocessing
from convlens.core.run import Crossing, FreezeOutcome, WeightsUsed
from convlens.core.seeds import derived_seed
from convlens.tasks.graph_cache import cached_capture
from convlens.training.recipe import Recipe
from convlens.transfer.heads import replace_head
from convlens.transfer.networks import CutNetwork, cut_network
from convlens.zoo import card, network, package_weights

PACKAGE, RANDOM = "package", "random"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared:
    """A network with its weights and a new head, cut at the freeze plan."""

    module: nn.Module
    cut: CutNetwork
    weights: WeightsUsed
    preprocessing: Preprocessing
    classes: int
    frozen_before: str
    """Digest of the frozen part, to be compared with the one after training."""


def prepare(recipe: Recipe, classes: int) -> Prepared:
    """The recipe's network for that many classes, ready to train."""
    known = card(recipe.backbone)
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(recipe.seed, "weights"))
        module = network(recipe.backbone, weights=None if recipe.weights == RANDOM else recipe.weights)
    replace_head(module, known.head, classes, derived_seed(recipe.seed, "head"))
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    example = torch.zeros(2, 3, recipe.size, recipe.size)
    cut = cut_network(module, recipe.freeze, known.head, example, cached_capture(recipe.backbone, classes))
    return Prepared(
        module=module,
        cut=cut,
        weights=_weights_used(recipe),
        preprocessing=known.preprocessing.at(recipe.size),
        classes=classes,
        frozen_before=cut.frozen_digest(),
    )


def weights_named(backbone: str, weights: str | Path | None) -> str:
    """The weights that a person means: those in the package where the backbone has some, else random ones."""
    if weights is None:
        return PACKAGE if card(backbone).package_weights else RANDOM
    return str(weights)


def freeze_outcome(prepared: Prepared) -> FreezeOutcome:
    """What stayed fixed, to be asked for after training."""
    cut = prepared.cut
    total = sum(parameter.numel() for parameter in prepared.module.parameters())
    trained = sum(parameter.numel() for parameter in cut.trained_parameters.values())
    crossings = [
        Crossing(
            name=node.name,
            module=node.module,
            shape=[n for n in (node.shape or ())[1:] if isinstance(n, int)],
            dtype=str(node.dtype).removeprefix("torch."),
        )
        for node in cut.evaluation.crossings
    ]
    return FreezeOutcome(
        plan=cut.plan.name,
        frozen_parameters=total - trained,
        trained_parameters=trained,
        crossings=crossings,
        frozen_unchanged=cut.frozen_digest() == prepared.frozen_before,
    )


def _weights_used(recipe: Recipe) -> WeightsUsed:
    if recipe.weights == RANDOM:
        return WeightsUsed(source="random", name=f"random, seed {recipe.seed}", sha256=None)
    if recipe.weights == PACKAGE:
        path = package_weights(card(recipe.backbone))
        return WeightsUsed(source="package", name=path.name, sha256=sha256_of(path))
    path = Path(recipe.weights).expanduser()
    return WeightsUsed(source="file", name=path.name, sha256=sha256_of(path))
