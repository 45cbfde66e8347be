"""What a trained network says of images, in a table, and where it is most wrong."""

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from convlens.core.files import write_atomically
from convlens.core.run import THUMBNAILS_FOLDER, AnyEvaluation, Mistake
from convlens.core.target import parts_of
from convlens.data.image_metadata import ImageMetadataStore
from convlens.data.manifest import ImageFile, Side
from convlens.training.task import Target

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


def predictions_table(judged: Sequence[Predictions], target: Target) -> str:
    """All answers as CSV: file, side, and the true and the predicted class or labels with the probability of each.

    Numbers have a column for the true one and one for the predicted one, each.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text)
    if target.kind == "numbers":
        columns = [f"{said} {name}" for name in target.names for said in ("true", "predicted")]
    else:
        columns = ["true", "predicted", *(f"p({name})" for name in target.names)]
    table.writerow(["file", "side", *columns])
    for one in judged:
        for image, row in zip(one.images, one.answers.tolist(), strict=True):
            table.writerow([image.file, one.side, *_cells(image, row, target)])
    return text.getvalue()


def _cells(image: ImageFile, row: Sequence[float], target: Target) -> list[str]:
    if target.kind == "numbers":
        pairs = zip(parts_of(image.label), row, strict=True)
        return [cell for true, said in pairs for cell in (f"{float(true):.6g}", f"{said:.6g}")]
    return [image.label, target.label(row), *(f"{p:.6f}" for p in row)]


def worst_mistakes(folder: Path, judged: Predictions, target: Target, facts: ImageMetadataStore) -> list[Mistake]:
    """The images that were told worst, the worst first, with their thumbnails written below the folder.

    Of classes and labels, those where one was told wrongly, by how unlikely the truth was said to be; of numbers, those
    that are farthest off.
    """
    losses = target.wrongness(judged.answers, target.encoded(image.label for image in judged.images))
    places = [place for place, loss in enumerate(losses.tolist()) if loss > 0]
    worst = sorted(places, key=lambda place: (-losses[place].item(), judged.images[place].file))
    return [
        _mistake(folder, rank, judged.images[place], judged.answers[place].tolist(), target, facts)
        for rank, place in enumerate(worst[:_MOST_MISTAKES])
    ]


def _mistake(
    folder: Path, rank: int, image: ImageFile, row: Sequence[float], target: Target, facts: ImageMetadataStore
) -> Mistake:
    thumbnail = f"{THUMBNAILS_FOLDER}/{rank:02d}.jpg"
    write_atomically(folder / thumbnail, facts.thumbnail(image.sha256))
    true = [image.label] if target.kind == "class" else parts_of(image.label)
    likeliest = sorted(range(len(row)), key=lambda i: -row[i])
    shown = [i for i in likeliest if i in likeliest[:_LIKELIEST] or target.names[i] in true]
    return Mistake(
        file=image.file,
        true=target.label([float(part) for part in true]) if target.kind == "numbers" else image.label,
        predicted=target.label(row),
        probabilities={} if target.kind == "numbers" else {target.names[i]: row[i] for i in shown},
        thumbnail=thumbnail,
    )
