"""Which pictures are for training and which for judging."""

import dataclasses
import hashlib

from convlens.data.manifest import Manifest, Picture, Side


def split_pictures(manifest: Manifest, fraction: float, seed: int) -> Manifest:
    """The manifest with a side for every picture that had none: `fraction` of each class for validation.

    A picture's rank is the hash of the seed and of its bytes, so the split depends on neither names nor order, and
    adding pictures moves only those at the border. At least one picture of a class is trained on, and one judged
    where the class has two.
    """
    chosen: dict[str, Side] = {}
    for label in manifest.classes:
        loose = [picture for picture in manifest.pictures if picture.label == label and picture.side is None]
        ranked = sorted(loose, key=lambda picture: _rank(picture, seed))
        judged = min(max(round(len(ranked) * fraction), 1), len(ranked) - 1)
        chosen |= {picture.file: "val" if i < judged else "train" for i, picture in enumerate(ranked)}
    pictures = tuple(
        dataclasses.replace(picture, side=picture.side or chosen[picture.file])
        for picture in manifest.pictures
    )
    return dataclasses.replace(manifest, pictures=pictures)


def _rank(picture: Picture, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{picture.sha256}".encode()).hexdigest()
