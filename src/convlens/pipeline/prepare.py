"""Prepare: from names (backbone, weights, freeze plan) to a network that is ready to train."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from convlens.backbones.external import GIVEN, PRETRAINED
from convlens.backbones.graph_cache import cached_capture
from convlens.backbones.resolve import loaded, preprocessing_for
from convlens.backbones.timm_networks import built_name
from convlens.core.bundle import Bundle, HeadForm
from convlens.core.cache import FeatureNote
from convlens.core.errors import UsageError
from convlens.core.files import sha256_of
from convlens.core.preprocessing import Preprocessing
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.run import Crossing, FreezeOutcome, WeightsUsed
from convlens.core.seeds import derived_seed
from convlens.core.settings import setting
from convlens.graph.graph import Graph
from convlens.training.progressive_resizing import growing_sides
from convlens.training.recipe import Recipe
from convlens.transfer.device import on_device
from convlens.transfer.heads import replace_head
from convlens.transfer.kernels import with_safe_inputs
from convlens.transfer.networks import CutNetwork, bound_to, cut_network
from convlens.zoo import PACKAGE, NetworkCard, card, weight_cards


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared:
    """A network with its weights and a new head, cut at the freeze plan."""

    network: str
    """The name under which the module can be built again."""
    module: nn.Module
    cut: CutNetwork
    weights: WeightsUsed
    preprocessing: Preprocessing
    classes: int
    frozen_before: str
    """Digest of the frozen part, to be compared with the one after training."""
    sides: tuple[int, ...]
    """Of the training images in each epoch."""
    smaller: Mapping[int, Graph]
    """The network as it trains on images of each side below the whole: a captured graph may hold sizes."""

    def for_classes(self, classes: int, recipe: Recipe) -> "Prepared":
        """The same network with a head for that many classes; its weights are not loaded again."""
        return self if classes == self.classes else _headed(self.network, self.module, self.weights, recipe, classes)

    def copied(self) -> "Prepared":
        """The same network with trained parameters and changing buffers of its own; it shares all that is frozen."""
        cut = self.cut.copied()
        smaller = {side: bound_to(cut.module, graph) for side, graph in self.smaller.items()}
        return dataclasses.replace(self, module=cut.module, cut=cut, smaller=smaller)

    def with_head(self, form: HeadForm, seed: int) -> "Prepared":
        """The same network with last layers of that form, drawn again; its module is changed."""
        if form.plain:
            self.cut.draw_head(seed)
            return self
        cut = self.cut.with_head(form, self.classes, seed)
        smaller = {side: cut.without_head(graph) for side, graph in self.smaller.items()}
        return dataclasses.replace(self, cut=cut, smaller=smaller)


def prepare(recipe: Recipe, classes: int, progress: Progress = silent, say: Say = unsaid) -> Prepared:
    """The recipe's network for that many classes, ready to train; its weights are downloaded where that is needed.

    `say` receives what was done to make a file of weights fit.

    Raises UsageError for a network that does not take color images of that size, or of the sizes that they have while
    they grow, or gives no score per image.
    """
    name = built_name(recipe.backbone, recipe.size, recipe.pooling)
    _must_classify_images(card(name), recipe.size)
    _refuse_growing_images(card(name), recipe)
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(recipe.seed, "weights"))
        module, file = loaded(
            name,
            weights=recipe.weights,
            new_head=True,
            fold_stem=recipe.stem == "fold",
            progress=progress,
            say=say,
        )
    return _headed(name, module, _weights_used(recipe, file), recipe, classes)


def prepared_again(bundle: Bundle, module: nn.Module, weights: WeightsUsed, recipe: Recipe, classes: int) -> Prepared:
    """The network of a run, with a new head for that many classes; it is fed as the run feeds it."""
    prepared = _headed(bundle.backbone, module, weights, recipe, classes)
    return dataclasses.replace(prepared, preprocessing=bundle.preprocessing)


def _headed(name: str, module: nn.Module, weights: WeightsUsed, recipe: Recipe, classes: int) -> Prepared:
    """The loaded network with a new head, captured and cut."""
    known, seed = card(name), derived_seed(recipe.seed, "head")
    module.to("cpu")
    replace_head(module, known.head, classes, seed)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    capture = cached_capture(name, classes)
    plan = "conv" if recipe.head == "own" else recipe.freeze
    cut = cut_network(module, plan, known.head, _example(recipe.size), capture, recipe.unfreeze)
    sides = growing_sides(recipe, known.least_size)
    smaller = {side: with_safe_inputs(capture(module, _example(side))) for side in sorted({*sides} - {recipe.size})}
    if not recipe.head_form.plain:
        cut = cut.with_head(recipe.head_form, classes, seed)
        smaller = {side: cut.without_head(graph) for side, graph in smaller.items()}
    frozen_before = cut.frozen_digest()
    if recipe.device != "cpu":
        cut = cut.on(recipe.device)
        smaller = {side: on_device(graph, module) for side, graph in smaller.items()}
    return Prepared(
        network=name,
        module=module,
        cut=cut,
        weights=weights,
        preprocessing=preprocessing_for(recipe.backbone, recipe.weights).at(recipe.size).fitted(recipe.fit),
        classes=classes,
        frozen_before=frozen_before,
        sides=sides,
        smaller=smaller,
    )


def _example(side: int) -> Tensor:
    return torch.zeros(2, 3, side, side)


def _must_classify_images(known: NetworkCard, size: int) -> None:
    if known.input_shape[0] != 3 or known.output != "scores":
        shape = "x".join(map(str, known.input_shape))
        raise UsageError(
            f"{setting('backbone', known.name)} takes inputs of {shape} and gives {known.output}; training on a folder "
            "of images needs one that takes three color channels and gives scores (`convlens zoo` lists all networks)."
        )
    if size < known.least_size:
        raise UsageError(
            f"{setting('size', size)}: the input of {known.name} needs a side of at least {known.least_size}."
        )


def _refuse_growing_images(known: NetworkCard, recipe: Recipe) -> None:
    if known.fixed_size and recipe.progressive_resizing != 1:
        raise UsageError(
            f"{setting('progressive_resizing', recipe.progressive_resizing)}: {known.name} only takes images of one "
            "size, because of its position embeddings or windows, and here the size would grow. Leave the setting out."
        )


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


def feature_note(prepared: Prepared) -> FeatureNote:
    """What the store writes beside the features of its frozen part."""
    return FeatureNote(
        backbone=prepared.network,
        weights=prepared.weights.name,
        freeze=prepared.cut.plan.name,
        size=prepared.preprocessing.size,
    )


def _weights_used(recipe: Recipe, file: Path | None) -> WeightsUsed:
    if recipe.weights == GIVEN:
        return WeightsUsed(source="module", name=recipe.backbone, sha256=None)
    if recipe.weights == PRETRAINED:
        stated = card(recipe.backbone).license
        return WeightsUsed(source="timm", name=recipe.backbone, sha256=None, license=stated)
    if file is None:
        return WeightsUsed(source="random", name=f"random, seed {recipe.seed}", sha256=None)
    known = (
        PACKAGE
        if recipe.weights == PACKAGE
        else "published"
        if recipe.weights in weight_cards(recipe.backbone)
        else "file"
    )
    return WeightsUsed(source=known, name=file.name, sha256=sha256_of(file))
