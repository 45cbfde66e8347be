"""Signatures: a few bytes by which the same image is known again in another size, format or quality.

A signature is the image shrunk to 9 x 9 places, as luma and two color differences. Two images are alike when the
slopes of their luma point the same way and their colors agree; slopes, because brightness says little of what is
shown. Of 396 photographs of ants and bees, each against itself at half the size and JPEG quality 40, the cosine between
slopes was never below 0.994; between different ones never above 0.72.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convlens.data.neighbors import Groups, Vectors, close_pairs

SIDE = 9
SIGNATURE_BYTES = SIDE * SIDE * 3
LEAST_COSINE = 0.97
_MOST_COLOUR_DIFFERENCE = 8.0
"""Mean over the places, in 8-bit levels."""
_LEAST_SLOPE = 2.0
"""Root mean square, in 8-bit levels: what is flatter than this has nothing to be known by."""
_AT_ONCE = 4096
_MATCHED_AT_ONCE = 512

Signature = NDArray[np.uint8]


def signature(rgb: Image.Image) -> bytes:
    """The signature of an RGB image: luma and color differences of SIDE x SIDE places."""
    return rgb.resize((SIDE, SIDE), Image.Resampling.BOX).convert("YCbCr").tobytes()


def alike(signatures: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Pairs (i, j), i < j, of signatures that look alike; empty signatures are like none.

    Not all of them, but enough to connect everything that is connected by such pairs: a thousand images of one scene
    make half a million.
    """
    there = np.array([place for place, one in enumerate(signatures) if one], dtype=np.int64)
    grids = _grids(signatures)
    known = np.flatnonzero(_steep(grids))
    groups = Groups(len(known))
    for ones, others in close_pairs(lambda at: _slopes(grids[known[at]]), len(known), LEAST_COSINE, groups.apart):
        same = _same_colors(grids[known[ones]], grids[known[others]])
        groups.join(ones[same], others[same])
        pairs = np.sort(np.stack([there[known[ones[same]]], there[known[others[same]]]], axis=1), axis=1)
        yield from map(tuple, pairs.tolist())


def matches(signatures: Sequence[bytes], known: Sequence[bytes], *, mirrored: bool = False) -> list[int | None]:
    """For each signature the place of a known one that looks like it, or like its mirror image; None for no such one.

    Of several it is the one whose slopes are most alike. Empty signatures are like none.
    """
    found: list[int | None] = [None] * len(signatures)
    there = np.array([place for place, one in enumerate(known) if one], dtype=np.int64)
    others = _grids(known)
    kept = _steep(others)
    there, others = there[kept], others[kept]
    slopes = _slopes(others)
    asked = [place for place, one in enumerate(signatures) if one]
    for start in range(0, len(asked), _MATCHED_AT_ONCE):
        places = asked[start : start + _MATCHED_AT_ONCE]
        grids = _grids([signatures[place] for place in places])
        if mirrored:
            grids = grids[:, :, ::-1]
        cosines = _slopes(grids) @ slopes.T
        cosines[~_steep(grids)] = 0
        for row, column in zip(*np.nonzero(cosines >= LEAST_COSINE), strict=True):
            before = found[places[row]]
            if _same_colors(grids[row : row + 1], others[column : column + 1])[0] and (
                before is None or cosines[row, column] > cosines[row, np.searchsorted(there, before)]
            ):
                found[places[row]] = int(there[column])
    return found


def is_like_one_of(signed: bytes, signatures: Sequence[bytes]) -> bool:
    """Whether a signature looks like at least one of others."""
    one, others = _grids([signed]), _grids(signatures)
    if not len(one) or not _steep(one)[0]:
        return False
    others = others[_steep(others)]
    others = others[_slopes(others) @ _slopes(one)[0] >= LEAST_COSINE]
    return bool(_same_colors(others, one).any())


def _grids(signatures: Sequence[bytes]) -> Signature:
    """The signatures that are not empty, as one array (N, SIDE, SIDE, 3)."""
    return np.frombuffer(b"".join(signatures), np.uint8).reshape(-1, SIDE, SIDE, 3)


def _differences(grids: Signature) -> Vectors:
    """Of luma, between neighboring places (N, 144)."""
    luma = grids[..., 0].astype(np.float32)
    return np.concatenate([np.diff(luma, axis=axis).reshape(len(luma), SIDE * (SIDE - 1)) for axis in (1, 2)], axis=1)


def _slopes(grids: Signature) -> Vectors:
    """The differences as unit vectors (N, 144)."""
    differences = _differences(grids)
    slopes: Vectors = differences / np.maximum(np.linalg.norm(differences, axis=1, keepdims=True), 1e-6)
    return slopes


def _steep(grids: Signature) -> NDArray[np.bool_]:
    """Which images have slopes to be known by; some at a time, as the differences take ten times the grids' room."""
    parts = np.split(grids, range(_AT_ONCE, len(grids), _AT_ONCE))
    return np.concatenate([(_differences(part) ** 2).mean(1) >= _LEAST_SLOPE**2 for part in parts])


def _same_colors(ones: Signature, others: Signature) -> NDArray[np.bool_]:
    differences = np.abs(ones[..., 1:].astype(np.int16) - others[..., 1:])
    same: NDArray[np.bool_] = differences.mean((1, 2, 3)) <= _MOST_COLOUR_DIFFERENCE
    return same
