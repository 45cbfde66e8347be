"""`convlens predict RUN|NET IMAGE...`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.outcome import say_problems
from convlens.cli.screen import JsonOption, PublishedWeightsOption, QuietOption, Screen, printable
from convlens.cli.table import print_table
from convlens.core.errors import DataError

if TYPE_CHECKING:
    from convlens.core.prediction import PredictionRecord

_LEAST_WIDTH = 60


def predict(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN|NET",
            help="Run folder made by `convlens train`, or a network by name, such as efficientnet_lite0, which "
            "predicts the 1000 ImageNet classes.",
        ),
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE|DIR...", help="Images, or folders of images.")],
    weights: PublishedWeightsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Predict classes, labels or numbers with a run or a network."""
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks.predict import predict as task
    record = task(run, *images, weights=weights, progress=screen.progress, say=screen.say)
    say_problems(record.bad_files, screen.say)
    screen.show(record, lambda: _print_table(record))
    if not record.predictions:
        raise DataError(
            f"no image that can be classified (files found: {len(record.bad_files)}). Give image files, or "
            "folders of images."
        )


def _print_table(record: "PredictionRecord") -> None:
    from rich.table import Table
    from rich.text import Text

    from convlens.core.kinds.registry import KINDS

    kind = KINDS[record.task]
    columns = kind.shown_columns(list(record.predictions[0].answers) if record.predictions else [])
    table = Table("image", *columns, box=None)
    for one in record.predictions:
        cells = (one.file, *kind.shown_cells(one.predicted, one.answers))
        table.add_row(*(Text(printable(cell), overflow="fold") for cell in cells))
    if record.predictions:
        print_table(table, _LEAST_WIDTH)
