"""Predict: class, labels or numbers of pictures, by a trained run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from convlens.core.bundle import BUNDLE_FILE, MODEL_FILE, Bundle
from convlens.core.errors import DataError, IntegrityError, UsageError
from convlens.core.files import sha256_of
from convlens.core.prediction import Prediction, PredictionRecord
from convlens.core.progress import Progress, silent
from convlens.core.run import Problem
from convlens.data.batches import decoded_batches, normalised
from convlens.data.foreign import of_convlens
from convlens.data.manifest import Picture
from convlens.data.scan import picture_at, shown
from convlens.data.walk import files_below
from convlens.tasks.adopt import make_known
from convlens.training.target import Target, target_of
from convlens.transfer.heads import replace_head
from convlens.transfer.precision import number_format
from convlens.zoo import card, network, unloaded
from convlens.zoo.weights import load_weights, read_weights

_BATCH_SIZE = 32


def predict(run: str | Path, *images: str | Path, progress: Progress = silent) -> PredictionRecord:
    """What a run says of each picture: its class or labels with all probabilities, or its numbers.

    `images` are files, or folders that are searched for pictures; runs of convlens in them are left out.

    A file that gives no picture is listed in `bad_files` and the rest go on. Raises UsageError where `run` is no run
    folder or a named picture does not exist, IntegrityError where the weights are not those of the run.
    """
    folder = Path(run).expanduser()
    bundle, module = load_bundle(folder)
    target = target_of(bundle.target, bundle.classes, bundle.scale)
    pictures, problems = _found(images)
    dtype = number_format(bundle.precision)
    module = module.eval().to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    predictions: list[Prediction] = []
    with torch.inference_mode(), progress("predict", len(pictures)) as advance:
        for batch in decoded_batches(pictures, bundle.preprocessing, _BATCH_SIZE):
            if batch.pictures:
                inputs = normalised(batch.pixels, bundle.preprocessing).to(dtype)
                answers = target.answers(module(inputs).float()).tolist()
                predictions += [_prediction(one, row, target) for one, row in zip(batch.pictures, answers, strict=True)]
            problems += batch.problems
            advance(len(batch.pictures) + len(batch.problems))
    return PredictionRecord(run=str(folder), target=bundle.target, predictions=predictions, bad_files=problems)


def _prediction(picture: Picture, answer: Sequence[float], target: Target) -> Prediction:
    named = dict(zip(target.names, answer, strict=True))
    numbers = target.kind == "numbers"
    return Prediction(
        file=picture.file,
        predicted=target.label(answer),
        probabilities={} if numbers else named,
        numbers=named if numbers else {},
    )


def load_bundle(folder: Path) -> tuple[Bundle, nn.Module]:
    """The bundle of a run folder, and its network with the trained weights, verified by their SHA-256."""
    file = folder / BUNDLE_FILE
    if not file.is_file():
        raise UsageError(
            f"{folder} is not a run folder: it holds no {BUNDLE_FILE}. Give a folder that `convlens train` made."
        )
    bundle = Bundle.from_json(file.read_bytes(), str(file))
    make_known(bundle.backbone)
    model = folder / MODEL_FILE
    if not model.is_file():
        raise DataError(f"{folder} holds no {MODEL_FILE}: the run is not complete. Train it again.")
    if sha256_of(model) != bundle.sha256:
        raise IntegrityError(f"{model} is not the file that {BUNDLE_FILE} names by its SHA-256. Train it again.")
    return bundle, _built(bundle, model)


def _built(bundle: Bundle, weights: Path) -> nn.Module:
    """The bundle's network, with the head that the bundle tells of."""
    classes = len(bundle.classes)
    if bundle.head.plain:
        return network(bundle.backbone, classes=classes, weights=weights)
    module, head = unloaded(bundle.backbone, classes), card(bundle.backbone).head
    with torch.device("meta"):
        replace_head(module, head, classes, 0, bundle.head)
    load_weights(module, read_weights(weights, head), weights, head, name=bundle.backbone)
    return module


def _found(images: tuple[str | Path, ...]) -> tuple[list[Picture], list[Problem]]:
    pictures: list[Picture] = []
    problems: list[Problem] = []
    for path in _expanded(images):
        one = picture_at(path, shown(path))
        if isinstance(one, Picture):
            pictures.append(one)
        else:
            problems.append(one)
    return pictures, problems


def _expanded(images: tuple[str | Path, ...]) -> Iterator[Path]:
    for image in images:
        path = Path(image).expanduser()
        if path.is_dir() and not of_convlens(path):
            yield from files_below(path)
        elif path.exists():
            yield path
        else:
            raise UsageError(f"no such picture: {path}. Give picture files, or folders of pictures.")
