"""`convlens check DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.recipe_options import RecipeCommand, given_settings
from convlens.cli.screen import JsonOption, QuietOption, Screen, printable
from convlens.cli.streams import echo
from convlens.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from convlens.core.check import CheckRecord

_CLASSES_SHOWN = 20
_FILES_SHOWN = 3


class CheckCommand(RecipeCommand):
    """The command, with the settings that say what an image's label is."""

    names = ("labels", "file_column", "task", "label_columns", "nested", "predefined_split")


def check(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder with one subfolder of images per class, or with such subfolders in train/ and val/; or a zip "
            "or tar file of one.",
        ),
    ],
    max_bad: Annotated[
        str, typer.Option(metavar="FRACTION", help="Exit with code 3 if more files than this are unusable.")
    ] = "5%",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with thumbnails, class by class.")
    ] = None,
    fix_list: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Write suggested fixes to a table; no image is changed.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find unusable files, duplicates and look-alikes in a folder.

    The folder is only read. Whether labels are correct is not checked.
    """
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks.check import check_images
    record = check_images(
        folder,
        most_bad=_part(max_bad),
        html=html,
        fix_list=fix_list,
        progress=screen.progress,
        say=screen.say,
        **given_settings(context),
    )
    screen.show(record, lambda: _print(record))
    for name, path in (("Page", html), ("Suggestions", fix_list)):
        if path is not None:
            screen.say(f"{name} {path}")
    if record.too_bad:
        screen.say(f"{record.bad_share:.1%} of the files cannot be used, more than --max-bad {max_bad}")
        raise typer.Exit(DataError.exit_code)


def _part(text: str) -> float:
    """0.05 for "5%", "5 %" and "0.05"."""
    number = text.strip().removesuffix("%")
    try:
        return float(number) / (100 if number != text.strip() else 1)
    except ValueError:
        raise UsageError(f"--max-bad {text!r}: give a fraction of the files, such as 5% or 0.05.") from None


def _print(record: "CheckRecord") -> None:
    from convlens.core.check import balance_told
    from convlens.core.run import NO_LABEL, outside_table

    echo(
        f"{record.usable} of {record.files} files can be used ({record.bad_share:.1%} cannot), "
        f"{record.images_per_second:.0f} images/s"
    )
    ranked = sorted(record.classes, key=lambda one: -one.images)
    for one in ranked[:_CLASSES_SHOWN]:
        sides = ", ".join(
            f"{n} {name}" for name, n in (("train", one.train), ("val", one.val), ("test", one.test)) if n
        )
        echo(f"{one.images:8}  {printable(one.name)}" + (f"  ({sides})" if sides else ""))
    if len(ranked) > _CLASSES_SHOWN:
        echo(f"          and {len(ranked) - _CLASSES_SHOWN} more classes")
    if balance := balance_told(record):
        echo(balance)
    if outside := outside_table(record.problems):
        echo(f"{outside}: they are left out")
    for reason, times in record.reasons.items():
        if reason == NO_LABEL:
            continue
        some = [problem for problem in record.problems if problem.reason == reason]
        echo(f"{times:8}  {reason}, {'used' if all(problem.used for problem in some) else 'not used'}")
        for problem in some[:_FILES_SHOWN]:
            echo(f"          {printable(problem.file)}: {printable(problem.detail)}")
