"""Views: features of randomly changed images, drawn once and kept beside those of the plain ones."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from convlens.core.cache import FeatureNote
from convlens.core.preprocessing import Preprocessing
from convlens.core.progress import Progress
from convlens.core.seeds import derived_seed
from convlens.data.augment import Augmentation
from convlens.data.batches import decoded_batches
from convlens.data.manifest import ImageFile
from convlens.graph.graph import Graph
from convlens.graph.identity import prefix_digest
from convlens.transfer.features import FeatureTable, feature_key
from convlens.transfer.precision import missing_kernels_named, number_format
from convlens.transfer.prefix import BATCH_SIZE, FastPrefix


def extract_augmented_copies(
    prefix: Graph,
    images: Sequence[ImageFile],
    preprocessing: Preprocessing,
    precision: str,
    augmentation: Augmentation,
    *,
    count: int,
    root: Path,
    progress: Progress,
    note: FeatureNote | None = None,
) -> tuple[FeatureTable, ...]:
    """One table for each of `count` views, with every image's features; those that the store at `root` has stay.

    An image's view follows from its bytes and the view's number alone, so that other images that come or go change
    nothing, and all seeds of a comparison share it; the seed of a run decides which view is learned from when. An image
    is decoded once for all of its views.
    """
    dtype, digest = number_format(precision), prefix_digest(prefix)
    keys = [feature_key(preprocessing, digest, dtype, _name(k, augmentation)) for k in range(1, count + 1)]
    tables = tuple(
        FeatureTable(root, key, note and note.model_copy(update={"augmented_copy": number}))
        for number, key in enumerate(keys, start=1)
    )
    missing = [image for image in images if any(image.sha256 not in table for table in tables)]
    if not missing:
        return tables
    fast = FastPrefix(prefix, dtype)
    whole = preprocessing.model_copy(update={"size": preprocessing.resize})
    with torch.inference_mode(), missing_kernels_named(precision), progress("views", len(missing) * count) as advance:
        for batch in decoded_batches(missing, whole, BATCH_SIZE):
            hashes = [image.sha256 for image in batch.images]
            for number, table in enumerate(tables, start=1):
                if new := [row for row, sha256 in enumerate(hashes) if sha256 not in table]:
                    chosen = [hashes[row] for row in new]
                    inputs = _drawn(batch.pixels[new], chosen, number, augmentation, preprocessing)
                    table.add(chosen, fast(inputs))
                advance(len(hashes))
    return tables


def _name(number: int, augmentation: Augmentation) -> str:
    return json.dumps([number, dataclasses.asdict(augmentation)], sort_keys=True)


def _drawn(
    pixels: Tensor,
    hashes: Sequence[str],
    number: int,
    augmentation: Augmentation,
    preprocessing: Preprocessing,
) -> Tensor:
    """Network input (N, 3, size, size) of one view, each image from a seed of its own."""
    drawn = []
    with torch.random.fork_rng():
        for row, sha256 in enumerate(hashes):
            torch.manual_seed(derived_seed(number, f"view of {sha256}"))
            drawn.append(augmentation(pixels[row : row + 1], preprocessing))
    return torch.cat(drawn).contiguous(memory_format=torch.channels_last)
