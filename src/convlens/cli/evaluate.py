"""`convlens evaluate NET|RUN DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.division import LabelColumnsOption, NestedOption
from convlens.cli.outcome import outcome_lines
from convlens.cli.screen import JsonOption, QuietOption, Screen, printable
from convlens.cli.streams import echo

if TYPE_CHECKING:
    from convlens.core.evaluation import EvaluationRecord
    from convlens.tasks.evaluate import SideAsked


def evaluate(
    judged: Annotated[str, typer.Argument(metavar="NET|RUN", help="A network's name, or a run folder.")],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="One folder of images per class, or train/, val/, test/ with such.")
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="SET|FILE", help="Published weights (imagenet, cifar10), or a file; default: the package's."
        ),
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels; default: the weights' own.")] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="CSV", help="A table of labels, in place of class folders.")
    ] = None,
    label_columns: LabelColumnsOption = "",
    nested: NestedOption = False,
    side: Annotated[str | None, typer.Option(help="train, val, test or all; default: val where there is one.")] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """How a network with trained weights, or a run, does on a folder of labeled images."""
    from convlens.tasks.evaluate import evaluate as task

    screen = Screen(json=json, quiet=quiet)
    record = task(
        judged,
        folder,
        weights=weights,
        size=size,
        labels=labels,
        label_columns=label_columns,
        nested=nested,
        side=_side(side),
        progress=screen.progress,
    )
    for bad in record.bad_files:
        screen.say(f"{bad.file}: {bad.reason}, {bad.detail}")
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
    for line in outcome_lines(evaluation, f"{record.images} images of {record.side}"):
        echo(line)
    for line in evaluation.detail_lines():
        echo(printable(line))
    if record.published_accuracy is not None:
        echo(f"Published for these weights: {record.published_accuracy:.2%}")
    used = record.preprocessing
    rate = f"{record.images_per_second:.0f} images/s"
    echo(f"Input    {used.size} pixels, the shorter side resized to {used.resize}; {rate}")
