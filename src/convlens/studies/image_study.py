"""A study on one set of images, that all of its networks are trained on."""

import dataclasses
from abc import ABC

from convlens.core.errors import UsageError
from convlens.studies.chosen_images import chosen_images
from convlens.studies.study import Bench, Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageStudy(Study, ABC):
    """Up to `images` of each of `classes` to train on, and `validation` to validate on, of the folder.

    Without a folder they are scikit-learn's handwritten digits.
    """

    classes: int = 10
    images: int = 500
    validation: int = 50

    def prepare(self, bench: Bench) -> list[str]:
        """Lay out the images. Raises UsageError for more folders than one, DataError for too few classes."""
        if len(self.folders) > 1:
            raise UsageError(f"the study {self.name} takes one folder of images; leave {self.folders[1]} out.")
        chosen = chosen_images(
            next(iter(self.folders), None),
            bench.folder / "digits",
            classes=self.classes,
            train=self.images,
            val=self.validation,
        )
        chosen.refuse_fewer(self.name, classes=self.classes)
        chosen.laid_out(bench.images)
        return [chosen.described()]
