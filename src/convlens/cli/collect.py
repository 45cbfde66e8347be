"""`convlens collect WORD...`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.screen import JsonOption, QuietOption, Screen, printable
from convlens.cli.streams import echo

if TYPE_CHECKING:
    from convlens.core.collection import CollectionRecord


def collect(
    words: Annotated[
        list[str],
        typer.Argument(metavar="WORD...", help="One class each, such as 'asian elephant', or class=query."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to create; an unfinished collection is continued.")],
    count: Annotated[int, typer.Option(help="Images per class.")] = 300,
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Where to search: flickr (key in FLICKR_API_KEY), openverse or wikimedia. Default: all available.",
        ),
    ] = None,
    licence: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="Licenses to accept: cc (Creative Commons and public domain), commercial (those that allow commercial "
            "use), public-domain, or any (including all rights reserved).",
        ),
    ] = "cc",
    max_side: Annotated[
        int | None, typer.Option(metavar="PIXELS", help="Shrink images whose longer side exceeds this, such as 1024.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Collect images by keyword, with their licenses and authors."""
    from convlens.tasks.collect import collect as task

    screen = Screen(json=json, quiet=quiet)
    record = task(
        words,
        out,
        count=count,
        provider=provider,
        licence=licence,
        max_side=max_side,
        progress=screen.progress,
        say=screen.say,
    )
    screen.show(record, lambda: _print(record))


def _print(record: "CollectionRecord") -> None:
    for one in record.classes:
        echo(f"{one.present:6} of {one.wanted}  {printable(one.name)}")
        told = ", ".join(f"{times} {reason}" for reason, times in one.outcomes.items())
        echo(f"        {one.addresses} addresses" + (f": {told}" if told else ""))
    echo(f"Credits  {record.folder}/CREDITS.html")
    echo(f"Look     convlens check {record.folder}")
