"""What a trained network says of images, in a table, and where it is most wrong."""

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from convlens.core.files import write_atomically
from convlens.core.kinds.evaluation import AnyEvaluation
from convlens.core.kinds.kind import ranked, text_of
from convlens.core.run import THUMBNAILS_FOLDER, Mistake
from convlens.data.image_metadata import ImageMetadataStore
from convlens.data.manifest import ImageFile, Side
from convlens.training.task import Task

_MOST_MISTAKES = 24
_LIKELIEST = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """Images of one side with what the network says of them, and how well that does."""

    side: Side
    images: tuple[ImageFile, ...]
    answers: Tensor
    """Probabilities, or numbers, of shape (N, classes, labels or numbers)."""
    evaluation: AnyEvaluation


def predictions_table(predictions: Sequence[Predictions], task: Task) -> str:
    """All answers as CSV: file, side, and the true and the predicted class or labels with the probability of each.

    Numbers have a column for the true one and one for the predicted one, each.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["file", "side", *task.columns()])
    for one in predictions:
        for image, row in zip(one.images, one.answers.tolist(), strict=True):
            table.writerow([image.file, one.side, *task.cells(image.labels, row)])
    return text.getvalue()


def worst_mistakes(folder: Path, predictions: Predictions, task: Task, facts: ImageMetadataStore) -> list[Mistake]:
    """The images that were predicted worst, the worst first, with their thumbnails written below the folder.

    Of classes and labels, those where one was predicted wrongly, by how unlikely the truth was said to be; of
    numbers, those that are farthest off.
    """
    losses = task.wrongness(predictions.answers, task.encoded(image.labels for image in predictions.images))
    places = [place for place, loss in enumerate(losses.tolist()) if loss > 0]
    worst = sorted(places, key=lambda place: (-losses[place].item(), predictions.images[place].file))
    return [
        _mistake(folder, rank, predictions.images[place], predictions.answers[place].tolist(), task, facts)
        for rank, place in enumerate(worst[:_MOST_MISTAKES])
    ]


def _mistake(
    folder: Path, rank: int, image: ImageFile, row: Sequence[float], task: Task, facts: ImageMetadataStore
) -> Mistake:
    thumbnail = f"{THUMBNAILS_FOLDER}/{rank:02d}.jpg"
    write_atomically(folder / thumbnail, facts.thumbnail(image.sha256))
    probabilities = ranked(task.probabilities(row))
    likeliest = {name for name, _ in probabilities[:_LIKELIEST]}
    return Mistake(
        file=image.file,
        true=task.shown(image.labels),
        predicted=text_of(task.labels(row)),
        probabilities={name: p for name, p in probabilities if name in likeliest or name in image.labels},
        thumbnail=thumbnail,
    )
