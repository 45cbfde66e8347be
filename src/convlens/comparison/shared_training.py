"""Shared training: many short trainings on the same images, which share networks, features and captured graphs."""

import dataclasses
import time
from collections.abc import Sequence
from typing import NamedTuple

from convlens.backbones.rehearse import rehearse
from convlens.backbones.resolve import RANDOM
from convlens.backbones.timm_networks import built_name
from convlens.comparison.outcome import Outcome
from convlens.comparison.side_by_side import trained_at_once
from convlens.comparison.trials import Trial
from convlens.core.cache_layout import STORE
from convlens.core.comparison import BackboneCost
from convlens.core.files import cache_folder
from convlens.core.kinds.kind import Labels
from convlens.core.kinds.measure import Measure
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.run import FeatureCounts
from convlens.core.seeds import derived_seed
from convlens.data.manifest import ImageFile, Manifest
from convlens.data.splits import Pairs, most_folds
from convlens.pipeline.augmented_copies import with_views
from convlens.pipeline.fit import Fitting, in_stages
from convlens.pipeline.notices import say_license
from convlens.pipeline.precision import settled
from convlens.pipeline.prepare import Prepared, feature_note, prepare
from convlens.pipeline.split import divided, likeness, refuse_nothing_to_judge, usable_images
from convlens.pipeline.validate import refuse_unfit_head
from convlens.training.loop import predict_logits
from convlens.training.recipe import Recipe, affecting
from convlens.transfer.prefix import ExtractedFeatures, extract_features
from convlens.transfer.prefix_cost import prefix_cost, prefix_pace

_SAMPLE = 64
"""Images on which the pace of a network is measured."""


class _Network(NamedTuple):
    """A network for the images of a manifest, with the number format of its features."""

    prepared: Prepared
    precision: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Foundation:
    """A network with its features, which is never trained itself."""

    prepared: Prepared
    features: ExtractedFeatures
    precision: str
    """Number format of the features."""
    seconds: float
    """For which their extraction took; next to nothing where they were stored."""

    def prepared_for(self, recipe: Recipe) -> Prepared:
        """The network as `prepare` would give it for the recipe, with trained parameters of its own."""
        return self.prepared.copied().with_head(recipe.head_form, derived_seed(recipe.seed, "head"))

    def unchanged(self) -> bool:
        """Whether all that is frozen is as it was."""
        return self.prepared.cut.frozen_digest() == self.prepared.frozen_before


class SharedTraining:
    """Trains recipes in trials on the images of one manifest; what they share is computed once."""

    def __init__(
        self, manifest: Manifest, progress: Progress, say: Say = unsaid, *, trials: Sequence[Trial] = ()
    ) -> None:
        self._manifest = manifest
        self._trials = trials
        self._progress, self._say = progress, say
        self._validated: dict[tuple[object, ...], list[Labels]] = {}
        self._pairs: dict[tuple[str, ...], Pairs] = {}
        self._networks: dict[tuple[object, ...], _Network] = {}
        self._foundations: dict[tuple[object, ...], _Foundation] = {}
        self._divided: dict[tuple[object, ...], Manifest] = {}
        self._settled: dict[tuple[object, ...], dict[str, str]] = {}

    @property
    def measure(self) -> Measure:
        """What recipes are compared by."""
        return self._manifest.kind.measure

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
        refuse_nothing_to_judge(self._divided[key])
        return self._divided[key]

    def validated(self, recipe: Recipe) -> list[Labels]:
        """The labels of all images that some trial validates on, each once; without trials, the recipe's own split."""
        seeded = [trial.seeded(recipe) for trial in self._trials] or [recipe]
        key = tuple((one.seed, one.fold, one.split, one.val_fraction) for one in seeded)
        if key not in self._validated:
            features = self._foundation(recipe).features
            usable = usable_images(self._manifest, features)
            splits = [divided(usable, one, lambda: self._alike(usable, features)) for one in seeded]
            found = {image.sha256: image.labels for split in splits for image in split.side("val")}
            self._validated[key] = list(found.values())
        return self._validated[key]

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

    def run(self, recipe: Recipe, manifest: Manifest, progress: Progress = silent) -> Outcome:
        """Train by the recipe on a split manifest. The result is that of `convlens train` with the same recipe."""
        fitting = self.fitting(recipe, manifest)
        start = time.perf_counter()
        model, history = in_stages(fitting, progress)
        seconds = time.perf_counter() - start
        val = fitting.examples("val", augment=False)
        trained = sum(parameter.numel() for parameter in model.parameters.values())
        return Outcome.of(
            fitting,
            predict_logits(model, val),
            val.labels,
            validated=self.validated(recipe),
            history=history,
            seconds=seconds,
            trained_parameters=trained,
        )

    def run_at_once(self, recipes: Sequence[Recipe]) -> list[Outcome | None]:
        """Train recipes of one `family`, each on its usual split; None for those that are to train alone, by `run`."""
        first, *others = recipes
        if not others:
            return [None]
        return trained_at_once(self.fitting(first, self.divided(first)), recipes, self.validated(first))

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

    def most_folds(self, recipe: Recipe) -> int:
        """The largest number of folds that the images can be divided into."""
        features = self._foundation(recipe).features
        usable = usable_images(self._manifest, features)
        return most_folds(usable, self._alike(usable, features))

    def seconds_per_image(self, recipe: Recipe) -> float:
        """About how long the frozen layers take for an image, measured on a few; 0 where their features are stored."""
        network = self._network(recipe)
        start = time.perf_counter()
        sample = self._extracted(network, dataclasses.replace(self._manifest, images=_sample(self._manifest.images)))
        return (time.perf_counter() - start) / sample.computed if sample.computed else 0.0

    def backbone_cost(self, recipe: Recipe) -> BackboneCost:
        """What the frozen layers of the recipe's network cost; how fast they are is measured now, on a few images."""
        foundation = self._foundation(recipe)
        features, prepared = foundation.features, foundation.prepared
        images = usable_images(self._manifest, features).images
        prefix, extracted = prepared.cut.prefix, features.computed >= len(images)
        counted = prefix_cost(prefix)
        pace = prefix_pace(prefix, _sample(images), prepared.preprocessing, foundation.precision)
        estimated = pace.extract_seconds(len(images)) if pace else None
        return BackboneCost(
            backbone=recipe.backbone,
            size=recipe.size,
            precision=foundation.precision,
            parameters=counted.total.parameters,
            multiply_adds=counted.total.multiply_adds,
            uncounted=list(counted.unsupported),
            images_per_second=pace.images_per_second if pace else None,
            sample=pace.images if pace else 0,
            extract_seconds=foundation.seconds if extracted else estimated,
            extract_measured=extracted,
            images=len(images),
            bytes_per_image=features.table.rows([images[0].sha256]).bytes_per_image,
        )

    def _foundation(self, recipe: Recipe) -> _Foundation:
        key = _what_decides(recipe)
        if key not in self._foundations:
            network = self._network(recipe)
            start = time.perf_counter()
            features = self._extracted(network, self._manifest)
            seconds = time.perf_counter() - start
            classes = len(usable_images(self._manifest, features).classes)
            self._foundations[key] = _Foundation(
                prepared=network.prepared.for_classes(classes, _plain(recipe)),
                features=features,
                precision=network.precision,
                seconds=seconds,
            )
        return self._foundations[key]

    def _network(self, recipe: Recipe) -> _Network:
        key, plain = _what_decides(recipe), _plain(recipe)
        if key not in self._networks:
            say_license(recipe, self._say)
            name = built_name(recipe.backbone, recipe.size, recipe.pooling)
            rehearse(name, len(self._manifest.classes), recipe.size, self._say)
            prepared = prepare(plain, len(self._manifest.classes), self._progress, self._say)
            refuse_unfit_head(self._manifest.task, prepared.module.get_submodule(prepared.cut.head), recipe.backbone)
            precision = settled(plain, prepared, self._manifest, cache_folder()).precision
            self._networks[key] = _Network(prepared, precision)
        return self._networks[key]

    def _extracted(self, network: _Network, manifest: Manifest) -> ExtractedFeatures:
        prepared, store = network.prepared, cache_folder() / STORE
        return extract_features(
            prepared.cut.prefix,
            manifest,
            prepared.preprocessing,
            network.precision,
            store,
            self._progress,
            note=feature_note(prepared),
        )


def _sample(images: Sequence[ImageFile]) -> tuple[ImageFile, ...]:
    """A few of the images, from all over the folder."""
    return tuple(images[:: -(-len(images) // _SAMPLE)])


def _plain(recipe: Recipe) -> Recipe:
    """The recipe with the head that foundations have, from which those of all recipes are made."""
    head = "own" if recipe.head == "own" else "linear"
    return recipe.model_copy(update={"dropout": 0.0, "batch_norm": False, "head": head})


def _what_decides(recipe: Recipe) -> tuple[object, ...]:
    """What two recipes must have in common to share a network and its features."""
    indifferent = {
        "epochs": recipe.progressive_resizing == 1,
        "seed": recipe.weights != RANDOM,
        "head": recipe.head != "own",
    }
    return tuple(None if indifferent.get(name) else getattr(recipe, name) for name in affecting("features"))
