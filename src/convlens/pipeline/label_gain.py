"""Label gain: whether it helps to learn from corrected labels, and what a blind review of them came to."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from convlens.core.audit import BlindReview, Gain, Rate
from convlens.core.intervals import newcombe_interval, wilson_interval
from convlens.pipeline.judged_labels import UNLABELED, Judged
from convlens.training.significance import paired_difference
from convlens.transfer.ridge import ridge_classifier


def gain(
    found: Judged, suspects: Sequence[int], controls: Sequence[int], corrected: Mapping[str, str], table: str
) -> Gain:
    """What corrected labels are worth to a classifier that learns from them, on labels that stay as they are.

    `suspects` and `controls` are places of images that were reviewed blind; `corrected` are labels by file, of a table
    of that name. Labels of the sealed side are evaluated on; where there is none, each image is by a classifier that
    was not trained on it.
    """
    numbers = {name: number for number, name in enumerate(found.classes)}
    named = [
        next((corrected[one.file] for one in found.copies[image.sha256] if one.file in corrected), None)
        for image in found.images
    ]
    labels = torch.tensor([UNLABELED if name is None else numbers.get(name, UNLABELED) for name in named])
    learned = found.folds > 0
    dropped = learned & (labels == UNLABELED)
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
        blind=_review(found, suspects, controls, labels),
    )


def _right(found: Judged, labels: Tensor, evaluated: Tensor) -> dict[str, float]:
    """Whether the given label of each image is predicted, by its file, where `labels` are learned."""
    right: dict[str, float] = {}
    for number in [0] if found.side else range(1, int(found.folds.max()) + 1):
        learned = (found.folds > 0) & (found.folds != number) & (labels != UNLABELED)
        head = ridge_classifier(found.vectors[learned], labels[learned], len(found.classes))
        held_out = evaluated & (found.folds == number)
        predicted = head.logits(found.vectors[held_out]).argmax(1)
        places = held_out.nonzero().flatten().tolist()
        for place, is_right in zip(places, (predicted == found.labels[held_out]).tolist(), strict=True):
            right[found.images[place].file] = float(is_right)
    return right


def _mean(right: Mapping[str, float]) -> float:
    return sum(right.values()) / len(right)


def _review(found: Judged, suspects: Sequence[int], controls: Sequence[int], labels: Tensor) -> BlindReview | None:
    if not controls:
        return None
    one, other = _rate(found, suspects, labels), _rate(found, controls, labels)
    return BlindReview(
        suspects=one,
        controls=other,
        difference=one.changed / one.images - other.changed / other.images,
        interval=newcombe_interval((one.changed, one.images), (other.changed, other.images)),
    )


def _rate(found: Judged, places: Sequence[int], labels: Tensor) -> Rate:
    changed = sum(int(labels[place] != found.labels[place]) for place in places)
    return Rate(images=len(places), changed=changed, interval=wilson_interval(changed, len(places)))
