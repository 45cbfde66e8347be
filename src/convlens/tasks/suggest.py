"""Suggest: which unlabeled images are worth a label, by what a run is unsure of and how unlike each other they are."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from convlens.core.bundle import Bundle
from convlens.core.errors import DataError, UsageError
from convlens.core.files import refuse_unwritable
from convlens.core.kinds.kind import ranked
from convlens.core.kinds.registry import KINDS
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.settings import setting
from convlens.core.suggestion import SuggestedImage, SuggestionRecord
from convlens.data.decode import THUMBNAIL_SIDE, thumbnail_from
from convlens.data.manifest import ImageFile, one_of_each
from convlens.data.scan import named_from, unlabeled_images
from convlens.data.split_file import SPLIT_FILE, read_split
from convlens.pipeline.embedding import embedder_of
from convlens.pipeline.trained import is_run, refuse_swapped
from convlens.report.suggest_page import write_suggest_page
from convlens.training.task import Task
from convlens.training.tasks import task_of
from convlens.trust.suggestion import suggested

_LIKELIEST = 9
"""Classes that have a key on the page."""
_PAGE_SIDE = 320
"""Of an image on the page, in pixels: 100 of them are two megabytes."""
_MOST_LARGE = 200
"""Images on the page that have that side; where there are more, all are as small as other thumbnails."""


def suggest(
    run: str | Path,
    folder: str | Path,
    *,
    count: int = 50,
    html: str | Path | None = None,
    progress: Progress = silent,
    say: Say = unsaid,
) -> SuggestionRecord:
    """The images of a folder that a run would learn most from, `count` of them, in the order in which they were chosen.

    `folder` is searched for images; those that the run was trained or validated on are left out, and of images with the
    same bytes one is taken. `trust.suggestion` says how they are chosen. `html` is a page to be written, on which they
    are labeled by keys, without a network; it gives a table that `extend` and `train` take as `labels`. Features of the
    images are stored: the next call, with a run that has learned more, computes nothing twice.

    Raises UsageError for what is no run on classes, DataError where no image is left to choose.
    """
    refuse_swapped(run, folder)
    _refuse_wrong(run, Path(folder).expanduser(), count)
    if html is not None:
        refuse_unwritable("html", html, "label.html")
    source = Path(run).expanduser()
    embedder = embedder_of(run, progress=progress, say=say)
    assert embedder.bundle is not None, "it is a run"
    task = _task(run, embedder.bundle)
    files, problems = unlabeled_images([folder])
    known = read_split(source / SPLIT_FILE).keys()
    images = named_from(folder, one_of_each([one for one in files if one.sha256 not in known]))
    if not images:
        raise DataError(
            f"{folder}: none of {len(files)} files is an image that {run} does not have already. Give a folder with "
            "unlabeled images."
        )
    found = embedder.of(images, progress)
    assert found.outputs is not None, "it is a run"
    answers = task.answers(found.outputs)
    chosen = suggested(answers, found.vectors, count).tolist()
    record = SuggestionRecord(
        run=str(run),
        folder=str(folder),
        classes=list(task.names),
        images=len(found.images),
        known=sum(one.sha256 in known for one in files),
        computed=found.computed,
        suggestions=[_suggestion(found.images[place], answers[place], task) for place in chosen],
        bad_files=[*problems, *found.problems],
    )
    if html is not None:
        _write_page(record, [found.images[place] for place in chosen], Path(html).expanduser())
    return record


def _refuse_wrong(run: str | Path, folder: Path, count: int) -> None:
    if not is_run(run):
        raise UsageError(
            f"{run} is the name of a network, and only a run knows what it is unsure of. Train one on the images that "
            f"have labels ({setting('backbone', str(run))}), and name that."
        )
    if count < 1:
        raise UsageError(f"{setting('count', count)}: give a number of images, 1 or more.")
    if not folder.is_dir():
        raise UsageError(f"no such folder: {folder}. Give a folder of unlabeled images.")


def _task(run: str | Path, bundle: Bundle) -> Task:
    if not KINDS[bundle.task].exclusive:
        raise UsageError(
            f"{run} has learned {KINDS[bundle.task].holds}, and images are suggested for one class each alone."
        )
    return task_of(bundle)


def _suggestion(image: ImageFile, answer: Tensor, task: Task) -> SuggestedImage:
    likeliest = ranked(task.probabilities(answer.tolist()))[:_LIKELIEST]
    return SuggestedImage(file=image.file, sha256=image.sha256, likeliest=dict(likeliest))


def _write_page(record: SuggestionRecord, images: Sequence[ImageFile], path: Path) -> None:
    side = _PAGE_SIDE if len(images) <= _MOST_LARGE else THUMBNAIL_SIDE

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        drawn = pool.map(lambda image: thumbnail_from(image.path.read_bytes(), side), images)
        jpegs = dict(zip((one.file for one in images), drawn, strict=True))
    write_suggest_page(record, jpegs, path)
