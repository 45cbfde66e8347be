"""`convlens train DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convlens.cli.screen import JsonOption, QuietOption, Screen
from convlens.core.errors import UsageError

if TYPE_CHECKING:
    from convlens.core.run import RunRecord

_NETWORK, _STEPS, _PICTURES = "Network", "Steps", "Pictures, and against overfitting"
_WITH_RESUME = {"resume", "checkpoint_minutes", "json", "quiet"}


def train(
    context: typer.Context,
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="DIR", help="One folder of pictures per class, or train/ and val/ holding such folders."
        ),
    ] = None,
    backbone: Annotated[
        str, typer.Option(help="The network: house, resnet18, resnet50, vgg16, alexnet ...", rich_help_panel=_NETWORK)
    ] = "house",
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Trained weights, .safetensors or .pth; or 'random'. The house network brings its own.",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    freeze: Annotated[
        str,
        typer.Option(
            metavar="PLAN",
            help="What stays fixed: backbone (all but a new last layer), conv (the convolutional layers), "
            "a module's name (all up to and including it), or none.",
            rich_help_panel=_NETWORK,
        ),
    ] = "backbone",
    size: Annotated[
        int | None,
        typer.Option(
            help="Side of the network's input in pixels; default: the network's own.", rich_help_panel=_NETWORK
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="auto (bfloat16 where the processor computes in it), fp32 or bf16.", rich_help_panel=_NETWORK
        ),
    ] = "auto",
    epochs: Annotated[
        int, typer.Option(help="Times that every training picture is seen.", rich_help_panel=_STEPS)
    ] = 20,
    batch_size: Annotated[int, typer.Option(help="Pictures per step.", rich_help_panel=_STEPS)] = 32,
    learning_rate: Annotated[
        float, typer.Option(help="The highest learning rate; see --schedule.", rich_help_panel=_STEPS)
    ] = 0.01,
    schedule: Annotated[
        str,
        typer.Option(help="cosine (the learning rate falls to 0 along it) or constant.", rich_help_panel=_STEPS),
    ] = "cosine",
    warm_up: Annotated[
        float, typer.Option(help="Epochs in which the learning rate rises from 0.", rich_help_panel=_STEPS)
    ] = 0.0,
    momentum: Annotated[
        float, typer.Option(help="Part of each step that goes into the next.", rich_help_panel=_STEPS)
    ] = 0.9,
    nesterov: Annotated[bool, typer.Option(help="Nesterov's form of momentum.", rich_help_panel=_STEPS)] = False,
    clip: Annotated[
        float, typer.Option(help="Most that the gradient's norm may be; 0 for no limit.", rich_help_panel=_STEPS)
    ] = 0.0,
    ema: Annotated[
        float,
        typer.Option(
            help="Keep an average of the weights with this decay, such as 0.999; 0 keeps the last weights.",
            rich_help_panel=_STEPS,
        ),
    ] = 0.0,
    weight_decay: Annotated[
        float, typer.Option(help="Of filters and matrices, not of biases and norms.", rich_help_panel=_PICTURES)
    ] = 1e-4,
    label_smoothing: Annotated[
        float, typer.Option(help="Part of each label that all classes share.", rich_help_panel=_PICTURES)
    ] = 0.0,
    mixup: Annotated[
        float,
        typer.Option(help="Blend pairs of examples, shares from Beta(x, x); 0 for no.", rich_help_panel=_PICTURES),
    ] = 0.0,
    cutmix: Annotated[
        float,
        typer.Option(
            help="With --freeze none: paste pictures into each other, shares from Beta(x, x); 0 for no.",
            rich_help_panel=_PICTURES,
        ),
    ] = 0.0,
    augment: Annotated[
        bool,
        typer.Option(
            help="With --freeze none: fresh random crops, flips and colours every epoch.", rich_help_panel=_PICTURES
        ),
    ] = True,
    progressive: Annotated[
        float,
        typer.Option(
            help="With --freeze none: pictures begin at this part of their side, such as 0.5, and grow to the whole, "
            "which trains faster; 1 to have them whole.",
            rich_help_panel=_PICTURES,
        ),
    ] = 1.0,
    crop_area: Annotated[
        float, typer.Option(help="Least part of a picture that a random crop keeps.", rich_help_panel=_PICTURES)
    ] = 0.35,
    colour: Annotated[
        float,
        typer.Option(help="Most by which brightness, contrast and saturation change.", rich_help_panel=_PICTURES),
    ] = 0.2,
    erasing: Annotated[
        float, typer.Option(help="Probability that a rectangle is erased.", rich_help_panel=_PICTURES)
    ] = 0.0,
    val_fraction: Annotated[
        float,
        typer.Option(help="Part of each class to judge on, where there is no val/.", rich_help_panel=_PICTURES),
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="Decides everything that is random.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run folder to make; default: runs/TIME-DIR-NET.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Go on with an unfinished run, from its newest checkpoint; needs no DIR."),
    ] = None,
    checkpoint_minutes: Annotated[
        float, typer.Option(help="Time between checkpoints; --freeze none writes one after every epoch, too.")
    ] = 5.0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a classifier on a folder of pictures, by transfer learning or (--freeze none) from scratch."""
    from convlens.tasks import train as task

    screen = Screen(json=json, quiet=quiet)
    common: dict[str, Any] = {
        "checkpoint_minutes": checkpoint_minutes,
        "progress": screen.progress,
        "say": screen.say,
    }
    if resume is not None:
        _refuse_options_beside_resume(context)
        record = task.resume(resume, **common)
    else:
        record = task.train(
            _given(folder, context),
            backbone=backbone,
            weights=weights,
            freeze=freeze,
            size=size,
            precision=precision,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            schedule=schedule,
            warm_up=warm_up,
            momentum=momentum,
            nesterov=nesterov,
            clip=clip,
            ema=ema,
            weight_decay=weight_decay,
            label_smoothing=label_smoothing,
            mixup=mixup,
            cutmix=cutmix,
            augment=augment,
            progressive=progressive,
            crop_area=crop_area,
            colour=colour,
            erasing=erasing,
            val_fraction=val_fraction,
            seed=seed,
            out=out,
            **common,
        )
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
        if parameter.name not in _WITH_RESUME
        and (source := context.get_parameter_source(str(parameter.name))) is not None
        and source.name == "COMMANDLINE"
    ]
    if given:
        raise UsageError(
            f"--resume goes on with what the run was begun with; leave {', '.join(given)} away, or train anew with "
            "another --out."
        )


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
