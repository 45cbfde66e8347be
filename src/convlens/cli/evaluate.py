"""`convlens evaluate NET|RUN DIR`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.outcome import outcome_lines, say_problems
from convlens.cli.rate import rate_of
from convlens.cli.recipe_options import RecipeCommand, given_settings
from convlens.cli.screen import JsonOption, QuietOption, Screen, printable
from convlens.cli.streams import echo

if TYPE_CHECKING:
    from convlens.core.evaluation import EvaluationRecord, Slice, Slices
    from convlens.core.trust import Unknown
    from convlens.tasks.evaluate import SideAsked


_IMAGES = {
    "train": "training images",
    "val": "validation images",
    "test": "test images",
    "all": "images",
    "unseen": "images that it was not trained on",
}


class EvaluateCommand(RecipeCommand):
    """The command, with the settings that say what an image's label is; what kind it has, the run knows."""

    names = ("labels", "file_column", "label_columns", "nested", "predefined_split")


def evaluate(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="NET|RUN", help="Name of a network, or a run folder.")],
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder with one subfolder of images per class, or with such subfolders in train/, val/ or test/.",
        ),
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="SET|FILE",
            help="Published weights (imagenet, cifar10), or a file. Default: those that come with convlens.",
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(metavar="PIXELS", help="Side of the input in pixels. Default: the weights' own.")
    ] = None,
    side: Annotated[
        str | None, typer.Option(metavar="SIDE", help="train, val, test or all. Default: val if there is one.")
    ] = None,
    unknown: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of images of none of the classes: measure how well a run tells them apart."
        ),
    ] = None,
    reject: Annotated[
        str | None,
        typer.Option(metavar="RATE", help="With --unknown: reject this part of images of the classes. Default: 5%."),
    ] = None,
    slices: Annotated[
        bool,
        typer.Option(
            "--slices",
            help="Accuracy on parts of the images: by folder, size, quality, camera, brightness, sharpness, and each "
            "column of the table of labels; names the worst.",
        ),
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Evaluate a network or a run on a folder of labeled images."""
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks.evaluate import evaluate as task
    record = task(
        run,
        folder,
        weights=weights,
        size=size,
        side=_side(side),
        unknown=unknown,
        reject=None if reject is None else rate_of("--reject", reject),
        slices=slices,
        progress=screen.progress,
        say=screen.say,
        **given_settings(context),
    )
    say_problems(record.bad_files, screen.say)
    screen.show(record, lambda: _print(record))


def _side(value: str | None) -> "SideAsked | None":
    from typing import get_args

    from convlens.core.errors import unknown_name
    from convlens.tasks.evaluate import SideAsked

    for side in get_args(SideAsked):
        if value == side:
            return side  # type: ignore[no-any-return]
    if value is not None:
        raise unknown_name("--side", value, get_args(SideAsked))
    return None


def _print(record: "EvaluationRecord") -> None:
    evaluation = record.evaluation
    echo(f"{record.network}, weights {record.weights}:")
    for line in outcome_lines(evaluation, f"{record.images} {_IMAGES[record.side]}"):
        echo(line)
    if (new := record.without_trained) is not None:
        low, high = new.interval
        echo(
            f"To quote: accuracy {new.accuracy:.1%} (95% interval {low:.1%} to {high:.1%}), without the "
            f"{record.trained_on} images that it was trained on: {new.images} are new to it"
        )
    for line in evaluation.detail_lines():
        echo(printable(line))
    if found := record.calibration:
        low, high = found.interval
        error = f"{found.expected_calibration_error:.1%} (95% interval {low:.1%} to {high:.1%})"
        echo(f"Calibration error {error}; Brier score {found.brier:.3f}, log loss {found.log_loss:.3f}")
    if record.unknown:
        for line in _unknown_lines(record.unknown):
            echo(printable(line))
    if record.slices:
        for line in _slice_lines(record.slices):
            echo(printable(line))
    if record.published_accuracy is not None:
        echo(f"Published for these weights: {record.published_accuracy:.2%}")
    used = record.preprocessing
    rate = f"{record.images_per_second:.0f} images/s"
    sides = "both sides" if used.squash else "the longer side" if used.letterbox else "the shorter side"
    echo(f"Input    {used.size} pixels, {sides} resized to {used.resize}; {rate}")


_SLICES_SHOWN = 3
_SCORES = {
    "neighbors": "distance to the nearest training images",
    "means": "distance to the means of the classes",
    "energy": "energy of the logits",
    "max_softmax": "highest probability",
}


def _slice_lines(found: "Slices") -> "Iterator[str]":
    worst = found.worst
    if worst:
        yield f"Slices   the worst of {found.looks} is {_slice_told(worst)}, {worst.others:.1%} on the others"
    else:
        yield f"Slices   none of {found.looks} is shown to be worse than the rest; the least accurate:"
    for one in found.slices[:_SLICES_SHOWN]:
        if one != worst:
            yield f"         {_slice_told(one)}"


def _slice_told(one: "Slice") -> str:
    low, high = one.interval
    return f"{one.fact} {one.value}: {one.accuracy:.1%} of {one.images} images ({low:.1%} to {high:.1%})"


def _unknown_lines(found: "Unknown") -> "Iterator[str]":
    alarms, (low, high) = found.false_alarms, found.interval
    yield (
        f"Foreign  {found.detected:.1%} of {found.images} images of {found.folder} are rejected (95% interval "
        f"{low:.1%} to {high:.1%})"
    )
    low, high = alarms.interval
    asked = f"{100 * alarms.asked:.3g}%"
    yield (
        f"         {alarms.reached:.1%} of {found.known} images of the classes are, too, where {asked} may be "
        f"({low:.1%} to {high:.1%})"
    )
    for one in found.separation:
        yield f"         AUROC {one.auroc:.3f} by {_SCORES[one.score]}"
