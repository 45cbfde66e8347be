"""`convlens train DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.screen import JsonOption, QuietOption, Screen

if TYPE_CHECKING:
    from convlens.core.run import RunRecord


def train(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="DIR", help="One folder of pictures per class, or train/ and val/ holding such folders."
        ),
    ],
    backbone: Annotated[str, typer.Option(help="The network: house, resnet18, resnet50, vgg16, alexnet ...")] = "house",
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Trained weights, .safetensors or .pth; or 'random'. The house network brings its own.",
        ),
    ] = None,
    freeze: Annotated[
        str,
        typer.Option(
            metavar="PLAN",
            help="What stays fixed: backbone (all but a new last layer), conv (the convolutional layers), "
            "a module's name (all up to and including it), or none.",
        ),
    ] = "backbone",
    epochs: Annotated[int, typer.Option(help="Times that every training picture is seen.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Pictures per step.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="Learning rate at the start; it falls along a cosine.")] = 0.01,
    size: Annotated[
        int | None, typer.Option(help="Side of the network's input in pixels; default: the network's own.")
    ] = None,
    augment: Annotated[
        bool, typer.Option(help="With --freeze none: fresh random crops, flips and colours every epoch.")
    ] = True,
    val_fraction: Annotated[float, typer.Option(help="Part of each class to judge on, where there is no val/.")] = 0.2,
    precision: Annotated[
        str, typer.Option(help="auto (bfloat16 where the processor computes in it), fp32 or bf16.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Decides everything that is random.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run folder to make; default: runs/TIME-DIR-NET.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a classifier on a folder of pictures by transfer learning."""
    from convlens.tasks.train import train as task

    screen = Screen(json=json, quiet=quiet)
    record = task(
        folder,
        backbone=backbone,
        weights=weights,
        freeze=freeze,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        size=size,
        augment=augment,
        val_fraction=val_fraction,
        precision=precision,
        seed=seed,
        out=out,
        progress=screen.progress,
        say=screen.say,
    )
    screen.show(record, lambda: print_run(record))


def print_run(record: "RunRecord") -> None:
    """The outcome of a run, as a person reads it at the end."""
    low, high = record.validation.interval
    seconds, features = record.seconds, record.features
    typer.echo(
        f"Accuracy {record.accuracy:.1%} on {record.images.val} validation pictures "
        f"(95 % interval {low:.1%} to {high:.1%})"
    )
    if record.test is not None:
        low, high = record.test.interval
        typer.echo(
            f"Accuracy {record.test.accuracy:.1%} on {record.images.test} test pictures "
            f"(95 % interval {low:.1%} to {high:.1%})"
        )
    typer.echo(
        f"Time {seconds.total:.1f} s: scan {seconds.scan:.1f}, capture {seconds.capture:.1f}, frozen layers "
        f"{seconds.prefix:.1f} (of which waiting for pictures {seconds.decode:.1f}), training {seconds.fit:.1f}, "
        f"evaluation {seconds.evaluate:.1f}, rest {seconds.rest:.1f}"
    )
    typer.echo(f"Features: {features.computed} computed, {features.reused} reused from earlier runs")
    typer.echo(f"Report   {record.run}/report.html")
    typer.echo(f"Use it   convlens predict {record.run} IMAGE...")
