"""Embed: what a network makes of each image of a folder, as a file of vectors."""

import time
from collections.abc import Sequence
from pathlib import Path

from convlens.core.embedding import EmbeddingRecord
from convlens.core.files import disk_errors_named, refuse_unwritable
from convlens.core.kinds.kind import text_of
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.embeddings.vector_file import FILE, LABEL, refuse_unwritable_vectors, write_vectors
from convlens.pipeline.embedding import BEFORE_THE_HEAD, embedder_of
from convlens.pipeline.to_embed import images_to_embed


def embed(
    folder: str | Path,
    *,
    out: str | Path,
    backbone: str | Path = "efficientnet_lite0",
    weights: str | Path | None = None,
    size: int | None = None,
    layer: str = BEFORE_THE_HEAD,
    progress: Progress = silent,
    say: Say = unsaid,
) -> EmbeddingRecord:
    """Write a vector for each image of a folder: what the last layer of a network reads, or another layer gives.

    `backbone` is a run folder, or a network by its name with `weights` and `size` as in `train`; `layer` is a module's
    path as `inspect` shows it, of whose maps the means over all places are taken. `out` ends in .csv (columns file,
    label, f0, f1, ...), .parquet (file, label, vector) or .npy (the array, with a CSV of files and labels beside it).
    Labels are those that `train` would learn; where the folder has none, the file has no such column, and `say`
    receives why. Features come from the store that training fills, and stay in it.

    Raises UsageError for unknown names, another ending and a file that exists, DataError where no image can be read,
    MachineError where the file cannot be written.
    """
    start = time.perf_counter()
    path = Path(out).expanduser()
    refuse_unwritable("out", path, "features.csv")
    refuse_unwritable_vectors(path)
    embedder = embedder_of(backbone, weights=weights, size=size, layer=layer, progress=progress, say=say)
    images, problems, labeled = images_to_embed(folder, progress, say)
    found = embedder.of(images, progress)
    columns: dict[str, Sequence[str]] = {FILE: [image.file for image in found.images]}
    if labeled:
        columns[LABEL] = [text_of(image.labels) for image in found.images]
    with disk_errors_named(path):
        written = write_vectors(path, columns, found.vectors.numpy())
    return EmbeddingRecord(
        files=[str(one) for one in written],
        network=embedder.named,
        layer=layer,
        images=len(found.images),
        dimensions=found.vectors.shape[1],
        columns=[*columns],
        computed=found.computed,
        bad_files=[*problems, *found.problems],
        seconds=time.perf_counter() - start,
    )
