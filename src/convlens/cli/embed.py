"""`convlens embed DIR`."""

from pathlib import Path
from typing import Annotated

import typer

from convlens.cli.outcome import say_problems
from convlens.cli.screen import JsonOption, PublishedWeightsOption, QuietOption, Screen, printable
from convlens.cli.streams import echo

BackboneOption = Annotated[
    str,
    typer.Option(metavar="RUN|NET", help="Run folder made by `convlens train`, or a network by name."),
]
SizeOption = Annotated[int | None, typer.Option(metavar="PIXELS", help="For a network by name: side of the input.")]
LayerOption = Annotated[
    str,
    typer.Option(
        metavar="MODULE",
        help="Take the mean over all places of this module's output, such as layer3 of resnet18; `convlens inspect` "
        "lists them. Default: what the last layer reads.",
    ),
]


def embed(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of images, with class folders or without.")],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="File to write: .csv, .parquet, or .npy with a CSV of files and labels beside it.",
        ),
    ],
    backbone: BackboneOption = "efficientnet_lite0",
    weights: PublishedWeightsOption = None,
    size: SizeOption = None,
    layer: LayerOption = "backbone",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a vector for each image, for use in other programs."""
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks.embed import embed as task
    record = task(
        folder,
        out=out,
        backbone=backbone,
        weights=weights,
        size=size,
        layer=layer,
        progress=screen.progress,
        say=screen.say,
    )
    say_problems([one for one in record.bad_files if not one.used], screen.say)
    written = " and ".join(record.files)
    told = f"{written}  {record.images} vectors of {record.dimensions} numbers, with {' and '.join(record.columns)}"
    screen.show(record, lambda: echo(printable(told)))
