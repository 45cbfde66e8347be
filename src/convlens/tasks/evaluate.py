"""Evaluate: how a network of the zoo, or a trained run, does on a folder of labeled images."""

import dataclasses
import time
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from convlens.backbones.class_names import class_numbers
from convlens.backbones.resolve import RANDOM, network, preprocessing_for, weights_named
from convlens.core.errors import DataError, UsageError
from convlens.core.evaluation import EvaluationRecord, Slices, WithoutTrained
from convlens.core.intervals import wilson_interval
from convlens.core.kinds.evaluation import AnyEvaluation
from convlens.core.kinds.kind import Labels
from convlens.core.preprocessing import Preprocessing
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.run import Problem
from convlens.core.settings import Notice, setting
from convlens.core.trust import Unknown
from convlens.data.archive import folder_of
from convlens.data.layout import Layout
from convlens.data.manifest import ImageFile, Manifest
from convlens.data.scan import labeled_images, unlabeled_images
from convlens.data.split_file import SPLIT_FILE, read_split
from convlens.pipeline.asking import Asking
from convlens.pipeline.judgment import judge_of
from convlens.pipeline.layout import asked_layout
from convlens.pipeline.notices import say_layout
from convlens.pipeline.slice_facts import slice_facts
from convlens.pipeline.trained import is_run, load_run, refuse_swapped
from convlens.pipeline.unknown import unknown_outcome
from convlens.runs.bundle import read_bundle
from convlens.training.classification import Classification
from convlens.training.recipe import LEAST_SIZE, MOST_SIZE
from convlens.training.task import Task
from convlens.training.tasks import task_of
from convlens.transfer.precision import number_format
from convlens.trust.calibration import calibration_scores
from convlens.trust.judge import Judge
from convlens.trust.slices import slices as slices_of
from convlens.zoo import card, class_names, weight_cards

SideAsked = Literal["train", "val", "test", "all"]

_NAMED = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Subject:
    """What is evaluated: a network, what it has learned, and of classes all names that a folder may have."""

    name: str
    weights: str
    module: nn.Module
    task: Task
    aliases: Sequence[tuple[str, ...]]
    preprocessing: Preprocessing
    dtype: torch.dtype
    published: float | None
    is_run: bool
    head: str
    """Path of its last layer."""
    fixed_size: bool = False
    """Whether the network takes images of one size alone."""


class _Outputs(NamedTuple):
    """What a subject makes of images."""

    outputs: Tensor
    vectors: Tensor
    """What its last layer read."""
    seen: list[ImageFile]
    """Those that could be read."""
    problems: list[Problem]


def evaluate(
    run: str | Path,
    folder: str | Path,
    *,
    weights: str | Path | None = None,
    size: int | None = None,
    labels: str | Path | None = None,
    file_column: str = "",
    label_columns: str = "",
    nested: bool = False,
    predefined_split: bool = True,
    side: SideAsked | None = None,
    unknown: str | Path | None = None,
    reject: float | None = None,
    slices: bool = False,
    progress: Progress = silent,
    say: Say = unsaid,
) -> EvaluationRecord:
    """How a network of the zoo, or a run folder, does on the images of a folder; for a run, as its report shows it.

    `folder` holds one folder of images per class, named as the classes of the network are (ImageNet: by synset
    number or by any of its names), or train/, val/, test/ holding such: then `side` says which (default: val). Of a
    folder without sides, those images count by default that the run was not trained on; duplicates count, too, as in
    published numbers. `labels` is a CSV file that says the labels instead, as in `train`; runs on several labels or
    numbers need one, and take the columns of the names that they have learned.
    `file_column`, `label_columns`, `nested`, `predefined_split` and `weights` are as in `train`; `size` is the input's
    side in pixels, by default what the weights were made for. `say` receives what folders and tables were taken for,
    what was done to make a file of weights fit, and how many of the images the run was trained on.

    `unknown` is a folder of images of none of the classes: it is measured how well the run tells them from the others,
    and how many it rejects where it rejects the part `reject` of images of the classes (0.05 by default).

    With `slices`, which reads the images once more, the record has the accuracy on parts of the images: by folder,
    size, quality, camera, brightness, contrast, sharpness and each column of the table of labels.

    Raises UsageError for unknown names, DataError for folders that are no class of the network.
    """
    refuse_swapped(run, folder)
    judge = _judge(Path(run).expanduser(), unknown)
    subject = _run(Path(run), weights) if is_run(run) else _network(str(run), weights, progress, say)
    if size is not None:
        if not LEAST_SIZE <= size <= MOST_SIZE:
            raise UsageError(
                f"{setting('size', size)}: give the side of the input in pixels, {LEAST_SIZE} to {MOST_SIZE}."
            )
        if subject.fixed_size and size != subject.preprocessing.size:
            raise UsageError(
                f"{setting('size', size)}: {subject.name} only takes images of {subject.preprocessing.size} pixels, "
                "because of its position embeddings or windows. Leave the size out, or train at another one."
            )
        subject = dataclasses.replace(subject, preprocessing=subject.preprocessing.at(size))
    if slices and not subject.task.kind.exclusive:
        raise UsageError(f"{setting('slices', True)}: only runs on classes have an accuracy to divide. Leave it out.")
    asked = asked_layout(
        labels,
        file_column=file_column,
        label_columns=label_columns,
        nested=nested,
        predefined_split=predefined_split,
    )
    manifest = labeled_images(folder, progress, _layout(asked, subject))
    say_layout(manifest, say)
    trained_on = _training_images(Path(run).expanduser()) if subject.is_run else frozenset[str]()
    shown, images = _side(manifest, side, trained_on)
    _say_trained_on(shown, images, manifest, trained_on, str(run), say)
    if subject.is_run and not trained_on:
        say(f"{run} does not say which images it was trained on ({SPLIT_FILE} is not there): some of these may be")
    encoded = _encoding(manifest, subject)
    start = time.perf_counter()
    found = _outputs(subject, images, folder, progress)
    seconds = time.perf_counter() - start
    targets = encoded([image.labels for image in found.seen])
    evaluation = _evaluation(subject, found.outputs, targets)
    exclusive = subject.task.kind.exclusive
    new = torch.tensor([image.sha256 not in trained_on for image in found.seen])
    return EvaluationRecord(
        network=subject.name,
        weights=subject.weights,
        folder=str(folder),
        side=shown,
        preprocessing=subject.preprocessing,
        images=len(found.seen),
        trained_on=sum(image.sha256 in trained_on for image in found.seen),
        trained_on_known=not subject.is_run or bool(trained_on),
        without_trained=_without_trained(found.outputs, targets, new) if exclusive else None,
        accuracy=evaluation.accuracy,
        published_accuracy=subject.published,
        evaluation=evaluation,
        calibration=calibration_scores(subject.task.answers(found.outputs), targets) if exclusive else None,
        unknown=_unknown(subject, judge, found, unknown, reject, progress) if judge and unknown else None,
        slices=_slices(asked, folder, found, targets) if slices and exclusive else None,
        images_per_second=len(found.seen) / seconds,
        bad_files=[*manifest.problems, *found.problems],
    )


def _without_trained(outputs: Tensor, targets: Tensor, new: Tensor) -> WithoutTrained | None:
    """How a run does on the images that are new to it; None where all or none are."""
    images = int(new.sum())
    if images in (0, len(new)):
        return None
    right = int((outputs.argmax(1) == targets)[new].sum())
    return WithoutTrained(images=images, accuracy=right / images, interval=wilson_interval(right, images))


def _slices(layout: Layout, folder: str | Path, found: _Outputs, targets: Tensor) -> Slices:
    table = layout.table(folder_of(folder))
    right = (found.outputs.argmax(1) == targets).tolist()
    return slices_of(right, slice_facts(found.seen, table.rows if table else {}))


def _judge(run: Path, unknown: str | Path | None) -> Judge | None:
    """What tells foreign images. Raises UsageError where it is needed and the run has none."""
    if unknown is None:
        return None
    judge = judge_of(run, read_bundle(run)[0]) if is_run(run) else None
    if judge is None:
        raise UsageError(
            f"{setting('unknown', str(unknown))}: {run} has nothing to judge its answers by. That takes a run that was "
            f"trained with {setting('calibrate', 'on')}."
        )
    return judge


def _unknown(
    subject: _Subject, judge: Judge, known: _Outputs, folder: str | Path, reject: float | None, progress: Progress
) -> Unknown:
    images, _ = unlabeled_images([folder])
    foreign = _outputs(subject, images, folder, progress)
    return unknown_outcome(
        judge, Path(folder), (known.outputs, known.vectors), (foreign.outputs, foreign.vectors), reject
    )


def _evaluation(subject: _Subject, outputs: Tensor, targets: Tensor) -> AnyEvaluation:
    """As in the report of a run; of a network of the zoo, what can be said of those classes that have images."""
    if subject.is_run or not isinstance(subject.task, Classification):
        return subject.task.evaluate(outputs, targets)
    whole = subject.task.evaluate(outputs, targets)
    keys = [names[0] if len(names) > 1 else "" for names in subject.aliases]
    scores = [
        score.model_copy(update={"key": key}) for score, key in zip(whole.per_class, keys, strict=True) if score.support
    ]
    return whole.model_copy(update={"per_class": scores, "confusion": []})


def _layout(asked: Layout, subject: _Subject) -> Layout:
    """Where the labels come from, read as what the subject has learned."""
    kind, names = subject.task.kind, subject.task.names
    if not asked.labels:
        if kind.from_folders:
            return asked
        raise UsageError(
            f"{subject.name} predicts {kind.noun[1]} ({', '.join(names[:_NAMED])} ...), which folder names cannot "
            f"express. Give a table of labels with {setting('labels', 'CSV')}."
        )
    if asked.label_columns and not kind.names_columns(asked.label_columns, names):
        raise UsageError(
            f"{setting('label_columns', ','.join(asked.label_columns))}: {subject.name} has learned "
            f"{', '.join(names)}. Name exactly these columns, or leave the option out."
        )
    chosen, usual = kind.columns_of_run(asked.label_columns, names)
    return dataclasses.replace(asked, task=kind.name, label_columns=chosen, usual_columns=usual)


def _encoding(manifest: Manifest, subject: _Subject) -> Callable[[Sequence[Labels]], Tensor]:
    """From labels to what outputs are compared with."""
    if subject.task.kind.exclusive:
        numbers = class_numbers(manifest.classes, subject.aliases, subject.name, _advice(manifest, subject))
        return lambda labels: torch.tensor([numbers[name] for (name,) in labels])
    if strange := [name for name in manifest.classes if name not in subject.task.names]:
        raise DataError(
            f"the table of labels has {', '.join(map(repr, strange[:_NAMED]))}, which {subject.name} has not learned. "
            f"It predicts: {', '.join(subject.task.names)}."
        )
    return subject.task.encoded


def _advice(manifest: Manifest, subject: _Subject) -> str:
    """For folders that are no class of the subject."""
    if not subject.is_run:
        backbone = setting("backbone", subject.name)
        return f" To classify your own classes, train on {manifest.folder} with {backbone}."
    nested = any("/" in name for name in subject.task.names)
    return f" Its classes are folders within folders: set {setting('nested', True)}." if nested else ""


def _run(folder: Path, weights: str | Path | None) -> _Subject:
    if weights is not None:
        raise UsageError(f"{setting('weights', weights)}: a run has its own weights; leave the option out.")
    bundle, module = load_run(folder.expanduser())
    return _Subject(
        name=str(folder),
        weights="the run's own",
        module=module,
        task=task_of(bundle),
        aliases=[(name,) for name in bundle.classes],
        preprocessing=bundle.preprocessing,
        dtype=number_format(bundle.precision),
        published=None,
        is_run=True,
        head=card(bundle.backbone).head,
        fixed_size=card(bundle.backbone).fixed_size,
    )


def _network(name: str, weights: str | Path | None, progress: Progress, say: Say) -> _Subject:
    known = card(name)
    chosen = weights_named(name, weights)
    if chosen is None or chosen == RANDOM:
        sets = ", ".join(weight_cards(name))
        raise UsageError(
            f"{name} without trained weights can only guess. Give a file ({setting('weights')})"
            + (f", or a published set: {sets}." if sets else ".")
        )
    published = weight_cards(name).get(chosen)
    data = published.data if published else known.data
    if data is None or known.output != "scores":
        raise UsageError(
            f"{name} does not classify whole images, or its classes have no names; it cannot be evaluated."
        )
    module = network(name, weights=chosen, progress=progress, say=say)
    aliases = [(one.key, *one.names) for one in class_names(data)]
    if len(aliases) != (number := len(module.get_parameter(f"{known.head}.weight"))):
        raise UsageError(
            f"{chosen} has {number} classes, not the {len(aliases)} of {data}, so its classes have no names. Train on "
            f"images of your classes ({setting('weights', chosen)}), and evaluate that run."
        )
    return _Subject(
        name=name,
        weights=chosen,
        module=module,
        task=Classification(tuple(names[1] if len(names) > 1 else names[0] for names in aliases)),
        aliases=aliases,
        preprocessing=preprocessing_for(name, chosen),
        dtype=torch.float32,
        published=published.top1 / 100 if published else None,
        is_run=False,
        head=known.head,
    )


def _training_images(run: Path) -> frozenset[str]:
    """The hashes of the images that a run was trained on; none where its split is not there any more."""
    path = run / SPLIT_FILE
    return (
        frozenset(sha256 for sha256, side in read_split(path).items() if side == "train")
        if path.is_file()
        else frozenset()
    )


def _side(
    manifest: Manifest, asked: SideAsked | None, trained_on: Container[str]
) -> tuple[SideAsked | Literal["unseen"], tuple[ImageFile, ...]]:
    """The images of the side that was asked for.

    By default those of val/; where there are no sides all, but for those that the subject was trained on.
    """
    there = {image.side for image in manifest.images}
    if asked is None and "val" not in there:
        unseen = tuple(image for image in manifest.images if image.sha256 not in trained_on)
        return ("unseen", unseen) if 0 < len(unseen) < len(manifest.images) else ("all", manifest.images)
    side = asked or "val"
    images = manifest.images if side == "all" else manifest.side(side)
    if not images:
        held = (
            ", ".join(sorted(name for name in there if name))
            or f"no sides, only class folders ({setting('side', 'all')})"
        )
        raise UsageError(f"{setting('side', side)}: {manifest.folder} has no images there; it has {held}.")
    return side, images


def _say_trained_on(
    side: str, images: Sequence[ImageFile], manifest: Manifest, trained_on: Container[str], run: str, say: Say
) -> None:
    """Say how many images of the folder the run was trained on, and whether they count."""
    if side == "unseen":
        everything = setting("side", "all")
        say(
            Notice(
                f"{run} was trained on {len(manifest.images) - len(images)} of the {len(manifest.images)} images of "
                f"{manifest.folder}; the other {len(images)} are evaluated ({everything} for all)"
            )
        )
    elif counted := sum(image.sha256 in trained_on for image in images):
        say(f"{run} was trained on {counted} of these {len(images)} images: the result says little of new images")


def _outputs(subject: _Subject, images: Sequence[ImageFile], folder: str | Path, progress: Progress) -> _Outputs:
    """Raises DataError where no image can be read."""
    asking = Asking(subject.module, subject.head, subject.preprocessing, subject.dtype)
    batches = list(asking.batches(images, progress))
    seen = [image for batch in batches for image in batch.images]
    problems = [problem for batch in batches for problem in batch.problems]
    if not seen:
        reason = f"; the first: {problems[0].detail}" if problems else ""
        raise DataError(f"{folder}: none of {len(images)} files is a readable image{reason}.")
    read = [batch for batch in batches if batch.images]
    return _Outputs(torch.cat([one.outputs for one in read]), torch.cat([one.vectors for one in read]), seen, problems)
