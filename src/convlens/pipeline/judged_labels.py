"""Judged labels: what networks say of images that they were not trained on, and which labels are likely wrong."""

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.core.errors import DataError
from convlens.core.kinds.kind import text_of
from convlens.core.progress import Say
from convlens.data.image_metadata import ImageMetadataStore
from convlens.data.manifest import ImageFile, Manifest
from convlens.data.splits import fold, most_folds, units_by_class
from convlens.pipeline.embedding import Embedded
from convlens.pipeline.split import likeness
from convlens.transfer.ridge import held_out_logits, ridge_classifier
from convlens.trust.label_errors import label_errors

UNLABELED = -1
"""Instead of the number of a class."""
_FOLDS = 5
_LEAST_UNITS = 3
"""Different images (or groups) of a class, to hold some of them out and still know the class."""
SealedSide = Literal["val", "test"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """N different images of K classes, each with what a network says of it that was not trained on it."""

    images: tuple[ImageFile, ...]
    """One of each content; the others are its copies."""
    copies: Mapping[str, Sequence[ImageFile]]
    """All images of each content, by hash."""
    classes: tuple[str, ...]
    labels: Tensor
    """Class numbers of shape (N,); -1 where the same bytes stand under several labels."""
    vectors: Tensor
    """Of shape (N, D)."""
    probabilities: Tensor
    """Of shape (N, K), float64."""
    folds: Tensor
    """Of shape (N,): the fold that an image is in; 0 for images that no network is trained on."""
    side: SealedSide | None
    """The one that is sealed."""
    not_judged: tuple[str, ...]
    """Classes with too few images."""
    seed: int

    @functools.cached_property
    def labeled(self) -> Tensor:
        """Which images have one label."""
        return self.labels != UNLABELED

    @functools.cached_property
    def sealed(self) -> Tensor:
        """Which images are of the sealed side."""
        return torch.tensor([self.side is not None and image.side == self.side for image in self.images])

    @functools.cached_property
    def suspect(self) -> Tensor:
        """Which labels are likely wrong. Labels of the sealed side have no say in what is said of others."""
        found = torch.zeros(len(self.images), dtype=torch.bool)
        for sealed in (True, False):
            within = self.labeled if sealed else self.labeled & ~self.sealed
            chosen = within & (self.sealed == sealed)
            if chosen.any():
                errors = torch.zeros_like(found)
                errors[within] = label_errors(self.probabilities[within], self.labels[within])
                found |= errors & chosen
        return found

    @functools.cached_property
    def suggested(self) -> Tensor:
        """The most probable class of each image, (N,)."""
        return self.probabilities.argmax(1)

    @functools.cached_property
    def units(self) -> Tensor:
        """The vectors at length 1, whose products are cosines."""
        return F.normalize(self.vectors, dim=1)

    def name(self, number: int) -> str:
        """Of a class."""
        return self.classes[number]


def judged(manifest: Manifest, embedded: Embedded, seed: int, say: Say) -> Judged:
    """What networks say of images that they were not trained on: linear ones on features, a network for each fold.

    Images of one group and those that look alike are in one fold. The sealed side is in none, nor is what looks like
    an image of it: the side for testing, or else the one for validation, where the folder or table has one. Raises
    DataError where fewer than two classes have enough images.
    """
    copies: defaultdict[str, list[ImageFile]] = defaultdict(list)
    for image in manifest.images:
        copies[image.sha256].append(image)
    side = _sealed_side(manifest)
    divided = _without_sides(manifest, embedded.images, copies, side)
    kept, not_judged, folds = _folded(divided, embedded.facts, seed, say)
    classes = tuple(name for name in manifest.classes if name not in not_judged)
    images = tuple(embedded.images[place] for place in kept)
    numbers = {name: number for number, name in enumerate(classes)}
    labels = torch.tensor(
        [UNLABELED if contradicts(copies[one.sha256]) else numbers[text_of(one.labels)] for one in images]
    )
    vectors = embedded.vectors[kept]
    return Judged(
        images=images,
        copies=copies,
        classes=classes,
        labels=labels,
        vectors=vectors,
        probabilities=_probabilities(vectors, labels, len(classes), folds),
        folds=folds,
        side=side,
        not_judged=not_judged,
        seed=seed,
    )


def _sealed_side(manifest: Manifest) -> SealedSide | None:
    sides = {image.side for image in manifest.images}
    if not sides & {"train", None}:
        return None
    return "test" if "test" in sides else "val" if "val" in sides else None


def contradicts(copies: Sequence[ImageFile]) -> bool:
    """Whether images of the same bytes have different labels."""
    return len({image.labels for image in copies}) > 1


def _without_sides(
    manifest: Manifest, images: Sequence[ImageFile], copies: Mapping[str, Sequence[ImageFile]], side: SealedSide | None
) -> Manifest:
    """The images, on the side for testing where nothing is to be trained on them."""
    apart = {one.sha256 for one in images if (side and one.side == side) or contradicts(copies[one.sha256])}
    sided = (dataclasses.replace(one, side="test" if one.sha256 in apart else None) for one in images)
    return dataclasses.replace(manifest, images=tuple(sided))


def _folded(
    manifest: Manifest, facts: ImageMetadataStore, seed: int, say: Say
) -> tuple[list[int], tuple[str, ...], Tensor]:
    """The places of images of classes that have enough, the names of the other classes, and the folds."""
    pairs = likeness(manifest, facts, say)
    units = units_by_class(manifest, pairs)
    too_few = tuple(name for name in manifest.classes if units[name] < _LEAST_UNITS)
    kept = [place for place, one in enumerate(manifest.images) if text_of(one.labels) not in too_few]
    if len(manifest.classes) - len(too_few) < 2:
        raise DataError(
            f"{manifest.folder}: labels can be judged where at least two classes have {_LEAST_UNITS} images each that "
            f"do not look alike; too few have {', '.join(map(repr, too_few[:_FOLDS]))}. Add images."
        )
    if too_few:
        manifest = dataclasses.replace(manifest, images=tuple(manifest.images[place] for place in kept))
        pairs = likeness(manifest, facts, say)
    count = min(_FOLDS, most_folds(manifest, pairs))
    folds = torch.zeros(len(kept), dtype=torch.int64)
    for number in range(1, count + 1):
        sides = fold(manifest, number, count, seed, pairs).images
        folds[torch.tensor([one.side == "val" for one in sides])] = number
    return kept, too_few, folds


def _probabilities(vectors: Tensor, labels: Tensor, classes: int, folds: Tensor) -> Tensor:
    logits = torch.empty(len(labels), classes, dtype=torch.float64)
    folded = folds > 0
    logits[folded] = held_out_logits(vectors[folded], labels[folded], classes, folds[folded])
    if (~folded).any():
        logits[~folded] = ridge_classifier(vectors[folded], labels[folded], classes).logits(vectors[~folded])
    return logits.softmax(1)
