"""Predict: class, labels or numbers of images, by a trained run or by a network of the zoo."""

from collections.abc import Sequence
from pathlib import Path

import torch

from convlens.core.kinds.kind import text_of
from convlens.core.prediction import Prediction, PredictionRecord
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.data.batches import decoded_batches, normalized
from convlens.data.manifest import ImageFile
from convlens.data.scan import unlabeled_images
from convlens.pipeline.trained import load_trained, refuse_swapped
from convlens.training.task import Task
from convlens.training.tasks import task_of
from convlens.transfer.precision import number_format

_BATCH_SIZE = 32


def predict(
    run: str | Path,
    *images: str | Path,
    weights: str | Path | None = None,
    progress: Progress = silent,
    say: Say = unsaid,
) -> PredictionRecord:
    """What a run says of each image: its class or labels with all probabilities, or its numbers.

    Instead of a run folder a network of the zoo may stand by its name: it predicts the classes of the data set that its
    weights were trained on, 1000 of ImageNet as a rule; `weights` are others than its usual ones. `images` are files,
    or folders that are searched for images; runs of convlens in them are left out. `say` receives what was done to make
    a file of weights fit.

    A file that gives no image is listed in `bad_files` and the rest go on. Raises UsageError where `run` is neither a
    run folder nor a network with trained weights, or a named image does not exist, IntegrityError where the weights
    are not those of the run.
    """
    refuse_swapped(run, *images)
    bundle, module = load_trained(run, weights, progress, say)
    task = task_of(bundle)
    files, problems = unlabeled_images(images)
    dtype = number_format(bundle.precision)
    module = module.eval().to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    predictions: list[Prediction] = []
    with torch.inference_mode(), progress("predict", len(files)) as advance:
        for batch in decoded_batches(files, bundle.preprocessing, _BATCH_SIZE):
            if batch.images:
                inputs = normalized(batch.pixels, bundle.preprocessing).to(dtype)
                answers = task.answers(module(inputs).float()).tolist()
                predictions += [_prediction(one, row, task) for one, row in zip(batch.images, answers, strict=True)]
            problems += batch.problems
            advance(len(batch.images) + len(batch.problems))
    return PredictionRecord(
        run=str(Path(run).expanduser()), task=bundle.task, predictions=predictions, bad_files=problems
    )


def _prediction(image: ImageFile, answer: Sequence[float], task: Task) -> Prediction:
    return Prediction(
        file=image.file,
        predicted=text_of(task.labels(answer)),
        probabilities=task.probabilities(answer),
        numbers=task.numbers(answer),
    )
