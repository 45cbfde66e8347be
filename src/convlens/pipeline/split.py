"""Divide: which images are for training and which for judging, as a recipe says."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from convlens.backbones.resolve import whole_name
from convlens.core.errors import DataError, UsageError
from convlens.core.kinds.kind import Kind
from convlens.core.progress import Say
from convlens.core.settings import setting
from convlens.data.image_metadata import ImageMetadataStore
from convlens.data.layout import Layout
from convlens.data.manifest import ImageFile, Manifest
from convlens.data.neighbors import connected
from convlens.data.perceptual_hash import alike
from convlens.data.split_file import split_given_back
from convlens.data.splits import Pairs, fold, split_images
from convlens.pipeline.layout import asked_layout
from convlens.training.recipe import Recipe
from convlens.transfer.prefix import ExtractedFeatures

_NAMED = 5
_OR_GIVE = "or give some to validate on: in a folder val/, or with val in a column split of a table of labels."
_LEAST_SCENE = 10
"""Images: of few ones half may well be copies."""


def layout_of(recipe: Recipe) -> Layout:
    """Where the classes and groups come from. Raises UsageError as `asked_layout` does."""
    asked = asked_layout(
        recipe.labels or None,
        file_column=recipe.file_column,
        task=recipe.task,
        label_columns=recipe.label_columns,
        nested=recipe.nested,
        predefined_split=recipe.predefined_split,
    )
    return dataclasses.replace(asked, group_by=recipe.group_by)


def with_whole_paths(recipe: Recipe) -> Recipe:
    """The recipe with the files that it names as absolute paths, so that it means the same anywhere.

    Raises UsageError where it asks for a saved split and for a fold.
    """
    if recipe.split and recipe.fold:
        raise UsageError(
            f"{setting('split', recipe.split)} and {setting('fold', recipe.fold)} exclude each other; leave one of "
            "them out."
        )
    files = {name: getattr(recipe, name) for name in ("labels", "split")}
    whole = {name: str(Path(file).expanduser().absolute()) for name, file in files.items() if file}
    return recipe.model_copy(update={**whole, "weights": whole_name(recipe.weights)})


def usable_images(manifest: Manifest, features: ExtractedFeatures) -> Manifest:
    """The images that could be decoded, of the classes that have some left."""
    return manifest.without(features.problems).with_usable_classes()


def divided(manifest: Manifest, recipe: Recipe, alike_pairs: Callable[[], Pairs]) -> Manifest:
    """The manifest with a side for every image. Those that look alike never stand on both sides.

    `alike_pairs` gives what `likeness` found; it is asked only where something is to be divided. Raises UsageError for
    a split file or a fold that there is not, DataError for one that does not fit the images.
    """
    if recipe.split:
        manifest = split_given_back(manifest, Path(recipe.split))
    elif not recipe.fold and all(image.side for image in manifest.images):
        return manifest
    pairs = alike_pairs()
    if recipe.fold:
        number, count = map(int, recipe.fold.split("/"))
        return fold(manifest, number, count, recipe.seed, pairs)
    return split_images(manifest, recipe.val_fraction, recipe.seed, pairs)


def refuse_nothing_to_judge(manifest: Manifest) -> None:
    """Raises DataError, with the reason, where no image of a divided manifest is left for validation."""
    if manifest.side("val"):
        return
    kind, trained = manifest.kind, manifest.side("train")
    if manifest.unlearned:
        why = (
            f"those to validate on are of {_some(manifest.unlearned)}, and those to train on are of "
            f"{_some(manifest.classes)}. Give the classes the same names on both sides."
        )
    elif kind.strata(trained[0].labels) and not any(n > 1 for n in _numbers(trained, kind).values()):
        why = (
            f"each {kind.noun[0]} has one usable image only, which is trained on, so nothing is left to hold out. Add "
            f"images, at least two of each, {_OR_GIVE}"
        )
    else:
        why = (
            f"within each {kind.noun[0]} the usable images, {len(trained)} in all, look alike or are of one group, and "
            f"such are not parted. Add different images, {_OR_GIVE}"
        )
    raise DataError(f"{manifest.folder}: there is no image to validate on: {why}")


def _numbers(images: Sequence[ImageFile], kind: Kind) -> Counter[str]:
    return Counter(name for image in images for name in kind.strata(image.labels))


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + rest


def likeness(manifest: Manifest, facts: ImageMetadataStore, warn: Say) -> Pairs:
    """Pairs of images, by their places, that look alike and are to stay on one side.

    Where over half of all images are connected so, they are of one scene (a production line, a camera that does not
    move), and looking alike says nothing of them: there are no pairs then, and a warning.
    """
    pairs = list(alike(facts.signatures([image.sha256 for image in manifest.images])))
    groups = Counter(connected(len(manifest.images), pairs))
    ((_, largest),) = groups.most_common(1) or [(0, 0)]
    if largest * 2 <= len(manifest.images) or largest < _LEAST_SCENE:
        return pairs
    warn(
        f"{largest} of {len(manifest.images)} images look alike, as if of one scene; they are split all the same. If "
        "some are frames of one video, or copies, set group_by, or give a table with a column for groups."
    )
    return ()
