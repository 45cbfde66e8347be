"""Neighbors: every pair of many vectors that point the same way, found without comparing all of them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
Vectors = NDArray[np.float32]
VectorsAt = Callable[[Places], Vectors]
"""Gives the unit vectors (n, d) of the items at n places; asked for some at a time, so that not all need be held."""

_FEW_DIRECTIONS = 20
_SAMPLE = 4096
_PROJECTED_AT_ONCE = 4096
_ROWS_AT_ONCE = 512
_COLUMNS_AT_ONCE = 8192
_JUDGED_AT_ONCE = 2**15
_ROUNDING = 1e-4


def close_pairs(
    vectors_at: VectorsAt,
    count: int,
    least_cosine: float,
    wanted: Callable[[Places, Places], NDArray[np.bool_]] | None = None,
) -> Iterator[tuple[Places, Places]]:
    """All pairs of `count` items whose cosine is at least `least_cosine`, some at a time: the ones and the others.

    With `wanted` only those of which it says so, asked again each time.

    None is missed: what two unit vectors differ by along some directions is at most what they differ by at all. So only
    neighbors along the main direction are compared, and these along a few directions first. `_FEW_DIRECTIONS` numbers
    are held of each item.
    """
    if count < 2:
        return
    points = _projected(vectors_at, count)
    order = points[:, 0].argsort(kind="stable")
    reach = (2 - 2 * least_cosine) ** 0.5 + _ROUNDING
    for rows, columns in _near(points[order], reach):
        for start in range(0, len(rows), _JUDGED_AT_ONCE):
            part = slice(start, start + _JUDGED_AT_ONCE)
            ones, others = order[rows[part]], order[columns[part]]
            if wanted is not None:
                chosen = wanted(ones, others)
                ones, others = ones[chosen], others[chosen]
            if not len(ones):
                continue
            close = np.einsum("nd,nd->n", vectors_at(ones), vectors_at(others)) >= least_cosine
            yield ones[close], others[close]


class Groups:
    """Items that are connected by pairs, as the pairs become known."""

    def __init__(self, count: int) -> None:
        self.firsts: Places = np.arange(count)
        """For each item the least one that it is connected with, itself if with none."""

    def apart(self, ones: Places, others: Places) -> NDArray[np.bool_]:
        """For each pair, whether the two are not connected yet."""
        separate: NDArray[np.bool_] = self.firsts[ones] != self.firsts[others]
        return separate

    def join(self, ones: Places, others: Places) -> None:
        """Connect the two of each pair."""
        while (apart := self.apart(ones, others)).any():
            ones, others = ones[apart], others[apart]
            one, other = self.firsts[ones], self.firsts[others]
            np.minimum.at(self.firsts, np.maximum(one, other), np.minimum(one, other))
            while not np.array_equal(further := self.firsts[self.firsts], self.firsts):
                self.firsts = further


def connected(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """For each of `count` items the least item that it is connected with by pairs, itself if by none."""
    groups = Groups(count)
    groups.join(*np.array(pairs, dtype=np.int64).reshape(-1, 2).T)
    firsts: list[int] = groups.firsts.tolist()
    return firsts


def _projected(vectors_at: VectorsAt, count: int) -> Vectors:
    """All vectors along the principal directions of some of them, main one first: any directions are right, these are
    quick."""
    some = vectors_at(np.arange(0, count, max(1, count // _SAMPLE)))
    _, directions = np.linalg.eigh(some.T @ some)
    main = np.ascontiguousarray(directions[:, ::-1][:, :_FEW_DIRECTIONS], dtype=np.float32)
    points = np.empty((count, main.shape[1]), np.float32)
    for start in range(0, count, _PROJECTED_AT_ONCE):
        places = np.arange(start, min(start + _PROJECTED_AT_ONCE, count))
        points[places] = vectors_at(places) @ main
    return points


def _near(points: Vectors, reach: float) -> Iterator[tuple[Places, Places]]:
    """Pairs of rows, the first before the second, within `reach`; the rows are sorted by their first value."""
    squares = (points**2).sum(1, keepdims=True)
    ones = np.ones_like(squares)
    # |x - y|² as one product of matrices: (2x, -|x|², -1) · (y, 1, |y|²) is its negative.
    left = np.concatenate([2 * points, -squares, -ones], axis=1)
    right = np.concatenate([points, ones, squares], axis=1).T.copy()
    for start in range(0, len(points), _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, len(points))
        end = int(np.searchsorted(points[:, 0], points[stop - 1, 0] + reach, side="right"))
        for first in range(start, end, _COLUMNS_AT_ONCE):
            last = min(first + _COLUMNS_AT_ONCE, end)
            near = left[start:stop] @ right[:, first:last] >= -(reach**2)
            rows, columns = np.divmod(np.flatnonzero(near), last - first)
            after = first + columns > start + rows
            yield start + rows[after], first + columns[after]
