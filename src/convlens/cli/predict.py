"""`convlens predict RUN IMAGE...`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.screen import JsonOption, QuietOption, Screen, printable
from convlens.core.errors import DataError

if TYPE_CHECKING:
    from convlens.core.prediction import PredictionRecord

_MOST_SHOWN = 3
_UNLIMITED = 10_000


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder made by `convlens train`.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE|DIR...", help="Pictures, or folders of pictures.")],
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Class and probabilities of pictures, by a trained run."""
    from convlens.tasks.predict import predict as task

    screen = Screen(json=json, quiet=quiet)
    record = task(run, *images, progress=screen.progress)
    for bad in record.bad_files:
        screen.say(f"{bad.file}: {bad.reason}, {bad.detail}")
    screen.show(record, lambda: _print_table(record))
    if not record.predictions:
        raise DataError(
            f"no picture that can be classified (files found: {len(record.bad_files)}). Give picture files, or "
            "folders of pictures."
        )


def _print_table(record: "PredictionRecord") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("picture", "class", "probability", "others", box=None)
    for one in record.predictions:
        ranked = sorted(one.probabilities.items(), key=lambda item: -item[1])
        others = ", ".join(f"{name} {p:.1%}" for name, p in ranked[1:_MOST_SHOWN])
        cells = (one.file, one.predicted, f"{ranked[0][1]:.1%}", others)
        table.add_row(*(Text(printable(cell), overflow="fold") for cell in cells))
    if record.predictions:
        width = None if sys.stdout.isatty() else _UNLIMITED  # lines in a pipe have no end to be cut off at
        Console(width=width).print(table)
