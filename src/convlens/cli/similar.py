"""`convlens similar IMAGE DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.embed import BackboneOption, LayerOption, SizeOption
from convlens.cli.outcome import say_problems
from convlens.cli.screen import JsonOption, PublishedWeightsOption, QuietOption, Screen, printable
from convlens.cli.table import print_table

if TYPE_CHECKING:
    from convlens.core.embedding import SimilarRecord

_LEAST_WIDTH = 40


def similar(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The image that others are to be like.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of images to search.")],
    count: Annotated[int, typer.Option(metavar="N", help="Images to find.")] = 10,
    backbone: BackboneOption = "efficientnet_lite0",
    weights: PublishedWeightsOption = None,
    size: SizeOption = None,
    layer: LayerOption = "backbone",
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with thumbnails.")] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find the images of a folder that are most like another one."""
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks.similar import similar as task
    record = task(
        image,
        folder,
        count=count,
        backbone=backbone,
        weights=weights,
        size=size,
        layer=layer,
        html=html,
        progress=screen.progress,
        say=screen.say,
    )
    say_problems([one for one in record.bad_files if not one.used], screen.say)
    screen.show(record, lambda: _print(record))


def _print(record: "SimilarRecord") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("similarity", "image", box=None)
    for one in record.similar:
        told = f"{one.file} (the same file)" if one.same_bytes else one.file
        table.add_row(f"{one.similarity:.3f}", Text(printable(told), overflow="fold"))
    print_table(table, _LEAST_WIDTH)
