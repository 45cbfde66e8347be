"""`convlens suggest RUN DIR`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.outcome import say_problems
from convlens.cli.screen import JsonOption, QuietOption, Screen, printable
from convlens.cli.streams import echo
from convlens.cli.table import print_table

if TYPE_CHECKING:
    from convlens.core.suggestion import SuggestionRecord

_LEAST_WIDTH = 60


def suggest(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder that `convlens train` made.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of unlabeled images.")],
    count: Annotated[int, typer.Option(metavar="N", help="How many images to suggest.")] = 50,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a page to label them on, by keys; it saves labels.csv for `convlens extend`."
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Suggest which unlabeled images to label next.

    Those that the run is unsure of and that differ from each other. Images that the run knows are left out.
    """
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks.suggest import suggest as task
    record = task(run, folder, count=count, html=html, progress=screen.progress, say=screen.say)
    say_problems(record.bad_files, screen.say)
    screen.show(record, lambda: _print(record))
    if html is not None:
        screen.say(f"Page {html}: label them there, save labels.csv, then")
        screen.say(f"  convlens extend {shlex.quote(run)} {shlex.quote(str(folder))} --labels labels.csv")


def _print(record: "SuggestionRecord") -> None:
    from rich.table import Table
    from rich.text import Text

    known = f" ({record.known} more are in the run already)" if record.known else ""
    echo(f"{len(record.suggestions)} of {record.images} unlabeled images{known}")
    table = Table("image", "likeliest", "", "next", "", box=None, header_style="bold", pad_edge=False)
    for one in record.suggestions:
        (first, p), (second, q), *_ = one.likeliest.items()
        cells = (one.file, first, f"{p:.0%}", second, f"{q:.0%}")
        table.add_row(*(Text(printable(cell)) for cell in cells))
    print_table(table, _LEAST_WIDTH)
