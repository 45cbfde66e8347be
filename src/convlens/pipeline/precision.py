"""The number formats of a run, where the person leaves them to us: settled once, and written in the run's recipe."""

from pathlib import Path

from convlens.core.cache_layout import STORE
from convlens.data.manifest import Manifest
from convlens.graph.identity import prefix_digest
from convlens.pipeline.prepare import Prepared
from convlens.training.recipe import Recipe
from convlens.transfer.feature_index import num_stored
from convlens.transfer.features import feature_key
from convlens.transfer.precision import Precision, computes_in_bfloat16, number_format
from convlens.transfer.precision_trial import Contest, frozen_contest, remembered, trained_contest, tried

_LEAST_IMAGES = 512
"""A trial of the frozen part costs about what 72 images do, and may halve the time."""
_LEAST_STEPS = 200
"""A trial of the trained part costs about what 8 steps do."""
_BOTH: tuple[Precision, ...] = ("fp32", "bf16")


def settled(recipe: Recipe, prepared: Prepared, manifest: Manifest, cache: Path) -> Recipe:
    """The recipe with the formats of its frozen and its trained part, which it may have left open ("auto").

    The frozen part takes the format in which the store holds most of the images' features, the trained part follows a
    precision that was asked for; else both take what an earlier trial found, or a new one where the work is long enough
    to pay for it, or else float32. Whether it is long enough follows from the numbers of images and steps alone.
    """
    trained = recipe.training_precision
    if trained == "auto" and recipe.precision != "auto":
        trained = recipe.precision
    if trained == "auto":
        trained = _trained(recipe, prepared, manifest, cache)
    frozen = recipe.precision
    if frozen == "auto":
        # Where nothing is frozen this is the format of later predictions alone.
        frozen = _frozen(recipe, prepared, manifest, cache) if prepared.cut.prefix.operators else trained
    return recipe.model_copy(update={"precision": frozen, "training_precision": trained})


def _frozen(recipe: Recipe, prepared: Prepared, manifest: Manifest, cache: Path) -> Precision:
    if not computes_in_bfloat16(recipe.device):
        return "fp32"
    if recipe.device == "cuda":
        return "bf16"
    contest = frozen_contest(prepared.cut.prefix, prepared.preprocessing)
    known = remembered(contest, cache)
    stored = _stored(prepared, manifest, cache)
    if stored and known not in stored:
        return stored[0]
    return known or _tried_if_long(contest, len(manifest.images) >= _LEAST_IMAGES, cache)


def _trained(recipe: Recipe, prepared: Prepared, manifest: Manifest, cache: Path) -> Precision:
    suffix = prepared.cut.training.suffix
    convolves = any(node.operator.startswith("aten.conv") for node in suffix.operators)
    if not convolves or not computes_in_bfloat16(recipe.device):
        return "fp32"
    if recipe.device == "cuda":
        return "bf16"
    if len(manifest.images) * recipe.epochs / recipe.batch_size < _LEAST_STEPS:
        return "fp32"  # never what a longer run has found: the same command would give other weights after it
    contest = trained_contest(suffix, recipe.batch_size)
    return remembered(contest, cache) or tried(contest, cache)


def _tried_if_long(contest: Contest, is_long: bool, cache: Path) -> Precision:
    return tried(contest, cache) if is_long else "fp32"


def _stored(prepared: Prepared, manifest: Manifest, cache: Path) -> list[Precision]:
    """The formats in which the features of at least half the images are stored, that of the most first."""
    digest = prefix_digest(prepared.cut.prefix)
    images = [image.sha256 for image in manifest.images]
    keys = {one: feature_key(prepared.preprocessing, digest, number_format(one)) for one in _BOTH}
    counts = {one: num_stored(cache / STORE, key, images) for one, key in keys.items()}
    ranked = sorted(_BOTH, key=lambda precision: -counts[precision])
    return [precision for precision in ranked if 2 * counts[precision] >= len(images)]
