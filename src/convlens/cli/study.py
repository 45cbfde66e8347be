"""`convlens study NAME`."""

from pathlib import Path
from typing import Annotated

import typer

from convlens.cli.groups import GroupedCommand
from convlens.cli.screen import JsonOption, QuietOption, Screen
from convlens.cli.streams import echo

app = typer.Typer(help="Reproduce published results as experiments.", add_completion=False)


@app.callback()
def study() -> None:
    """Reproduce published results as experiments."""


@app.command(cls=GroupedCommand)
def complexity(
    networks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NET]...", help="Networks to compare. Default: all with published accuracy."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pages.")] = Path("studies/complexity"),
    batch: Annotated[int, typer.Option(help="Batch size of the speed measurement.")] = 8,
    measure: Annotated[bool, typer.Option(help="Measure images per second on this machine.")] = True,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Plot accuracy against multiply-adds and speed.

    Writes HTML and SVG; the area of a circle is the number of parameters. After an interruption, the same command
    continues with the next network.
    """
    from convlens.studies.complexity import complexity_pages

    screen = Screen(json=json, quiet=quiet)
    record, page = complexity_pages(out, networks or (), batch=batch, measure=measure, progress=screen.progress)

    def told() -> None:
        for point in sorted(record.points, key=lambda point: -point.top1):
            speed = f"{point.images_per_second:8.1f} images/s" if point.images_per_second else ""
            echo(
                f"{point.name:18} {point.top1:6.2f}%  {point.multiply_adds / 1e9:7.3f} G multiply-adds  "
                f"{point.parameters / 1e6:7.2f} M parameters  {speed}"
            )
        echo(f"Page {page}")

    screen.show(record, told)
