"""`convlens runs [DIR]`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.screen import JsonOption, Screen, printable
from convlens.cli.streams import echo
from convlens.cli.table import print_table
from convlens.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convlens.core.run_list import Difference, RunDifference, RunList

_LEAST_WIDTH = 100


def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that holds runs.")] = Path("runs"),
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Only runs on this folder of images.")] = None,
    best: Annotated[bool, typer.Option("--best", help="Print only the path of the run with the best score.")] = False,
    diff: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Show what the recipe, data and result of two runs differ in."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List runs: when, on what, which network, how good.

    Scores are those of each run's own validation images; `convlens compare` tests differences.
    """
    from convlens.tasks.runs import diff_runs, list_runs

    screen = Screen(json=json, quiet=False)
    if diff is not None:
        difference = diff_runs(*diff)
        screen.show(difference, lambda: _print_difference(difference))
        return
    record = list_runs(folder, data=data)
    if best and record.best is None:
        raise UsageError(f"there is no best run in {folder}: {record.incomparable}. Choose runs with --data DIR.")
    screen.show(record, lambda: echo(str(record.best)) if best else _print_list(record))


def _print_list(record: "RunList") -> None:
    from rich.table import Table
    from rich.text import Text

    if not record.runs:
        echo(f"no finished run in {printable(record.folder)}")
    else:
        table = Table("run", "created", "images", "network", "score", box=None)
        table.add_column("size", justify="right")
        for one in record.runs:
            mark = " ← best" if one.run == record.best and len(record.runs) > 1 else ""
            cells = (
                one.run,
                one.created.replace("T", " ").removesuffix("+00:00"),
                f"{Path(one.folder).name} ({one.images.train} + {one.images.val})",
                one.backbone,
                f"{one.score_text} {one.score_name}{mark}",
                f"{one.bytes / 1e6:.1f} MB",
            )
            table.add_row(*(Text(printable(cell), overflow="fold") for cell in cells))
        print_table(table, _LEAST_WIDTH)
    for bad in record.unreadable:
        echo(printable(f"{bad.file}: {bad.detail}"))


def _print_difference(record: "RunDifference") -> None:
    for run in (record.first, record.second):
        echo(printable(f"{run.run}: {run.score_text} {run.score_name} on {run.images.val} validation images"))
    echo(f"{record.common_validation_images} validation images are the same in both")
    _print_fields("recipe", record.recipe)
    _print_fields("data", record.data)
    _print_fields("made with", record.made_with)


def _print_fields(title: str, differences: "Sequence[Difference]") -> None:
    echo(f"{title}: {'the same' if not differences else ''}".rstrip())
    for one in differences:
        echo(printable(f"  {one.field}: {one.first} → {one.second}"))
