"""Signatures: a few bytes by which the same picture is known again in another size, format or quality.

A signature is the picture shrunk to 9 x 9 places, as luma and two colour differences. Two pictures are alike when the
slopes of their luma point the same way and their colours agree; slopes, because brightness says little of what is
shown. Of 396 photographs of ants and bees, each against itself at half the size and JPEG quality 40, the cosine between
slopes was never below 0.994; between different ones never above 0.72.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 9
SIGNATURE_BYTES = SIDE * SIDE * 3
LEAST_COSINE = 0.97
_MOST_COLOUR_DIFFERENCE = 8.0
"""Mean over the places, in 8-bit levels."""
_LEAST_SLOPE = 2.0
"""Root mean square, in 8-bit levels: what is flatter than this has nothing to be known by."""
_REACH = (2 - 2 * LEAST_COSINE) ** 0.5 + 1e-4
"""How far apart unit vectors of that cosine are, and a little for rounding."""
_FEW_DIRECTIONS = 20
_BLOCK = 512

Signature = NDArray[np.uint8]


def signature(rgb: Image.Image) -> bytes:
    """The signature of an RGB picture: luma and colour differences of SIDE x SIDE places."""
    return rgb.resize((SIDE, SIDE), Image.Resampling.BOX).convert("YCbCr").tobytes()


def alike(signatures: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Every pair (i, j), i < j, of signatures that look alike; empty signatures are like none.

    None is missed: slopes are unit vectors, and what two of them differ by along some directions is at most what they
    differ by at all. So only neighbours along the main direction are compared, and these along a few directions first.
    """
    there = np.array([place for place, one in enumerate(signatures) if one], dtype=np.int64)
    if not len(there):
        return
    grids = np.frombuffer(b"".join(signatures), np.uint8).reshape(-1, SIDE, SIDE, 3)
    slopes, steep = _slopes(grids[..., 0])
    projected = slopes @ _main_directions(slopes[steep])
    order = np.flatnonzero(steep)[np.argsort(projected[steep, 0], kind="stable")]
    for row, column in _near(projected[order]):
        one, other = order[row], order[column]
        if slopes[one] @ slopes[other] >= LEAST_COSINE and _same_colours(grids[one], grids[other]):
            yield min(int(there[one]), int(there[other])), max(int(there[one]), int(there[other]))


def _near(points: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Pairs of rows, the first before the second, within `_REACH`; the rows are sorted by their first value."""
    squares = (points**2).sum(1, keepdims=True)
    ones = np.ones_like(squares)
    # |x - y|² as one product of matrices: (2x, -|x|², -1) · (y, 1, |y|²) is its negative.
    left = np.concatenate([2 * points, -squares, -ones], axis=1)
    right = np.concatenate([points, ones, squares], axis=1).T.copy()
    for start in range(0, len(points), _BLOCK):
        stop = min(start + _BLOCK, len(points))
        end = int(np.searchsorted(points[:, 0], points[stop - 1, 0] + _REACH, side="right"))
        near = left[start:stop] @ right[:, start:end] >= -(_REACH**2)
        for place in np.flatnonzero(near):
            row, column = divmod(int(place), end - start)
            if row < column:
                yield start + row, start + column


def components(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `count` items the least item that it is connected with by pairs, itself if by none."""
    parents = list(range(count))

    def root(item: int) -> int:
        while parents[item] != item:
            parents[item] = parents[parents[item]]
            item = parents[item]
        return item

    for one, other in pairs:
        one, other = root(one), root(other)
        parents[max(one, other)] = min(one, other)
    return [root(item) for item in range(count)]


def _slopes(luma: Signature) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Unit vectors of the differences between neighbouring places (N, 144), and which are steep enough."""
    values = luma.astype(np.float32)
    parts = [np.diff(values, axis=axis).reshape(len(values), -1) for axis in (1, 2)]
    slopes = np.concatenate(parts, axis=1)
    norms = np.linalg.norm(slopes, axis=1, keepdims=True)
    return slopes / np.maximum(norms, 1e-6), norms[:, 0] >= _LEAST_SLOPE * np.sqrt(slopes.shape[1])


def _main_directions(slopes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The principal directions (144, few), main one first, of some of the slopes: any are right, these are quick."""
    some = slopes[:: max(1, len(slopes) // 4096)]
    _, vectors = np.linalg.eigh(some.T @ some)
    directions: NDArray[np.float32] = vectors[:, ::-1][:, :_FEW_DIRECTIONS]
    return directions


def _same_colours(one: Signature, other: Signature) -> bool:
    difference = np.abs(one[..., 1:].astype(np.int16) - other[..., 1:])
    return bool(difference.mean() <= _MOST_COLOUR_DIFFERENCE)
