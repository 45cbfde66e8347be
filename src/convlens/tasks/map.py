"""Map: the images of a folder as a plane on one page, near where a network sees them alike."""

import io
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from convlens.core.embedding import MapGroup, MapRecord
from convlens.core.errors import DataError, UsageError, unknown_name
from convlens.core.files import refuse_unwritable
from convlens.core.kinds.kind import text_of
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.settings import setting
from convlens.data.image_metadata import ImageMetadataStore
from convlens.data.manifest import ImageFile
from convlens.embeddings.plane import METHODS, groups, plane
from convlens.pipeline.embedding import BEFORE_THE_HEAD, embedder_of
from convlens.pipeline.to_embed import images_to_embed
from convlens.report.map_page import CELL, MapPoint, columns_of, write_map_page

MOST_SHOWN = 2000
_CENTRAL = 8
_LEAST_IMAGES = 3


def map_images(
    folder: str | Path,
    *,
    out: str | Path = "map.html",
    backbone: str | Path = "efficientnet_lite0",
    weights: str | Path | None = None,
    size: int | None = None,
    layer: str = BEFORE_THE_HEAD,
    method: str = "tsne",
    clusters: int | None = None,
    progress: Progress = silent,
    say: Say = unsaid,
) -> MapRecord:
    """Write a page with the images of a folder, near where a network sees them alike; it works offline.

    `method` is "tsne" or "pca". Images are colored by their class where the folder has classes, else by groups that
    k-means finds, as many as `clusters` says or as fit best; with `clusters` classes are not looked at. Of more than
    2000 images as many are shown, evenly over the folder. `backbone` to `layer` are as in `embed`.

    Raises UsageError for unknown names and numbers that make no sense, DataError where fewer than three images can be
    read.
    """
    start = time.perf_counter()
    chosen = next((one for one in METHODS if one == method), None)
    if chosen is None:
        raise unknown_name("method", method, METHODS)
    path = Path(out).expanduser()
    refuse_unwritable("out", path, "map.html")
    embedder = embedder_of(backbone, weights=weights, size=size, layer=layer, progress=progress, say=say)
    images, problems, labeled = images_to_embed(folder, progress, say)
    embedded = embedder.of(images, progress)
    if len(embedded.images) < _LEAST_IMAGES:
        raise DataError(
            f"{folder} has {len(embedded.images)} images that can be read, and a map takes {_LEAST_IMAGES}. Add images."
        )
    kept = _evenly(len(embedded.images))
    shown, vectors = [embedded.images[place] for place in kept], embedded.vectors[kept]
    if clusters is not None and not 2 <= clusters < len(shown):
        raise UsageError(f"{setting('clusters', clusters)}: give a number from 2 to {len(shown) - 1}.")
    with progress("map", 1) as advance:
        flat = plane(vectors, chosen)
        by_class = labeled and clusters is None
        if by_class:
            names = sorted({text_of(one.labels) for one in shown})
            numbers = [names.index(text_of(one.labels)) for one in shown]
            members = [[place for place, one in enumerate(numbers) if one == group] for group in range(len(names))]
        else:
            found = groups(vectors, clusters)
            numbers, members = found.numbers, found.central
            names = [f"group {group + 1}" for group in range(len(members))]
        advance(1)
    record = MapRecord(
        page=str(path),
        folder=str(folder),
        network=embedder.named,
        layer=layer,
        images=len(embedded.images),
        shown=len(shown),
        method=chosen,
        trustworthiness=flat.trustworthiness,
        by_class=by_class,
        groups=[
            MapGroup(name=name, images=len(places), central=[shown[place].file for place in places[:_CENTRAL]])
            for name, places in zip(names, members, strict=True)
        ],
        bad_files=[*problems, *embedded.problems],
        seconds=time.perf_counter() - start,
    )
    points = [
        MapPoint(x=x, y=y, group=group, file=one.file)
        for (x, y), group, one in zip(flat.points.tolist(), numbers, shown, strict=True)
    ]
    write_map_page(record, points, _sheet(shown, embedded.facts), path)
    return record


def _evenly(count: int) -> list[int]:
    shown = min(count, MOST_SHOWN)
    return [place * count // shown for place in range(shown)]


def _sheet(images: Sequence[ImageFile], facts: ImageMetadataStore) -> bytes:
    """All images small, row by row in a square, as one JPEG."""
    columns = columns_of(len(images))
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * CELL, rows * CELL), (128, 128, 128))
    for place, one in enumerate(images):
        with Image.open(io.BytesIO(facts.thumbnail(one.sha256))) as image:
            image.thumbnail((CELL, CELL))
            row, column = divmod(place, columns)
            left, top = (CELL - image.width) // 2, (CELL - image.height) // 2
            sheet.paste(image, (column * CELL + left, row * CELL + top))
    encoded = io.BytesIO()
    sheet.save(encoded, "JPEG", quality=80)
    return encoded.getvalue()
