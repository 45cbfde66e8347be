"""Similar: the images of a folder that a network sees most like another image."""

import time
from pathlib import Path

import torch.nn.functional as F

from convlens.core.embedding import LikeImage, SimilarRecord
from convlens.core.errors import DataError, UsageError
from convlens.core.files import refuse_unwritable
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.settings import setting
from convlens.data.scan import named_from, unlabeled_images
from convlens.embeddings.nearest import nearest
from convlens.pipeline.embedding import BEFORE_THE_HEAD, embedder_of
from convlens.report.similar_page import write_similar_page


def similar(
    image: str | Path,
    folder: str | Path,
    *,
    count: int = 10,
    backbone: str | Path = "efficientnet_lite0",
    weights: str | Path | None = None,
    size: int | None = None,
    layer: str = BEFORE_THE_HEAD,
    html: str | Path | None = None,
    progress: Progress = silent,
    say: Say = unsaid,
) -> SimilarRecord:
    """The `count` images of a folder most like an image, by the cosine of what a network makes of them.

    The search is exact. `backbone`, `weights`, `size` and `layer` are as in `embed`; `html` is a page to be written,
    with thumbnails. Features come from the store that training fills: a second search runs the network for new images
    only.

    Raises UsageError for paths that do not exist, unknown names and a count below 1, DataError where the image, or none
    of the folder, can be read.
    """
    start = time.perf_counter()
    if count < 1:
        raise UsageError(f"{setting('count', count)}: give a number of images, at least 1.")
    if Path(image).expanduser().is_dir():
        raise UsageError(f"{image} is a folder. Give one image, and then the folder to search.")
    if html is not None:
        refuse_unwritable("html", html, "similar.html")
    embedder = embedder_of(backbone, weights=weights, size=size, layer=layer, progress=progress, say=say)
    asked, unread = unlabeled_images([image])
    if unread:
        raise DataError(f"{unread[0].file}: {unread[0].detail}. Give another image.")
    query = embedder.of(asked, progress)
    images, problems = unlabeled_images([folder])
    if not images:
        raise DataError(f"no image in {folder}. Give a folder of images.")
    found = embedder.of(images, progress)
    places, similarities = nearest(query.vectors, F.normalize(found.vectors, dim=1), count)
    chosen = named_from(folder, [found.images[place] for place in places[0].tolist()])
    record = SimilarRecord(
        image=query.images[0].file,
        folder=str(folder),
        network=embedder.named,
        layer=layer,
        searched=len(found.images),
        similar=[
            LikeImage(file=one.file, similarity=similarity, same_bytes=one.sha256 == query.images[0].sha256)
            for one, similarity in zip(chosen, similarities[0].tolist(), strict=True)
        ],
        bad_files=[*problems, *found.problems],
        seconds=time.perf_counter() - start,
    )
    if html is not None:
        thumbnails = [found.facts.thumbnail(one.sha256) for one in chosen]
        write_similar_page(record, query.facts.thumbnail(query.images[0].sha256), thumbnails, Path(html).expanduser())
    return record
