"""`convlens extend RUN DIR`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.recipe_options import RecipeCommand, given_settings
from convlens.cli.screen import JsonOption, QuietOption, Screen, printable
from convlens.cli.streams import echo
from convlens.cli.train import print_run

if TYPE_CHECKING:
    from convlens.core.extension import Extension
    from convlens.core.run import RunRecord


class ExtendCommand(RecipeCommand):
    """The command, with the settings that say what an added image's label is."""

    names = ("labels", "file_column", "label_columns", "nested", "predefined_split", "group_by")


def extend(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder that `convlens train` made.")],
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder with one subfolder of images per class, new or known; or of images that --labels lists.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="RUN2", help="Run folder to create. Default: runs/TIME-DIR-NET.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Add a class, or more images, to a run in seconds.

    A new last layer is fitted in closed form to stored features of old and new images. RUN stays as it is.
    """
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks.extend import extend as task
    record = task(run, folder, out=out, progress=screen.progress, say=screen.say, **given_settings(context))
    screen.show(record, lambda: _print(record))


def _print(record: "RunRecord") -> None:
    if record.extension is not None:
        for line in _lines(record.extension):
            echo(printable(line))
    print_run(record)


def _lines(found: "Extension") -> Iterator[str]:
    low, high = (100 * bound for bound in found.interval)
    change = 100 * (found.after - found.before)
    named = ", ".join(found.new_classes)
    yield (
        f"Added    {found.train} training and {found.val} validation images"
        + (f"; new {'class' if len(found.new_classes) == 1 else 'classes'} {named}" if named else " of known classes")
    )
    yield (
        f"Before   {found.before:.1%} of {found.compared} validation images of {found.run} right, now "
        f"{found.after:.1%}: {change:+.1f} points (95% interval {low:+.1f} to {high:+.1f})"
    )
    if found.new_classes:
        yield f"         {found.taken_for_new} of them are now taken for a new class"
