"""`convlens study NAME`."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from convlens.cli.groups import GroupedCommand
from convlens.cli.screen import JsonOption, QuietOption, Screen
from convlens.cli.streams import echo
from convlens.core.amounts import size_of
from convlens.core.claims import CLAIMS, INDEX_PAGE, STUDIES_FOLDER, STUDY_PAGE
from convlens.core.durations import duration
from convlens.core.errors import UsageError

app = typer.Typer(help="Put the field's claims to the test, as experiments.", add_completion=False)

FoldersArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[DIR]...", help="Folders of images, one folder per class. Default: handwritten digits."),
]
FullOption = Annotated[bool, typer.Option("--full", help="Measure at the size that was published: hours or days.")]
SeedsOption = Annotated[
    int | None, typer.Option(metavar="N", help="Measure each case N times; more add to what is there.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SIZE=VALUE", help="Measure at another size, such as epochs=20."),
]
OutOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder for record and page. Default: studies/NAME.")
]


@app.callback()
def study() -> None:
    """Put the field's claims to the test, as experiments."""


def _with_images(name: str) -> Callable[..., None]:
    def command(
        folders: FoldersArgument = None,
        full: FullOption = False,
        seeds: SeedsOption = None,
        sizes: SetOption = None,
        out: OutOption = None,
        json: JsonOption = False,
        quiet: QuietOption = False,
    ) -> None:
        _run(name, folders or [], full, seeds, sizes or [], out, Screen(json=json, quiet=quiet))

    return command


def _without_images(name: str) -> Callable[..., None]:
    def command(
        full: FullOption = False,
        seeds: SeedsOption = None,
        sizes: SetOption = None,
        out: OutOption = None,
        json: JsonOption = False,
        quiet: QuietOption = False,
    ) -> None:
        _run(name, [], full, seeds, sizes or [], out, Screen(json=json, quiet=quiet))

    return command


def _help(name: str) -> str:
    claim = CLAIMS[name]
    parts = [claim.summary, f"The claim: {claim.claim}", f"Source: {claim.source}.", claim.experiment]
    larger = f"With --full: {claim.larger}. " if claim.larger else ""
    parts.append(f"{larger}The page is written anew with every case; after an interruption the same command continues.")
    return "\n\n".join(parts)


for _name, _claim in CLAIMS.items():
    _command = (_with_images if _claim.images else _without_images)(_name)
    app.command(_name, cls=GroupedCommand, help=_help(_name), short_help=_claim.summary)(_command)


def _run(
    name: str,
    folders: list[Path],
    full: bool,
    seeds: int | None,
    sizes: list[str],
    out: Path | None,
    screen: Screen,
) -> None:
    with screen.starting():
        from convlens.studies.registry import study as run

    command = shlex.join(["convlens", *sys.argv[1:]])
    record = run(
        name,
        folders,
        out=out,
        full=full,
        seeds=seeds,
        sizes=_by_name(sizes),
        progress=screen.progress,
        say=screen.say,
        command=command,
    )

    def told() -> None:
        for one in record.conclusion.findings:
            echo(f"{one.verdict.capitalize() + ':':11} {one.sentence}")
        if record.conclusion.caveat:
            echo(record.conclusion.caveat)
        echo(f"{len(record.measured)} cases, measured in {duration(record.seconds)}")
        echo(f"Page {(out or STUDIES_FOLDER / name) / STUDY_PAGE}")
        if out is None:
            echo(f"Index {STUDIES_FOLDER / INDEX_PAGE}")

    screen.show(record, told)


def _by_name(sizes: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in sizes]
    for name, equals, _ in pairs:
        if not equals:
            raise UsageError(f"--set {name}: give a size and its value, such as --set epochs=20.")
    return {name.strip(): value for name, _, value in pairs}


@app.command(cls=GroupedCommand)
def complexity(
    networks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NET]...", help="Networks to compare. Default: all with published accuracy."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pages.")] = STUDIES_FOLDER / "complexity",
    batch: Annotated[int, typer.Option(help="Batch size of the measurements.")] = 8,
    measure: Annotated[bool, typer.Option(help="Measure speed, memory and energy on this machine.")] = True,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Plot accuracy against multiply-adds, speed and memory.

    Writes HTML and SVG; the area of a circle is the number of parameters. After an interruption, the same command
    continues with the next network.
    """
    from convlens.studies.complexity import complexity_pages

    screen = Screen(json=json, quiet=quiet)
    record, page = complexity_pages(out, networks or (), batch=batch, measure=measure, progress=screen.progress)

    def told() -> None:
        for point in sorted(record.points, key=lambda point: -point.top1):
            speed = f"{point.images_per_second:8.1f} images/s" if point.images_per_second else ""
            memory = f"  {size_of(point.peak_bytes):>8}" if point.peak_bytes is not None else ""
            energy = f"  {point.joules_per_image:.3g} J/image" if point.joules_per_image is not None else ""
            echo(
                f"{point.name:18} {point.top1:6.2f}%  {point.multiply_adds / 1e9:7.3f} G multiply-adds  "
                f"{point.parameters / 1e6:7.2f} M parameters  {speed}{memory}{energy}"
            )
        echo(f"Page {page}")

    screen.show(record, told)


@app.command(cls=GroupedCommand)
def redraw(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Folder with the folders of studies.")
    ] = STUDIES_FOLDER,
) -> None:
    """Draw all pages anew from their records, with an index; nothing is run."""
    from convlens.report.study import write_study_index

    index = write_study_index(folder)
    if index is None:
        raise UsageError(f"{folder} holds no folders of studies; give the folder that their folders lie in.")
    echo(f"Index {index}")
