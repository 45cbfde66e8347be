"""`convlens train DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.outcome import outcome_lines, trust_line
from convlens.cli.recipe_options import given_settings, is_given
from convlens.cli.screen import JsonOption, QuietOption, Screen
from convlens.cli.search import print_search
from convlens.cli.streams import echo
from convlens.cli.time import seconds_of
from convlens.core.errors import UsageError
from convlens.core.torchrun import is_first_process

if TYPE_CHECKING:
    from convlens.core.run import RunRecord

EXAMPLES = """\b
Examples:
  convlens train flowers
  convlens train flowers --unfreeze 2 --epochs 15 --size 160
      the last two blocks too, at a tenth of the learning rate
  convlens train flowers --backbone vgg16 --freeze conv
  convlens train flowers --freeze none --weights random --epochs 60
      from scratch
  convlens train flowers --budget 5m
"""
"""Shown below the options."""
_WITH_RESUME = {"resume", "checkpoint_minutes", "json", "quiet"}


def train(
    context: typer.Context,
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="DIR",
            help="Folder with one subfolder of images per class, or with such subfolders in train/ and val/.",
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Recipe in TOML, such as a run's recipe.toml; options given here override it."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Run folder to create. Default: runs/TIME-DIR-NET.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Choose backbone, head and regularization by cross-validation on the training images, within this "
            "time, such as 90s or 5m; options given here stay fixed.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Resume an unfinished run from its newest checkpoint; takes no DIR."),
    ] = None,
    checkpoint_minutes: Annotated[
        float,
        typer.Option(
            metavar="MINUTES", help="Time between checkpoints; with --freeze none, one is also saved after every epoch."
        ),
    ] = 5.0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train an image classifier on a folder of images.

    Transfer learning by default; from scratch with --freeze none --weights random.
    """
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks import train as task
    if resume is not None:
        _refuse_options_beside_resume(context)
        record = task.resume(resume, checkpoint_minutes=checkpoint_minutes, progress=screen.progress, say=screen.say)
    else:
        record = task.train(
            _given(folder, context),
            recipe,
            out=out,
            budget=None if budget is None else seconds_of("--budget", budget),
            checkpoint_minutes=checkpoint_minutes,
            progress=screen.progress,
            say=screen.say,
            **given_settings(context),
        )
    if is_first_process():
        screen.show(record, lambda: print_run(record))


def _given(folder: str | None, context: typer.Context) -> str:
    if folder is None:
        raise UsageError(f"missing argument 'DIR'. See `{context.command_path} --help`.")
    return folder


def _refuse_options_beside_resume(context: typer.Context) -> None:
    """A run goes on with what it was begun with: other options beside --resume would be ignored."""
    given = [
        parameter.opts[0] if parameter.param_type_name == "option" else "DIR"
        for parameter in context.command.params
        if parameter.name not in _WITH_RESUME and is_given(context, str(parameter.name))
    ]
    if given:
        raise UsageError(
            f"--resume continues with the settings of the run; leave {', '.join(given)} out, or start another run with "
            "another --out."
        )


def print_run(record: "RunRecord") -> None:
    """The outcome of a run, as a person reads it at the end."""
    if record.chosen_by is not None:
        print_search(record.chosen_by)
    seconds, features = record.seconds, record.features
    for line in outcome_lines(record.validation, f"{record.images.val} validation images"):
        echo(line)
    if record.test is not None:
        for line in outcome_lines(record.test, f"{record.images.test} test images"):
            echo(line)
    if record.trust is not None:
        echo(trust_line(record.trust))
    echo(
        f"Time {seconds.total:.1f} s: scan {seconds.scan:.1f}, capture {seconds.capture:.1f}, frozen layers "
        f"{seconds.prefix:.1f} ({seconds.decode:.1f} of it waiting for images), training {seconds.fit:.1f}, "
        f"calibration {seconds.calibrate:.1f}, "
        f"evaluation {seconds.evaluate:.1f}, rest {seconds.rest:.1f}"
    )
    echo(f"Features: {features.computed} computed, {features.reused} reused from earlier runs")
    echo(f"Report   {record.run}/report.html")
    echo(f"Use it   convlens predict {record.run} IMAGE...")
