"""Audit of labels: each image judged by a network that was not trained on it, and what follows from that."""

import dataclasses
import functools
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.core.audit import (
    Blind,
    BlindReview,
    ClassNoise,
    Contradiction,
    Gain,
    LabelAudit,
    Neighbor,
    Rate,
    Sealed,
    Suspect,
)
from convlens.core.errors import DataError
from convlens.core.intervals import newcombe_interval, wilson_interval
from convlens.core.kinds.kind import text_of
from convlens.core.progress import Say
from convlens.data.image_metadata import ImageMetadataStore
from convlens.data.manifest import ImageFile, Manifest
from convlens.data.splits import fold, most_folds, units_by_class
from convlens.pipeline.embedding import Embedded
from convlens.pipeline.split import likeness
from convlens.training.significance import paired_difference
from convlens.transfer.ridge import held_out_logits, ridge_classifier
from convlens.trust.label_errors import confident_joint, estimated_joint, label_errors, quality

_FOLDS = 5
_LEAST_UNITS = 3
"""Different images (or groups) of a class, to hold some of them out and still know the class."""
_NEIGHBORS = 2
_AT_ONCE = 256
"""Images whose similarities to all others are in memory at once."""
_MOST_BLIND = 200
"""Suspects of the sealed side that are reviewed; with as many controls, they tell the rates to a few points."""
_UNLABELED = -1
_RANK = {"test": 0, "val": 1, "train": 2, None: 2}
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
        return self.labels != _UNLABELED

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
    divided, kept, not_judged, folds = _folded(divided, embedded.facts, seed, say)
    classes = tuple(name for name in manifest.classes if name not in not_judged)
    images = tuple(embedded.images[place] for place in kept)
    numbers = {name: number for number, name in enumerate(classes)}
    labels = torch.tensor(
        [_UNLABELED if _contradicts(copies[one.sha256]) else numbers[text_of(one.labels)] for one in images]
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


def one_of_each(images: Sequence[ImageFile]) -> list[ImageFile]:
    """The first image of each content; one on a side for evaluation before others."""
    found: dict[str, ImageFile] = {}
    for image in images:
        if image.sha256 not in found or _RANK[image.side] < _RANK[found[image.sha256].side]:
            found[image.sha256] = image
    return list(found.values())


def _sealed_side(manifest: Manifest) -> SealedSide | None:
    sides = {image.side for image in manifest.images}
    if not sides & {"train", None}:
        return None
    return "test" if "test" in sides else "val" if "val" in sides else None


def _contradicts(copies: Sequence[ImageFile]) -> bool:
    return len({image.labels for image in copies}) > 1


def _without_sides(
    manifest: Manifest, images: Sequence[ImageFile], copies: Mapping[str, Sequence[ImageFile]], side: SealedSide | None
) -> Manifest:
    """The images, on the side for testing where nothing is to be trained on them."""
    apart = {one.sha256 for one in images if (side and one.side == side) or _contradicts(copies[one.sha256])}
    sided = (dataclasses.replace(one, side="test" if one.sha256 in apart else None) for one in images)
    return dataclasses.replace(manifest, images=tuple(sided))


def _folded(
    manifest: Manifest, facts: ImageMetadataStore, seed: int, say: Say
) -> tuple[Manifest, list[int], tuple[str, ...], Tensor]:
    """The images of classes that have enough, their places, the names of the other classes, and the folds."""
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
    return manifest, kept, too_few, folds


def _probabilities(vectors: Tensor, labels: Tensor, classes: int, folds: Tensor) -> Tensor:
    logits = torch.empty(len(labels), classes, dtype=torch.float64)
    folded = folds > 0
    logits[folded] = held_out_logits(vectors[folded], labels[folded], classes, folds[folded])
    if (~folded).any():
        weight, bias = ridge_classifier(vectors[folded], labels[folded], classes)
        logits[~folded] = vectors[~folded].double() @ weight.T + bias
    return logits.softmax(1)


def label_audit(found: Judged, corrected: Mapping[str, str] | None = None, table: str = "") -> LabelAudit:
    """The record. `corrected` are the labels of a corrected table, by file, and `table` is its name."""
    labeled, suspect = found.labeled, found.suspect
    probabilities, labels = found.probabilities[labeled], found.labels[labeled]
    joint = estimated_joint(confident_joint(probabilities, labels), labels)
    blind = _blind(found, suspect)
    return LabelAudit(
        images=int(labeled.sum()),
        folds=int(found.folds.max()),
        agreement=float((probabilities.argmax(1) == labels).double().mean()),
        noise=1 - float(joint.diagonal().sum()),
        suspects=_suspects(found, suspect & ~found.sealed),
        doubts=_suspects(found, labeled & ~suspect & ~found.sealed & (found.suggested != found.labels)),
        contradictions=list(_contradictions(found)),
        classes=_class_noise(found, joint),
        not_judged=list(found.not_judged),
        sealed=_sealed(found, blind),
        gain=None if corrected is None else _gain(found, blind, corrected, table),
    )


def _suspects(found: Judged, suspect: Tensor) -> list[Suspect]:
    places = suspect.nonzero().flatten()
    order = quality(found.probabilities[places], found.labels[places]).argsort(stable=True)
    places = places[order]
    agreeing = _nearest(found, places, found.labels[places])
    disagreeing = _nearest(found, places, found.suggested[places])
    return [
        Suspect(
            file=found.images[place].file,
            copies=_copies(found, place),
            given=found.name(int(found.labels[place])),
            given_probability=float(found.probabilities[place, found.labels[place]]),
            suggested=found.name(int(found.suggested[place])),
            suggested_probability=float(found.probabilities[place].max()),
            agreeing=same,
            disagreeing=others,
        )
        for place, same, others in zip(places.tolist(), agreeing, disagreeing, strict=True)
    ]


def _copies(found: Judged, place: int) -> list[str]:
    image = found.images[place]
    return [one.file for one in found.copies[image.sha256] if one.file != image.file]


def _nearest(found: Judged, places: Tensor, classes: Tensor) -> list[list[Neighbor]]:
    """For each image the most similar ones of a class that are not sealed and not itself."""
    units = F.normalize(found.vectors, dim=1)
    apart = found.sealed
    nearest: list[list[Neighbor]] = []
    for some, wanted in zip(torch.split(places, _AT_ONCE), torch.split(classes, _AT_ONCE), strict=True):
        similar = units[some] @ units.T
        similar[(found.labels != wanted[:, None]) | apart] = -torch.inf
        similar[torch.arange(len(some)), some] = -torch.inf
        for values, indices in zip(*(part.tolist() for part in similar.topk(_NEIGHBORS)), strict=True):
            nearest.append(
                [
                    Neighbor(file=found.images[index].file, similarity=value)
                    for value, index in zip(values, indices, strict=True)
                    if value > -torch.inf
                ]
            )
    return nearest


def _contradictions(found: Judged) -> Iterator[Contradiction]:
    for place in (~found.labeled).nonzero().flatten().tolist():
        files = found.copies[found.images[place].sha256]
        names = [text_of(one.labels) for one in files]
        numbers = [found.classes.index(name) for name in sorted({*names}) if name in found.classes]
        nearest = _nearest(found, torch.tensor([place] * len(numbers), dtype=torch.int64), torch.tensor(numbers))
        best = max(numbers, key=lambda number: float(found.probabilities[place, number]), default=None)
        if any(one.side == found.side for one in files if one.side):
            best = None
        yield Contradiction(
            files=[one.file for one in files],
            labels=names,
            suggested=None if best is None else found.name(best),
            suggested_probability=None if best is None else float(found.probabilities[place, best]),
            nearest={found.name(number): near for number, near in zip(numbers, nearest, strict=True)},
        )


def _class_noise(found: Judged, joint: Tensor) -> list[ClassNoise]:
    images = found.labels[found.labeled].bincount(minlength=len(found.classes)).tolist()
    rows: list[ClassNoise] = []
    for number, name in enumerate(found.classes):
        row, column = joint[number].clone(), joint[:, number]
        own = float(row[number])
        row[number] = 0
        of_class = float(column.sum())
        rows.append(
            ClassNoise(
                name=name,
                images=images[number],
                wrong=float(row.sum()) / (float(row.sum()) + own),
                confused_with=found.name(int(row.argmax())) if row.any() else None,
                missing=1 - own / of_class,
            )
        )
    return sorted(rows, key=lambda one: -one.wrong * one.images)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _BlindImages:
    """Places of images of the sealed side that are reviewed."""

    suspects: list[int]
    controls: list[int]


def _blind(found: Judged, suspect: Tensor) -> _BlindImages:
    """Suspects, and as many images that are not suspect, as far as there are; the seed says which."""
    sealed = found.sealed & found.labeled
    draw = random.Random(found.seed)

    def drawn(wanted: Tensor, most: int) -> list[int]:
        places = sorted(wanted.nonzero().flatten().tolist(), key=lambda place: found.images[place].sha256)
        return draw.sample(places, min(most, len(places)))

    suspects = drawn(sealed & suspect, _MOST_BLIND)
    return _BlindImages(suspects=suspects, controls=drawn(sealed & ~suspect, len(suspects)))


def _sealed(found: Judged, blind: _BlindImages) -> Sealed | None:
    if found.side is None:
        return None
    draw = random.Random(found.seed)
    places = [*blind.suspects, *blind.controls]
    draw.shuffle(places)
    others = found.probabilities.clone()
    others[found.labeled] = others[found.labeled].scatter(1, found.labels[found.labeled][:, None], -1)
    pairs = [draw.sample([int(found.labels[place]), int(others[place].argmax())], 2) for place in places]
    chosen = torch.tensor(places, dtype=torch.int64)
    classes = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    nearest = [_nearest(found, chosen, classes[:, column]) for column in (0, 1)]
    return Sealed(
        side=found.side,
        images=int((found.sealed & found.labeled).sum()),
        suspects=int((found.sealed & found.suspect).sum()),
        reviewed=len(blind.suspects),
        controls=len(blind.controls),
        blind=[
            Blind(
                file=found.images[place].file,
                copies=_copies(found, place),
                classes=(found.name(pair[0]), found.name(pair[1])),
                first=first,
                second=second,
            )
            for place, pair, first, second in zip(places, pairs, *nearest, strict=True)
        ],
    )


def _gain(found: Judged, blind: _BlindImages, corrected: Mapping[str, str], table: str) -> Gain:
    """What the corrected labels are worth to a network that learns from them, on labels that stay as they are."""
    numbers = {name: number for number, name in enumerate(found.classes)}
    named = [
        next((corrected[one.file] for one in found.copies[image.sha256] if one.file in corrected), None)
        for image in found.images
    ]
    labels = torch.tensor([_UNLABELED if name is None else numbers.get(name, _UNLABELED) for name in named])
    learned = found.folds > 0
    dropped = learned & (labels == _UNLABELED)
    changed = learned & ~dropped & (labels != found.labels)
    evaluated = found.sealed & found.labeled if found.side else learned
    before, after = (_right(found, of, evaluated) for of in (found.labels, labels))
    difference = paired_difference([after], [before])
    return Gain(
        table=table,
        changed=int(changed.sum()),
        dropped=int(dropped.sum()),
        evaluated_on=found.side or "held-out",
        images=len(before),
        before=_mean(before),
        after=_mean(after),
        difference=difference.value,
        interval=difference.interval,
        p_value=difference.p_value,
        blind=_review(found, blind, labels),
    )


def _right(found: Judged, labels: Tensor, evaluated: Tensor) -> dict[str, float]:
    """Whether the given label of each image is predicted, by its file, where `labels` are learned."""
    right: dict[str, float] = {}
    for number in [0] if found.side else range(1, int(found.folds.max()) + 1):
        learned = (found.folds > 0) & (found.folds != number) & (labels != _UNLABELED)
        weight, bias = ridge_classifier(found.vectors[learned], labels[learned], len(found.classes))
        held_out = evaluated & (found.folds == number)
        predicted = (found.vectors[held_out].double() @ weight.T + bias).argmax(1)
        places = held_out.nonzero().flatten().tolist()
        for place, is_right in zip(places, (predicted == found.labels[held_out]).tolist(), strict=True):
            right[found.images[place].file] = float(is_right)
    return right


def _mean(right: Mapping[str, float]) -> float:
    return sum(right.values()) / len(right)


def _review(found: Judged, blind: _BlindImages, labels: Tensor) -> BlindReview | None:
    if not blind.controls:
        return None
    suspects, controls = _rate(found, blind.suspects, labels), _rate(found, blind.controls, labels)
    return BlindReview(
        suspects=suspects,
        controls=controls,
        difference=suspects.changed / suspects.images - controls.changed / controls.images,
        interval=newcombe_interval((suspects.changed, suspects.images), (controls.changed, controls.images)),
    )


def _rate(found: Judged, places: Sequence[int], labels: Tensor) -> Rate:
    changed = sum(int(labels[place] != found.labels[place]) for place in places)
    return Rate(images=len(places), changed=changed, interval=wilson_interval(changed, len(places)))
