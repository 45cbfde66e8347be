"""Views: the features of augmented images beside those of the plain ones, for the images that are trained on."""

import dataclasses

from convlens.core.cache_layout import STORE
from convlens.core.files import cache_folder
from convlens.core.progress import Progress
from convlens.data.augment import Augmentation
from convlens.data.manifest import Manifest
from convlens.pipeline.prepare import Prepared, feature_note
from convlens.training.recipe import Recipe
from convlens.transfer.augmented_copies import extract_augmented_copies
from convlens.transfer.prefix import ExtractedFeatures


def with_views(
    features: ExtractedFeatures, prepared: Prepared, manifest: Manifest, recipe: Recipe, progress: Progress
) -> ExtractedFeatures:
    """The features with as many views of each training image as the recipe wants, computed where they are missing."""
    prefix = prepared.cut.prefix
    if not recipe.augmented_copies or not prefix.operators:
        return features
    views = extract_augmented_copies(
        prefix,
        manifest.side("train"),
        prepared.preprocessing,
        recipe.precision,
        Augmentation(crop_area=recipe.crop_area, color=recipe.color, erasing=recipe.erasing),
        count=recipe.augmented_copies,
        root=cache_folder() / STORE,
        progress=progress,
        note=feature_note(prepared),
    )
    return dataclasses.replace(features, augmented_copies=views)
