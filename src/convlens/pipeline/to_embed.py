"""The images of a folder that is to be embedded, with its labels where it has any."""

from collections.abc import Sequence
from pathlib import Path

from convlens.core.errors import DataError
from convlens.core.progress import Progress, Say
from convlens.core.run import Problem
from convlens.data.manifest import ImageFile
from convlens.data.scan import labeled_images, unlabeled_images


def images_to_embed(
    folder: str | Path, progress: Progress, say: Say
) -> tuple[Sequence[ImageFile], Sequence[Problem], bool]:
    """The images of a folder, what is wrong with others, and whether they have labels; why they have none is said."""
    try:
        manifest = labeled_images(folder, progress)
    except DataError as error:
        say(f"without labels: {str(error).partition('. ')[0]}")
        return *unlabeled_images([folder]), False
    return manifest.images, manifest.problems, True
