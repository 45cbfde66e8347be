"""`convlens predict RUN|NET IMAGE...`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.outcome import say_problems
from convlens.cli.rate import rate_of
from convlens.cli.screen import JsonOption, PublishedWeightsOption, QuietOption, Screen, printable
from convlens.cli.table import print_table
from convlens.core.errors import DataError

if TYPE_CHECKING:
    from convlens.core.prediction import Judgment, PredictionRecord

_LEAST_WIDTH = 60
_NONE = "none of these"


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
    reject: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Say 'none of these' of images that are as unlike the training images as this part of them is, such "
            "as 5% (default). So many images of the classes are rejected by mistake.",
        ),
    ] = None,
    coverage: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Show the classes that cannot be excluded: they include the true class of this part of the images, "
            "such as 95%.",
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Predict classes, labels or numbers with a run or a network."""
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks.predict import predict as task
    record = task(
        run,
        *images,
        weights=weights,
        reject=None if reject is None else rate_of("--reject", reject),
        coverage=None if coverage is None else rate_of("--coverage", coverage),
        progress=screen.progress,
        say=screen.say,
    )
    say_problems(record.bad_files, screen.say)
    screen.show(record, lambda: _print_table(record, possible=coverage is not None))
    if not record.predictions:
        raise DataError(
            f"no image that can be classified (files found: {len(record.bad_files)}). Give image files, or "
            "folders of images."
        )


def _print_table(record: "PredictionRecord", *, possible: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from convlens.core.kinds.registry import KINDS

    kind = KINDS[record.task]
    columns = kind.shown_columns(list(record.predictions[0].answers) if record.predictions else [])
    if possible and record.coverage:
        columns = [*columns[:-1], f"possible at {100 * record.coverage:.4g}%", *columns[-1:]]
    table = Table("image", *columns, box=None)
    for one in record.predictions:
        cells = [one.file, *kind.shown_cells(one.predicted, one.answers)]
        if possible and one.judgment:
            cells.insert(-1, ", ".join(one.judgment.possible))
        if one.judgment and one.judgment.rejected:
            cells[1:3] = [_NONE, f"({cells[2]} {cells[1]})"]
            cells[-1] = _why(one.judgment)
        table.add_row(*(Text(printable(cell), overflow="fold") for cell in cells))
    if record.predictions:
        print_table(table, _LEAST_WIDTH)


def _why(judgment: "Judgment") -> str:
    """Why an image is none of the classes."""
    first = judgment.nearest[0]
    return (
        f"{judgment.p_value:.1%} of the training images are as unlike the others; most like {first.file} "
        f"({first.label}, {first.similarity:.2f})"
    )
