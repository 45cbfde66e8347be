"""Predict: class, labels or numbers of images, by a trained run or by a network of the zoo."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from convlens.core.errors import UsageError
from convlens.core.kinds.kind import text_of
from convlens.core.prediction import Judgment, Prediction, PredictionRecord
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.settings import setting
from convlens.core.trust import REJECT
from convlens.data.manifest import ImageFile
from convlens.data.scan import unlabeled_images
from convlens.pipeline.asking import Asking
from convlens.pipeline.judgment import COVERAGE, judge_of, judgments
from convlens.pipeline.trained import load_trained, refuse_swapped
from convlens.training.task import Task
from convlens.training.tasks import task_of
from convlens.transfer.precision import number_format
from convlens.trust.judge import Judge
from convlens.zoo import card


def predict(
    run: str | Path,
    *images: str | Path,
    weights: str | Path | None = None,
    reject: float | None = None,
    coverage: float | None = None,
    progress: Progress = silent,
    say: Say = unsaid,
) -> PredictionRecord:
    """What a run says of each image: its class or labels with all probabilities, or its numbers.

    Instead of a run folder a network of the zoo may stand by its name: it predicts the classes of the data set that its
    weights were trained on, 1000 of ImageNet as a rule; `weights` are others than its usual ones. `images` are files,
    or folders that are searched for images; runs of convlens in them are left out. `say` receives what was done to make
    a file of weights fit.

    A run that was calibrated (see the recipe's `calibrate`) also judges its answers. An image is rejected, as none of
    the classes, where at most the part `reject` of the training images are as unlike the others as it is: so many
    images of the classes are rejected by mistake, 0.05 of them by default. The classes that cannot be excluded include
    the true one of the part `coverage` of the images, 0.95 by default.

    A file that gives no image is listed in `bad_files` and the rest go on. Raises UsageError where `run` is neither a
    run folder nor a network with trained weights, or a named image does not exist, IntegrityError where the weights
    are not those of the run.
    """
    refuse_swapped(run, *images)
    bundle, module = load_trained(run, weights, progress, say)
    judge = judge_of(run, bundle)
    accepted, asked = _limits(judge, run, reject, coverage)
    task = task_of(bundle)
    files, problems = unlabeled_images(images)
    asking = Asking(module, card(bundle.backbone).head, bundle.preprocessing, number_format(bundle.precision))
    predictions: list[Prediction] = []
    for batch in asking.batches(files, progress):
        if batch.images:
            answers = task.answers(batch.outputs)
            judged: Iterable[Judgment | None] = itertools.repeat(None)
            if judge:
                judged = judgments(judge, task.names, answers, batch.vectors, reject=accepted, coverage=asked)
            rows = zip(batch.images, answers.tolist(), judged, strict=False)
            predictions += [_prediction(one, row, task, judgment) for one, row, judgment in rows]
        problems += batch.problems
    return PredictionRecord(
        run=str(Path(run).expanduser()),
        task=bundle.task,
        reject=accepted if judge else None,
        coverage=asked if judge else None,
        predictions=predictions,
        bad_files=problems,
    )


def _limits(judge: Judge | None, run: str | Path, reject: float | None, coverage: float | None) -> tuple[float, float]:
    """The rate of false alarms and the coverage that are asked for. Raises UsageError for such that make no sense."""
    if coverage is not None and not 0 < coverage < 1:
        raise UsageError(f"{setting('coverage', f'{coverage:.3%}')}: give a rate between 0% and 100%, such as 95%.")
    if judge:
        return judge.accepted(reject, REJECT), coverage or COVERAGE
    given = [setting(name, f"{one:.3%}") for name, one in (("reject", reject), ("coverage", coverage)) if one]
    if given:
        raise UsageError(
            f"{' and '.join(given)}: {run} has nothing to judge its answers by. Train it again with "
            f"{setting('calibrate', 'on')}."
        )
    return REJECT, COVERAGE


def _prediction(image: ImageFile, answer: Sequence[float], task: Task, judgment: Judgment | None) -> Prediction:
    return Prediction(
        file=image.file,
        predicted=text_of(task.labels(answer)),
        probabilities=task.probabilities(answer),
        numbers=task.numbers(answer),
        judgment=judgment,
    )
