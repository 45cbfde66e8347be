"""A confusion matrix in the forms that a page shows: shares, most confused pairs, blocks of classes."""

import dataclasses
import heapq
from collections.abc import Sequence

Confusion = Sequence[Sequence[int]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConfusedPair:
    """`images` of class `true` were predicted as class `predicted`: the fraction `share` of all images of `true`."""

    true: str
    predicted: str
    images: int
    share: float


def row_shares(confusion: Confusion) -> list[list[float]]:
    """Each entry as a share of its row; a class without images has zeros."""
    totals = [sum(row) or 1 for row in confusion]
    return [[value / total for value in row] for row, total in zip(confusion, totals, strict=True)]


def most_confused(confusion: Confusion, classes: Sequence[str], limit: int) -> list[ConfusedPair]:
    """At most `limit` pairs of true and predicted class, the most images first, then the largest share."""
    totals = [sum(row) for row in confusion]
    wrong = (
        (value, value / totals[i], -i, -j)
        for i, row in enumerate(confusion)
        for j, value in enumerate(row)
        if value and i != j
    )
    return [
        ConfusedPair(true=classes[-i], predicted=classes[-j], images=value, share=share)
        for value, share, i, j in heapq.nlargest(limit, wrong)
    ]


def classes_per_block(num_classes: int, max_blocks: int) -> int:
    """How many neighboring classes share a block when at most `max_blocks` blocks are drawn."""
    return -(-num_classes // max_blocks)


def pooled(confusion: Confusion, block: int) -> list[list[int]]:
    """The confusion matrix between blocks of `block` neighboring classes; the last block may be smaller."""
    starts = range(0, len(confusion), block)
    rows = [[sum(column) for column in zip(*confusion[start : start + block], strict=True)] for start in starts]
    return [[sum(row[start : start + block]) for start in starts] for row in rows]
