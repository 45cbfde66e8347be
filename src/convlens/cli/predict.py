"""`convlens predict RUN IMAGE...`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.screen import JsonOption, QuietOption, Screen

if TYPE_CHECKING:
    from convlens.core.prediction import PredictionRecord

_MOST_SHOWN = 3


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder made by `convlens train`.")],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE|DIR...", help="Pictures, or folders of pictures.")
    ],
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Class and probabilities of pictures, by a trained run."""
    from convlens.tasks.predict import predict as task

    screen = Screen(json=json, quiet=quiet)
    record = task(run, *images, progress=screen.progress)
    screen.show(record, lambda: _print_table(record))
    if not record.predictions:
        raise typer.Exit(3)


def _print_table(record: "PredictionRecord") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("picture", "class", "probability", "others", box=None)
    for one in record.predictions:
        ranked = sorted(one.probabilities.items(), key=lambda item: -item[1])
        others = ", ".join(f"{name} {p:.1%}" for name, p in ranked[1:_MOST_SHOWN])
        table.add_row(escape(one.file), escape(one.predicted), f"{ranked[0][1]:.1%}", escape(others))
    if record.predictions:
        Console().print(table)
    for bad in record.bad_files:
        typer.echo(f"{bad.file}: {bad.reason}, {bad.detail}", err=True)
