"""`convlens map DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.embed import BackboneOption, LayerOption, SizeOption
from convlens.cli.outcome import say_problems
from convlens.cli.screen import JsonOption, PublishedWeightsOption, QuietOption, Screen, printable
from convlens.cli.streams import echo

if TYPE_CHECKING:
    from convlens.core.embedding import MapRecord

_GROUPS_SHOWN = 20


def map_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of images, with class folders or without.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Page to write.")] = Path("map.html"),
    backbone: BackboneOption = "efficientnet_lite0",
    weights: PublishedWeightsOption = None,
    size: SizeOption = None,
    layer: LayerOption = "backbone",
    method: Annotated[
        str, typer.Option(metavar="tsne|pca", help="How the plane is found: t-SNE, or principal components.")
    ] = "tsne",
    clusters: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Color by so many groups that k-means finds, not by classes. Default without classes: as many as fit "
            "best.",
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show the images of a folder on one page, alike ones together."""
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks.map import map_images as task
    record = task(
        folder,
        out=out,
        backbone=backbone,
        weights=weights,
        size=size,
        layer=layer,
        method=method,
        clusters=clusters,
        progress=screen.progress,
        say=screen.say,
    )
    say_problems([one for one in record.bad_files if not one.used], screen.say)
    screen.show(record, lambda: _print(record))


def _print(record: "MapRecord") -> None:
    part = f" of {record.images}" if record.shown < record.images else ""
    echo(f"{record.shown}{part} images in a plane, trustworthy to {record.trustworthiness:.1%} for the nearest ten")
    groups = [f"{one.name} {one.images}" for one in record.groups[:_GROUPS_SHOWN]]
    more = f" and {len(record.groups) - _GROUPS_SHOWN} more" if len(record.groups) > _GROUPS_SHOWN else ""
    echo(printable(f"{'Classes' if record.by_class else 'Groups '}  {', '.join(groups)}{more}"))
    echo(printable(f"Page     {record.page}"))
