"""What a command shows: progress and messages on standard error, results on standard output."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.core.progress import Advance, Progress, silent

if TYPE_CHECKING:
    from convlens.core.records import Record

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON record, and nothing else, on standard output.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no messages, only the result.")
]

_STAGES = {
    "scan": "Scanning the pictures",
    "prefix": "Running the frozen layers",
    "fit": "Training",
    "predict": "Predicting",
}


class Screen:
    """Standard error and standard output, as `--json` and `--quiet` want them."""

    def __init__(self, *, json: bool, quiet: bool) -> None:
        self.json = json
        self.quiet = quiet

    @property
    def progress(self) -> Progress:
        """A progress bar on standard error, or nothing."""
        return silent if self.quiet else _progress_bar

    @property
    def say(self) -> Callable[[str], None]:
        """Prints a message on standard error, or nothing."""
        return (lambda text: None) if self.quiet else _to_standard_error

    def show(self, record: "Record", text: Callable[[], None]) -> None:
        """The result: the record as JSON, or the text that a person reads."""
        if self.json:
            typer.echo(record.to_json(), nl=False)
        else:
            text()


def _to_standard_error(text: str) -> None:
    print(text, file=sys.stderr)


@contextlib.contextmanager
def _progress_bar(stage: str, total: int) -> Iterator[Advance]:
    # rich loads slowly, and `convlens --help` does not need it
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=not sys.stderr.isatty()) as bars:
        task = bars.add_task(_STAGES.get(stage, stage), total=total, rate="")

        def advance(steps: int) -> None:
            speed = bars.tasks[task].speed
            bars.update(task, advance=steps, rate=f"{speed:.0f}/s" if speed else "")

        yield advance
