"""Leaks: images of the evaluated side that the training side tells about, and the accuracy that hangs on them."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F

from convlens.core.intervals import wilson_interval
from convlens.core.kinds.kind import text_of
from convlens.core.leaks import Accuracy, Leak, LeakKind, Leaks
from convlens.data.crops import LEAST_CORRELATION, best_crop
from convlens.data.file_facts import FileFacts
from convlens.data.manifest import ImageFile, Manifest
from convlens.data.perceptual_hash import matches
from convlens.embeddings.nearest import nearest
from convlens.pipeline.embedding import Embedded
from convlens.pipeline.judged_labels import SealedSide
from convlens.transfer.ridge import ridge_classifier

_CANDIDATES = 3
"""Of the most similar training images that are looked at for a crop."""
_LEAST_SIMILARITY = 0.45
"""Cosine to look for a crop at; of 120 crops and their originals all but 4 had it."""


class _Side(NamedTuple):
    """Images of a side, and of those that could be read which they are."""

    images: Sequence[ImageFile]
    read: Sequence[ImageFile]
    places: Sequence[int]
    """Of those that could be read, among the embedded images."""

    @classmethod
    def of(cls, images: Sequence[ImageFile], embedded: Embedded) -> Self:
        places = {image.sha256: place for place, image in enumerate(embedded.images)}
        read = [image for image in images if image.sha256 in places]
        return cls(images, read, [places[image.sha256] for image in read])


def leaks_of(
    manifest: Manifest,
    side: SealedSide | None,
    embedded: Embedded,
    facts: Mapping[str, FileFacts],
    predicted: Mapping[str, str] | None = None,
    predictions: str = "",
) -> Leaks | None:
    """What images to train on tell about those of the evaluated side; None where there is no such side.

    `facts` are by file, and so are the classes that a table of the name `predictions` says were predicted; without it
    a classifier on the features predicts.
    """
    if side is None:
        return None
    evaluated = _Side.of(manifest.side(side), embedded)
    trained = _Side.of([image for image in manifest.images if image.side not in ("val", "test")], embedded)
    found: dict[str, Leak] = {}
    for leak in _all(evaluated, trained, embedded, facts):
        found.setdefault(leak.file, leak)
    leaks = [found[image.file] for image in evaluated.images if image.file in found]
    right: dict[str, bool] = {}
    if leaks and predicted is not None:
        answered = (image for image in evaluated.images if image.file in predicted)
        right = {image.file: predicted[image.file] == text_of(image.labels) for image in answered}
    elif leaks:
        right = _right(evaluated, trained, embedded)
    return Leaks(
        side=side,
        images=len(evaluated.images),
        trained_on=len(trained.images),
        leaks=leaks,
        predictions=predictions,
        with_leaks=_accuracy([*right.values()]),
        without_leaks=_accuracy([is_right for file, is_right in right.items() if file not in found]),
    )


def _all(evaluated: _Side, trained: _Side, embedded: Embedded, facts: Mapping[str, FileFacts]) -> Iterator[Leak]:
    """Of every kind, one kind after the other."""
    yield from _same("same-bytes", evaluated, trained, lambda image: image.sha256)
    asked, there = (embedded.facts.signatures([one.sha256 for one in side.read]) for side in (evaluated, trained))
    for mirrored in (False, True):
        for one, place in zip(evaluated.read, matches(asked, there, mirrored=mirrored), strict=True):
            if place is not None:
                like = trained.read[place].file
                yield Leak(file=one.file, kind="mirrored" if mirrored else "alike", like=like)
    yield from _cropped(evaluated, trained, embedded)
    yield from _same("group", evaluated, trained, lambda image: image.group)
    moments = {file: f"{one.camera} {one.minute}" for file, one in facts.items() if one.camera and one.minute}
    yield from _same("minute", evaluated, trained, lambda image: moments.get(image.file, ""))


def _same(kind: LeakKind, evaluated: _Side, trained: _Side, value_of: Callable[[ImageFile], str]) -> Iterator[Leak]:
    """Images of which a value is that of one to train on; "" is the value of none."""
    first: dict[str, str] = {}
    for one in trained.images:
        first.setdefault(value_of(one), one.file)
    for one in evaluated.images:
        value = value_of(one)
        if value and value in first:
            yield Leak(file=one.file, kind=kind, like=first[value])


def _cropped(evaluated: _Side, trained: _Side, embedded: Embedded) -> Iterator[Leak]:
    """Images of which the most similar ones to train on are a part, or the reverse."""
    if not evaluated.read or not trained.read:
        return
    known = F.normalize(embedded.vectors[trained.places], dim=1)
    places, similarities = nearest(embedded.vectors[evaluated.places], known, _CANDIDATES)
    pairs = [
        (one, trained.read[place])
        for one, row, cosines in zip(evaluated.read, places.tolist(), similarities.tolist(), strict=True)
        for place, cosine in zip(row, cosines, strict=True)
        if cosine >= _LEAST_SIMILARITY
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (one, other), is_part in zip(pairs, pool.map(lambda pair: _is_part(pair, embedded), pairs), strict=True):
            if is_part:
                yield Leak(file=one.file, kind="cropped", like=other.file)


def _is_part(pair: tuple[ImageFile, ImageFile], embedded: Embedded) -> bool:
    one, other = (embedded.facts.thumbnail(image.sha256) for image in pair)
    return best_crop(one, other) >= LEAST_CORRELATION or best_crop(other, one) >= LEAST_CORRELATION


def _right(evaluated: _Side, trained: _Side, embedded: Embedded) -> dict[str, bool]:
    """Whether each evaluated image that could be read is right, by a ridge classifier of the training side."""
    names = sorted({one.labels for one in trained.read})
    numbers = {name: number for number, name in enumerate(names)}
    labels = torch.tensor([numbers[one.labels] for one in trained.read])
    head = ridge_classifier(embedded.vectors[trained.places], labels, len(names))
    found = head.logits(embedded.vectors[evaluated.places]).argmax(1).tolist()
    return {one.file: names[number] == one.labels for one, number in zip(evaluated.read, found, strict=True)}


def _accuracy(right: Sequence[bool]) -> Accuracy | None:
    if not right:
        return None
    correct = sum(right)
    return Accuracy(images=len(right), accuracy=correct / len(right), interval=wilson_interval(correct, len(right)))
