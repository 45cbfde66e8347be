"""Shared training: many short trainings on the same images, which share networks, features and captured graphs."""

import dataclasses
import time
from collections.abc import Sequence

from convlens.backbones.rehearse import rehearse
from convlens.backbones.resolve import RANDOM
from convlens.backbones.timm_networks import built_name
from convlens.comparison.outcome import Outcome
from convlens.comparison.side_by_side import trained_at_once
from convlens.core.errors import DataError
from convlens.core.files import cache_folder
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.run import FeatureCounts
from convlens.core.seeds import derived_seed
from convlens.data.manifest import Manifest
from convlens.data.splits import Pairs
from convlens.pipeline.augmented_copies import with_views
from convlens.pipeline.fit import Fitting, in_stages
from convlens.pipeline.notices import say_license
from convlens.pipeline.precision import settled
from convlens.pipeline.prepare import Prepared, prepare
from convlens.pipeline.split import divided, likeness, usable_images
from convlens.training.loop import predict_logits
from convlens.training.recipe import Recipe, affecting
from convlens.transfer.prefix import ExtractedFeatures, extract_features


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Foundation:
    """A network with its features, which is never trained itself."""

    prepared: Prepared
    features: ExtractedFeatures
    precision: str
    """Number format of the features."""

    def prepared_for(self, recipe: Recipe) -> Prepared:
        """The network as `prepare` would give it for the recipe, with trained parameters of its own."""
        return self.prepared.copied().with_head(recipe.head_form, derived_seed(recipe.seed, "head"))

    def unchanged(self) -> bool:
        """Whether all that is frozen is as it was."""
        return self.prepared.cut.frozen_digest() == self.prepared.frozen_before


class SharedTraining:
    """Trains recipes on the images of one manifest; what they share is computed once."""

    def __init__(self, manifest: Manifest, progress: Progress, say: Say = unsaid) -> None:
        self._manifest = manifest
        self._progress, self._say = progress, say
        self._pairs: dict[tuple[str, ...], Pairs] = {}
        self._foundations: dict[tuple[object, ...], _Foundation] = {}
        self._divided: dict[tuple[object, ...], Manifest] = {}
        self._settled: dict[tuple[object, ...], dict[str, str]] = {}

    def divided(self, recipe: Recipe) -> Manifest:
        """The images that can be used, on the sides on which `convlens train` would have them.

        Those that the recipe's network has not seen go through its frozen layers. Raises DataError when none is left
        to judge.
        """
        key = (*_what_decides(recipe), recipe.seed, recipe.fold, recipe.split, recipe.val_fraction)
        if key not in self._divided:
            features = self._foundation(recipe).features
            usable = usable_images(self._manifest, features)
            self._divided[key] = divided(usable, recipe, lambda: self._alike(usable, features))
        if not self._divided[key].side("val"):
            raise DataError(f"{self._manifest.folder}: no usable validation image to judge. Put some into val/.")
        return self._divided[key]

    def _alike(self, usable: Manifest, features: ExtractedFeatures) -> Pairs:
        """Found once: it follows from the images that can be used, and takes as long as some trainings."""
        key = tuple(problem.file for problem in features.problems)
        if key not in self._pairs:
            self._pairs[key] = likeness(usable, features.facts, self._say)
        return self._pairs[key]

    def settled(self, recipe: Recipe) -> Recipe:
        """The recipe with the number formats in which it trains here."""
        foundation = self._foundation(recipe)
        key = (*_what_decides(recipe), recipe.training_precision, recipe.epochs, recipe.batch_size)
        if key not in self._settled:
            found = settled(recipe, foundation.prepared, self._manifest, cache_folder())
            self._settled[key] = {"precision": foundation.precision, "training_precision": found.training_precision}
        return recipe.model_copy(update=self._settled[key])

    def run(self, recipe: Recipe, manifest: Manifest) -> Outcome:
        """Train by the recipe on a split manifest. The result is that of `convlens train` with the same recipe."""
        fitting = self.fitting(recipe, manifest)
        start = time.perf_counter()
        model, history = in_stages(fitting, silent)
        seconds = time.perf_counter() - start
        val = fitting.examples("val", augment=False)
        trained = sum(parameter.numel() for parameter in model.parameters.values())
        return Outcome.of(
            manifest,
            predict_logits(model, val),
            val.labels,
            history=history,
            seconds=seconds,
            trained_parameters=trained,
        )

    def run_at_once(self, recipes: Sequence[Recipe]) -> list[Outcome | None]:
        """Train recipes of one `family`, each on its usual split; None for those that are to train alone, by `run`."""
        first, *others = recipes
        if not others:
            return [None]
        return trained_at_once(self.fitting(first, self.divided(first)), recipes)

    def fitting(self, recipe: Recipe, manifest: Manifest) -> Fitting:
        """Everything that training by the recipe starts from."""
        foundation = self._foundation(recipe)
        recipe = self.settled(recipe)
        prepared = foundation.prepared_for(recipe)
        features = with_views(foundation.features, prepared, manifest, recipe, self._progress)
        return Fitting(prepared=prepared, features=features, manifest=manifest, recipe=recipe)

    @property
    def counts(self) -> FeatureCounts:
        """What the frozen layers of all networks had to do, views apart."""
        passes = [foundation.features for foundation in self._foundations.values()]
        images = [one.sha256 for one in self._manifest.without(passes[0].problems).images]
        computed = sum(one.computed for one in passes)
        return FeatureCounts(
            computed=computed,
            reused=len(images) * len(passes) - computed,
            decoded=sum(one.decoded for one in passes),
            bytes_per_image=passes[0].table.rows(images[:1]).bytes_per_image,
        )

    @property
    def frozen_unchanged(self) -> bool:
        """Whether every frozen parameter and buffer of every network is bit-equal to what it was."""
        return all(foundation.unchanged() for foundation in self._foundations.values())

    def _foundation(self, recipe: Recipe) -> _Foundation:
        key = _what_decides(recipe)
        if key not in self._foundations:
            self._foundations[key] = self._built(recipe)
        return self._foundations[key]

    def _built(self, recipe: Recipe) -> _Foundation:
        plain = recipe.model_copy(update={"dropout": 0.0, "batch_norm": False})
        plain = plain.model_copy(update={"head": "own" if recipe.head == "own" else "linear"})
        network = built_name(recipe.backbone, recipe.size, recipe.pooling)
        say_license(recipe, self._say)
        rehearse(network, len(self._manifest.classes), recipe.size, self._say)
        prepared = prepare(plain, len(self._manifest.classes), self._progress)
        precision = settled(plain, prepared, self._manifest, cache_folder()).precision
        store = cache_folder() / "store"
        features = extract_features(
            prepared.cut.prefix, self._manifest, prepared.preprocessing, precision, store, self._progress
        )
        usable = usable_images(self._manifest, features)
        return _Foundation(
            prepared=prepared.for_classes(len(usable.classes), plain), features=features, precision=precision
        )


def _what_decides(recipe: Recipe) -> tuple[object, ...]:
    """What two recipes must have in common to share a network and its features."""
    indifferent = {
        "epochs": recipe.progressive_resizing == 1,
        "seed": recipe.weights != RANDOM,
        "head": recipe.head != "own",
    }
    return tuple(None if indifferent.get(name) else getattr(recipe, name) for name in affecting("features"))
