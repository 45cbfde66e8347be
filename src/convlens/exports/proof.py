"""The proof that an exported model answers as the run does: on golden images and on the run's validation images."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from convlens.core.errors import IntegrityError
from convlens.core.exported import LARGEST_P_DIFFERENCE, ExportCard, Parity, ValidationParity
from convlens.core.preprocessing import Preprocessing
from convlens.core.progress import Advance
from convlens.data.batches import normalized
from convlens.data.decode import Pixels, crop_of, opened_for, opened_whole
from convlens.exports.file import Answered, Runner
from convlens.exports.golden import pixels_of
from convlens.exports.parity import parity
from convlens.runs.validation_images import ValidationImage
from convlens.training.task import Task
from convlens.training.tasks import TASKS

Reference = Callable[[Pixels], Answered]
"""The run in float32: from one image's decoded pixels to its answers, of shape (1, outputs), and its p-value."""


def fed(pixels: Pixels, preprocessing: Preprocessing, *, whole: bool) -> Tensor:
    """What a model takes for one image: its pixels (1, H, W, 3), or what `preprocessing` makes of them."""
    if whole:
        return torch.from_numpy(pixels).unsqueeze(0)
    return normalized(torch.from_numpy(crop_of(pixels, preprocessing)).unsqueeze(0), preprocessing).contiguous()


def on_golden_images(runner: Runner) -> Parity:
    """A file's answers to the images in it, compared with those that the run gave."""
    card = runner.card
    return _compared(
        card,
        [image.name for image in card.golden],
        [asked(runner, pixels_of(image)) for image in card.golden],
        [
            Answered(torch.tensor([image.answers]), None if image.p_value is None else torch.tensor([image.p_value]))
            for image in card.golden
        ],
    )


def on_validation_images(
    runner: Runner, reference: Reference, images: Iterable[ValidationImage], advance: Advance
) -> ValidationParity | None:
    """A file's answers to these images compared with the run's; None where there is no image.

    The pixels are those that convlens decodes; of large JPEGs, which it decodes at a fraction of their size, the full
    ones are tried as well. Images are taken one at a time, and none is kept.
    """
    names, got, expected, answered, reduced, whole = [], [], [], [], [], []
    for place, image in enumerate(images):
        opened = opened_for(image.data, runner.card.preprocessing.resize)
        pixels = np.array(opened.rgb)
        names.append(image.file)
        got.append(asked(runner, pixels))
        expected.append(reference(pixels))
        answered.append(Answered(torch.tensor([image.answers]), None))
        if opened.reduced:
            reduced.append(place)
            whole.append(asked(runner, np.array(opened_whole(image.data).rgb)))
        advance(1)
    if not names:
        return None
    return ValidationParity(
        float32=_compared(runner.card, names, got, expected),
        as_trained=_compared(runner.card, names, got, answered),
        whole_decode=_compared(
            runner.card, [names[place] for place in reduced], whole, [expected[place] for place in reduced]
        )
        if reduced
        else None,
    )


def refuse_unlike(found: Parity, images: str, runtime: str) -> None:
    """Raises IntegrityError where an answer is further from the run's than rounding explains."""
    if not found.proved:
        raise IntegrityError(
            f"{runtime} answers otherwise than the run: by up to {found.largest_difference:.2g}, and p-values by up to "
            f"{found.largest_p_difference:.2g}, on {found.images} {images}, {len(found.flips)} of which it predicts "
            f"otherwise (accepted: {found.limit:g} and {LARGEST_P_DIFFERENCE:g}). Do not use this file; export the run "
            "again."
        )


def task_of_card(card: ExportCard) -> Task:
    """What the outputs of a file mean. Raises DataError where its card lacks a scale that is needed."""
    return TASKS[card.task].stored(card.classes, card.scale)


def asked(runner: Runner, pixels: Pixels) -> Answered:
    """The answers to one image, of shape (1, outputs), and its p-value."""
    return runner(fed(pixels, runner.card.preprocessing, whole=runner.card.whole))


def _compared(card: ExportCard, names: Sequence[str], got: Sequence[Answered], expected: Sequence[Answered]) -> Parity:
    units = card.scale.spread if card.scale else [1.0] * len(card.classes)
    return parity(
        names,
        torch.cat([one.answers for one in got]),
        torch.cat([one.answers for one in expected]),
        units=units,
        task=task_of_card(card),
        limit=card.largest_difference,
        p_values=_pairs([one.second for one in got], [one.second for one in expected]),
    )


def _pairs(got: Sequence[Tensor | None], expected: Sequence[Tensor | None]) -> tuple[Tensor, Tensor] | None:
    """P-values where both sides have them."""
    both = [(one, other) for one, other in zip(got, expected, strict=True) if one is not None and other is not None]
    if not both:
        return None
    return torch.cat([one for one, _ in both]), torch.cat([other for _, other in both])
