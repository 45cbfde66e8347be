"""`convlens predict RUN|NET IMAGE...`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.screen import JsonOption, QuietOption, Screen, printable
from convlens.core.errors import DataError

if TYPE_CHECKING:
    from convlens.core.prediction import Prediction, PredictionRecord
    from convlens.core.target import TargetKind

_MOST_SHOWN = 5
_LEAST_WIDTH, _UNLIMITED = 60, 10_000


def predict(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN|NET",
            help="Run folder made by `convlens train`, or a network by name, such as efficientnet_lite0, which tells "
            "the 1000 classes of ImageNet.",
        ),
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE|DIR...", help="Images, or folders of images.")],
    weights: Annotated[
        str | None,
        typer.Option(metavar="SET|FILE", help="Of a network by name: another published set, or a file of weights."),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Predict classes, labels or numbers with a run or a network."""
    from convlens.tasks.predict import predict as task

    screen = Screen(json=json, quiet=quiet)
    record = task(run, *images, weights=weights, progress=screen.progress)
    for bad in record.bad_files:
        screen.say(f"{bad.file}: {bad.reason}, {bad.detail}")
    screen.show(record, lambda: _print_table(record))
    if not record.predictions:
        raise DataError(
            f"no image that can be classified (files found: {len(record.bad_files)}). Give image files, or "
            "folders of images."
        )


def _print_table(record: "PredictionRecord") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("image", *_columns(record), box=None)
    for one in record.predictions:
        table.add_row(*(Text(printable(cell), overflow="fold") for cell in (one.file, *_cells(one, record.target))))
    if record.predictions:
        # Lines in a pipe have no end to be cut off at, and in a few columns nothing would be left of a table.
        width = max(Console().width, _LEAST_WIDTH) if sys.stdout.isatty() else _UNLIMITED
        Console(width=width).print(table)


def _columns(record: "PredictionRecord") -> list[str]:
    if record.target == "numbers":
        return list(record.predictions[0].numbers) if record.predictions else []
    return ["class", "probability", "others"] if record.target == "class" else ["labels", "likeliest"]


def _cells(one: "Prediction", target: "TargetKind") -> list[str]:
    """What is said of an image, besides its name."""
    if target == "numbers":
        return [f"{number:.6g}" for number in one.numbers.values()]
    ranked = sorted(one.probabilities.items(), key=lambda item: -item[1])
    told = [f"{name} {p:.1%}" for name, p in ranked[:_MOST_SHOWN]]
    if target == "labels":
        return [one.predicted or "none", ", ".join(told)]
    return [one.predicted, f"{ranked[0][1]:.1%}", ", ".join(told[1:])]
