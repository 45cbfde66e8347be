"""`convlens doctor`."""

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

from convlens.cli.screen import JsonOption, Screen, printable
from convlens.cli.streams import echo
from convlens.core.errors import MachineError

if TYPE_CHECKING:
    from convlens.core.doctor import Diagnosis, Finding

_TITLES = {
    "versions": "Versions",
    "machine": "This machine",
    "images": "Images",
    "extras": "Extras",
    "disk": "Disk",
    "weights": "Trained weights",
}
_NAME_COLUMNS = 16
_LEAST_WIDTH = 60
_UNLIMITED = 10_000


def doctor(json: JsonOption = False) -> None:
    """Show what this machine has, and what each lack costs.

    Nothing is downloaded. The exit code is 4 where something makes training impossible, else 0.
    """
    from convlens.tasks.doctor import doctor as task

    screen = Screen(json=json, quiet=False)
    with screen.starting():
        record = task()
    screen.show(record, lambda: _print(record))
    if not record.training_works:
        faults = [f"{one.name} {one.value}" for one in record.findings if one.state == "fatal"]
        raise MachineError(f"training cannot work on this machine: {'; '.join(faults)}. See above for what to do.")


def _print(record: "Diagnosis") -> None:
    for group, title in _TITLES.items():
        echo(title)
        for one in record.findings:
            if one.group == group:
                _print_finding(one)
    if record.training_works:
        echo("Nothing here keeps training from working.")


def _print_finding(one: "Finding") -> None:
    value = f"unknown: {one.value}" if one.state == "unknown" else one.value
    _print_wrapped(value, f"  {one.name:{_NAME_COLUMNS}}")
    if one.cost:
        _print_wrapped(one.cost, " " * (_NAME_COLUMNS + 2))
    if one.next_step:
        _print_wrapped(f"→ {one.next_step}", " " * (_NAME_COLUMNS + 2))


def _print_wrapped(text: str, before: str) -> None:
    """The text behind what stands before it, in as many lines as the terminal needs; one line in a pipe."""
    width = max(shutil.get_terminal_size().columns, _LEAST_WIDTH) if sys.stdout.isatty() else _UNLIMITED
    after = " " * len(before)
    echo(
        "\n".join(
            textwrap.wrap(
                printable(text),
                width,
                initial_indent=before,
                subsequent_indent=after,
                break_on_hyphens=False,
                break_long_words=False,
            )
        )
    )
