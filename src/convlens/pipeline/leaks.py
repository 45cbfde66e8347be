"""Leaks: images of the evaluated side that the training side tells about, and the accuracy that hangs on them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.core.intervals import wilson_interval
from convlens.core.leaks import Accuracy, Leak, LeakKind, Leaks
from convlens.data.crops import LEAST_CORRELATION, best_crop
from convlens.data.file_facts import FileFacts
from convlens.data.manifest import ImageFile, Manifest
from convlens.data.perceptual_hash import matches
from convlens.embeddings.nearest import nearest
from convlens.pipeline.embedding import Embedded
from convlens.transfer.ridge import ridge_classifier

_CANDIDATES = 3
"""Of the most similar training images that are looked at for a crop."""
_LEAST_SIMILARITY = 0.45
"""Cosine to look for a crop at; of 120 crops and their originals all but 4 had it."""


def leaks_of(manifest: Manifest, embedded: Embedded, facts: Mapping[str, FileFacts]) -> Leaks | None:
    """The leaks of a split that the folder or table has; None where it has none.

    The side for testing is looked at, or else the one for validation. `facts` are by file.
    """
    sides = {image.side for image in manifest.images}
    side = next((one for one in ("test", "val") if one in sides), None)
    trained = [image for image in manifest.images if image.side not in ("val", "test")]
    if side is None or not trained:
        return None
    evaluated = [image for image in manifest.images if image.side == side]
    found: dict[str, Leak] = {}
    for leak in _all(evaluated, trained, embedded, facts):
        found.setdefault(leak.file, leak)
    leaks = [found[image.file] for image in evaluated if image.file in found]
    right = _right(evaluated, trained, embedded) if leaks else {}
    return Leaks(
        side="test" if side == "test" else "val",
        images=len(evaluated),
        trained_on=len(trained),
        leaks=leaks,
        with_leaks=_accuracy([*right.values()]),
        without_leaks=_accuracy([is_right for file, is_right in right.items() if file not in found]),
    )


def _all(
    evaluated: Sequence[ImageFile], trained: Sequence[ImageFile], embedded: Embedded, facts: Mapping[str, FileFacts]
) -> Iterator[Leak]:
    """Of every kind, one kind after the other."""
    yield from _same("same-bytes", evaluated, trained, {one.file: one.sha256 for one in (*evaluated, *trained)})
    known = {image.sha256: place for place, image in enumerate(embedded.images)}
    ones, others = ([one for one in side if one.sha256 in known] for side in (evaluated, trained))
    asked, there = (embedded.facts.signatures([one.sha256 for one in side]) for side in (ones, others))
    for mirrored in (False, True):
        for one, place in zip(ones, matches(asked, there, mirrored=mirrored), strict=True):
            if place is not None:
                yield Leak(file=one.file, kind="mirrored" if mirrored else "alike", like=others[place].file)
    yield from _cropped(ones, others, embedded, known)
    yield from _same("group", evaluated, trained, {one.file: one.group for one in (*evaluated, *trained)})
    minutes = {file: f"{one.camera} {one.minute}" for file, one in facts.items() if one.camera and one.minute}
    yield from _same("minute", evaluated, trained, minutes)


def _same(
    kind: LeakKind, evaluated: Sequence[ImageFile], trained: Sequence[ImageFile], values: Mapping[str, str]
) -> Iterator[Leak]:
    """Images of which a value is that of one to train on; "" is the value of none."""
    first: dict[str, str] = {}
    for one in trained:
        first.setdefault(values.get(one.file, ""), one.file)
    for one in evaluated:
        value = values.get(one.file, "")
        if value and value in first:
            yield Leak(file=one.file, kind=kind, like=first[value])


def _cropped(
    ones: Sequence[ImageFile], others: Sequence[ImageFile], embedded: Embedded, known: Mapping[str, int]
) -> Iterator[Leak]:
    """Images of which the most similar ones to train on are a part, or the reverse."""
    vectors = F.normalize(embedded.vectors, dim=1)
    asked, there = ([known[one.sha256] for one in side] for side in (ones, others))
    if not asked or not there:
        return
    places, similarities = nearest(vectors[asked], vectors[there], _CANDIDATES)
    pairs = [
        (one, others[place])
        for one, row, cosines in zip(ones, places.tolist(), similarities.tolist(), strict=True)
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


def _right(evaluated: Sequence[ImageFile], trained: Sequence[ImageFile], embedded: Embedded) -> dict[str, bool]:
    """Whether each evaluated image that could be read is right, by a ridge classifier of the training side."""
    known = {image.sha256: place for place, image in enumerate(embedded.images)}
    ones, others = ([one for one in side if one.sha256 in known] for side in (evaluated, trained))
    names = sorted({one.labels for one in others})
    numbers = {name: number for number, name in enumerate(names)}
    vectors = embedded.vectors[[known[one.sha256] for one in others]]
    weight, bias = ridge_classifier(vectors, torch.tensor([numbers[one.labels] for one in others]), len(names))
    logits: Tensor = embedded.vectors[[known[one.sha256] for one in ones]].double() @ weight.T + bias
    return {one.file: names[number] == one.labels for one, number in zip(ones, logits.argmax(1).tolist(), strict=True)}


def _accuracy(right: Sequence[bool]) -> Accuracy | None:
    if not right:
        return None
    correct = sum(right)
    return Accuracy(images=len(right), accuracy=correct / len(right), interval=wilson_interval(correct, len(right)))
