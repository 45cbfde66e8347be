"""`convlens demo`."""

from pathlib import Path
from typing import Annotated

import typer

from convlens.cli.screen import JsonOption, QuietOption, Screen
from convlens.cli.train import print_run
from convlens.core.torchrun import is_first_process


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the images and the runs.")] = Path("demo"),
    epochs: Annotated[int, typer.Option(help="Number of passes over the training images.")] = 6,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train on 1797 handwritten digits, in under a minute.

    Transfer learning with the house network.
    """
    from convlens.tasks.demo import demo as task

    screen = Screen(json=json, quiet=quiet)
    record = task(out, epochs=epochs, seed=seed, progress=screen.progress, say=screen.say)
    if is_first_process():
        screen.show(record, lambda: print_run(record))
