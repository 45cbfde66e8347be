"""What a command shows: progress and messages on standard error, results on standard output."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.streams import columns_of, echo, tell
from convlens.core.durations import duration, pace
from convlens.core.progress import Advance, Progress, silent
from convlens.core.settings import as_flags

if TYPE_CHECKING:
    from convlens.core.records import Record

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON record, and nothing else, to standard output.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result: no progress, no messages.")]
PublishedWeightsOption = Annotated[
    str | None,
    typer.Option(metavar="SET|FILE", help="For a network by name: another published set, or a weights file."),
]

_STAGES = {
    "scan": ("Scanning the folder", "files"),
    "check": ("Examining the images", "images"),
    "collect": ("Collecting", "images"),
    "decode": ("Decoding the images", "images"),
    "download": ("Downloading", "bytes"),
    "prefix": ("Running the frozen layers", "images"),
    "explain": ("Explaining", "images"),
    "export": ("Writing the model", "files"),
    "map": ("Finding the plane", "pages"),
    "verify": ("Verifying", "images"),
    "quantize": ("Measuring ranges", "images"),
    "fit": ("Training", "images"),
    "judge": ("Judging the labels", "images"),
    "calibrate": ("Calibrating", "images"),
    "grow": ("Training", "images' worth"),
    "predict": ("Predicting", "images"),
    "views": ("Running the frozen layers on augmented copies", "images"),
    "compare": ("Comparing", "trainings"),
    "study": ("Measuring", "cases"),
}
_COUNTED_IN_NOTES = {"fit", "grow"}
"""Stages whose notes say how far they are, in epochs."""
_OF_UNKNOWN_LENGTH = "download"
_LEAST_COLUMNS = 60
"""Narrower, a bar shows nothing but the beginnings of its words."""
_SECONDS_BETWEEN_LINES = 60.0
"""Where nothing can be animated, a line reports long work every so often."""


class Screen:
    """Standard error and standard output, as `--json` and `--quiet` want them."""

    def __init__(self, *, json: bool, quiet: bool) -> None:
        self.json = json
        self.quiet = quiet
        logging.getLogger("convlens").setLevel(logging.ERROR if quiet else logging.WARNING)

    @property
    def progress(self) -> Progress:
        """A bar on a terminal that is wide enough, else a line per finished stage, on standard error; or nothing."""
        if self.quiet:
            return silent
        return _of_work(_progress_bar if _can_be_animated() else _progress_line)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """While libraries are loaded, which takes seconds: a word on a terminal, which goes when work begins."""
        shown = not self.quiet and _can_be_animated()
        if shown:
            print("Starting ...", end="", file=sys.stderr, flush=True)
        try:
            yield
        finally:
            if shown:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    @property
    def say(self) -> Callable[[str], None]:
        """Prints a message on standard error, or nothing."""
        return (lambda text: None) if self.quiet else _to_standard_error

    def show(self, record: "Record", text: Callable[[], None]) -> None:
        """The result: the record as JSON, or the text that a person reads."""
        if self.json:
            echo(record.to_json(), end="")
        else:
            text()


def printable(text: str) -> str:
    """The text with escapes for what a terminal would obey instead of show: file names may hold anything."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _can_be_animated() -> bool:
    terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return terminal and columns_of(sys.stderr) >= _LEAST_COLUMNS


def _to_standard_error(text: str) -> None:
    tell(printable(as_flags(text)))


def _of_work(show: Progress) -> Progress:
    """The same, but silent where there is nothing to do."""
    return lambda stage, total: (show if total or stage == _OF_UNKNOWN_LENGTH else silent)(stage, total)


@contextlib.contextmanager
def _progress_line(stage: str, total: int) -> Iterator[Advance]:
    name, unit = _STAGES.get(stage, (stage, "steps"))
    start = told = time.perf_counter()
    done, last = 0, ""

    def advance(steps: int, note: str = "") -> None:
        nonlocal done, told, last
        done += steps
        last = note
        if (moment := time.perf_counter()) - told >= _SECONDS_BETWEEN_LINES:
            told = moment
            elapsed = moment - start
            left = f", {duration((total - done) * elapsed / done)} left" if done and total else ""
            _to_standard_error(f"{name}: {done} of {total} {unit}, {pace(done, elapsed)}{left}{note and f', {note}'}")

    yield advance
    outcome = f", {last}" if stage in _COUNTED_IN_NOTES and last else ""
    counted = f"{done} {unit.removesuffix('s') if done == 1 else unit}"
    _to_standard_error(f"{name}: {counted} in {time.perf_counter() - start:.1f} s{outcome}")


@contextlib.contextmanager
def _progress_bar(stage: str, total: int) -> Iterator[Advance]:
    # rich loads slowly, and `convlens --help` does not need it
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%") if stage in _COUNTED_IN_NOTES else MofNCompleteColumn(),
        TextColumn("{task.fields[unit]} {task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[note]}"),
    )
    name, unit = _STAGES.get(stage, (stage, "steps"))
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(name, total=total, unit=unit, rate="", note="")

        def advance(steps: int, note: str = "") -> None:
            bars.update(task, advance=steps, note=note)
            bars.update(task, rate=pace(int(bars.tasks[task].completed), bars.tasks[task].elapsed or 0.0))

        yield advance
