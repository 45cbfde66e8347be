"""Which pictures are for training and which for judging."""

import dataclasses
import hashlib
from collections.abc import Iterable

from convlens.data.manifest import Manifest


def split_pictures(manifest: Manifest, fraction: float, seed: int) -> Manifest:
    """The manifest with a side for every picture that had none: `fraction` of each class for validation.

    A picture's rank is the hash of the seed and of its bytes, so the split depends on neither names nor order, and
    adding pictures moves only those at the border. At least one picture of a class is trained on, and one judged
    where the class has two. The same bytes never stand on both sides.
    """
    loose: dict[str, set[str]] = {}
    for picture in manifest.pictures:
        if picture.side is None:
            loose.setdefault(picture.label, set()).add(picture.sha256)
    judged = {sha256 for hashes in loose.values() for sha256 in _judged(hashes, fraction, seed)}
    pictures = tuple(
        dataclasses.replace(picture, side="val" if picture.sha256 in judged else "train")
        if picture.side is None
        else picture
        for picture in manifest.pictures
    )
    return dataclasses.replace(manifest, pictures=pictures)


def _judged(hashes: Iterable[str], fraction: float, seed: int) -> list[str]:
    ranked = sorted(hashes, key=lambda sha256: hashlib.sha256(f"{seed}:{sha256}".encode()).digest())
    return ranked[: min(max(round(len(ranked) * fraction), 1), len(ranked) - 1)]
