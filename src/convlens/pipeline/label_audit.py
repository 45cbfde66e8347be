"""Audit of labels: what follows from judged labels, in records."""

import dataclasses
import random
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from convlens.core.audit import Blind, ClassNoise, Contradiction, LabelAudit, Neighbor, Sealed, Suspect
from convlens.core.kinds.kind import text_of
from convlens.pipeline.judged_labels import Judged, contradicts
from convlens.pipeline.label_gain import gain
from convlens.trust.label_errors import confident_joint, estimated_joint, quality

_NEIGHBORS = 2
_AT_ONCE = 256
"""Images whose similarities to all others are in memory at once."""
_MOST_WITH_NEIGHBORS = 1000
"""Suspects that come with similar images, and as many doubts: nobody looks at more."""
_MOST_BLIND = 200
"""Suspects of the sealed side that are reviewed; with as many controls, they tell the rates to a few points."""


def label_audit(found: Judged, corrected: Mapping[str, str] | None = None, table: str = "") -> LabelAudit:
    """The record. `corrected` are the labels of a corrected table, by file, and `table` is its name."""
    labeled, suspect = found.labeled, found.suspect
    probabilities, labels = found.probabilities[labeled], found.labels[labeled]
    joint = estimated_joint(confident_joint(probabilities, labels), labels)
    blind = _blind(found)
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
        gain=None if corrected is None else gain(found, blind.suspects, blind.controls, corrected, table),
    )


def _suspects(found: Judged, suspect: Tensor) -> list[Suspect]:
    places = suspect.nonzero().flatten()
    order = quality(found.probabilities[places], found.labels[places]).argsort(stable=True)
    places = places[order]
    first = places[:_MOST_WITH_NEIGHBORS]
    further: list[list[Neighbor]] = [[] for _ in places[_MOST_WITH_NEIGHBORS:]]
    agreeing = [*_nearest(found, first, found.labels[first]), *further]
    disagreeing = [*_nearest(found, first, found.suggested[first]), *further]
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
    nearest: list[list[Neighbor]] = []
    for some, wanted in zip(torch.split(places, _AT_ONCE), torch.split(classes, _AT_ONCE), strict=True):
        similar = found.units[some] @ found.units.T
        similar[(found.labels != wanted[:, None]) | found.sealed] = -torch.inf
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
    """All of them, with a suggestion where the image was judged and is not of the sealed side."""
    places = {image.sha256: place for place, image in enumerate(found.images)}
    for sha256, files in found.copies.items():
        if not contradicts(files):
            continue
        names = [text_of(one.labels) for one in files]
        place = places.get(sha256)
        known = [] if place is None else sorted({*names} & {*found.classes})
        numbers = [found.classes.index(name) for name in known]
        nearest = _nearest(found, torch.tensor([place] * len(known), dtype=torch.int64), torch.tensor(numbers))
        probabilities = {
            name: float(found.probabilities[place, number]) for name, number in zip(known, numbers, strict=True)
        }
        sealed = any(one.side is not None and one.side == found.side for one in files)
        best = None if sealed else max(known, key=lambda name: probabilities[name], default=None)
        yield Contradiction(
            files=[one.file for one in files],
            labels=names,
            suggested=best,
            suggested_probability=None if best is None else probabilities[best],
            nearest=dict(zip(known, nearest, strict=True)),
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


def _blind(found: Judged) -> _BlindImages:
    """Suspects, and as many images that are not suspect, as far as there are; the seed says which."""
    sealed = found.sealed & found.labeled
    draw = random.Random(found.seed)

    def drawn(wanted: Tensor, most: int) -> list[int]:
        places = sorted(wanted.nonzero().flatten().tolist(), key=lambda place: found.images[place].sha256)
        return draw.sample(places, min(most, len(places)))

    suspects = drawn(sealed & found.suspect, _MOST_BLIND)
    return _BlindImages(suspects=suspects, controls=drawn(sealed & ~found.suspect, len(suspects)))


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
