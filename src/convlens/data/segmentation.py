"""Segmentation: folders that hold images beside their masks or annotations, which are no classes."""

from collections.abc import Collection, Sequence
from pathlib import Path

from convlens.core.errors import DataError
from convlens.core.settings import setting

_IMAGES = {"images", "image", "imgs", "img", "jpegimages", "jpgs", "pngs", "photos", "pictures", "inputs", "originals"}
_MASKS = {
    *("masks", "mask", "segmentation", "segmentations", "segmentationclass", "segmentationobject", "segmaps"),
    *("trimaps", "groundtruth", "gt", "gts", "annotations", "annotation", "annots", "imagesets", "labels"),
    *("bboxes", "boxes", "xmls", "jsons", "targets"),
}
_SUFFIXES = ("mask", "masks", "annot", "annots", "annotation", "annotations", "gt", "label", "labels", "seg")
"""What the name of a folder of masks ends with."""


def refuse_segmentation(folder: Path, names: Sequence[str]) -> None:
    """Raises DataError where the folders in one are called after images and after masks or annotations, all of them.

    Taken as classes they are told apart without an error, and nothing is learned.
    """
    plain = {name: "".join(letter for letter in name.lower() if letter.isalpha()) for name in names}
    beside = {name: of for name, word in plain.items() if (of := _beside_which(word, plain.values()))}
    masks = [name for name, word in plain.items() if word in _MASKS or word.endswith(_SUFFIXES[:2]) or name in beside]
    images = [name for name, word in plain.items() if word in _IMAGES or word in beside.values()]
    if not masks or not images or len({*images, *masks}) < len(names):
        return
    held = ", ".join(f"{name}/" for name in dict.fromkeys([*images, *masks]))
    raise DataError(
        f"{folder} holds {held}: it looks like a data set for segmentation or detection, not like class folders. What "
        "is trained here is a class, labels or numbers for each image as a whole: put the images of each class into a "
        f"folder of its own, or give a table of labels ({setting('labels', 'CSV')}). If these are two classes, rename "
        "a folder."
    )


def _beside_which(word: str, others: Collection[str]) -> str:
    """The folder beside which one of masks stands, train/ for train_masks/ and trainannot/; "" for others."""
    stems = (word.removesuffix(suffix) for suffix in _SUFFIXES if word.endswith(suffix))
    return next((stem for stem in stems if stem and stem in others), "")
