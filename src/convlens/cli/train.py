"""`convlens train DIR`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convlens.cli.division import (
    DIVISION,
    FormerTaskOption,
    GroupOption,
    LabelColumnsOption,
    NestedOption,
    SplitOption,
    TaskOption,
)
from convlens.cli.outcome import outcome_lines
from convlens.cli.screen import JsonOption, QuietOption, Screen
from convlens.cli.streams import echo
from convlens.core.errors import UsageError
from convlens.core.torchrun import is_first_process

if TYPE_CHECKING:
    from convlens.core.run import RunRecord

_NETWORK, _STEPS, _IMAGES = "Network", "Steps", "Images, and against overfitting"
_WITH_RESUME = {"resume", "checkpoint_minutes", "json", "quiet"}
_NOT_OF_THE_RECIPE = {"folder", "recipe", "out", *_WITH_RESUME}


def train(
    context: typer.Context,
    folder: Annotated[
        str | None,
        typer.Argument(metavar="DIR", help="One folder of images per class, or train/ and val/ holding such folders."),
    ] = None,
    backbone: Annotated[
        str, typer.Option(help="The network: house, resnet18, resnet50, vgg16, alexnet ...", rich_help_panel=_NETWORK)
    ] = "house",
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="SET|FILE",
            help="Published weights by name (imagenet; see `convlens zoo show NET`; pretrained for timm:NET), a file "
            "(.safetensors, .pth), or 'random'. The house network brings its own.",
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
    unfreeze: Annotated[
        int, typer.Option(help="Train the last blocks, too: as many as this.", rich_help_panel=_NETWORK)
    ] = 0,
    head: Annotated[
        str,
        typer.Option(
            help="The last layers: linear; hidden (one hidden layer more); own (the network's own fully connected "
            "layers, retrained); ridge or logistic (a linear layer by solving for it, in a second).",
            rich_help_panel=_NETWORK,
        ),
    ] = "linear",
    head_width: Annotated[
        int, typer.Option(help="With --head hidden: units of the hidden layer.", rich_help_panel=_NETWORK)
    ] = 256,
    batch_norm: Annotated[
        bool,
        typer.Option("--batch-norm/--no-batch-norm", help="Batch normalization in the head.", rich_help_panel=_NETWORK),
    ] = False,
    size: Annotated[
        int | None,
        typer.Option(
            help="Side of the network's input in pixels; default: the network's own.", rich_help_panel=_NETWORK
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="Number format: auto (what this machine is found to be faster in), fp32 or bf16.",
            rich_help_panel=_NETWORK,
        ),
    ] = "auto",
    training_precision: Annotated[
        str,
        typer.Option(
            help="Of what is trained, if it is to be another: auto (as --precision says), fp32 or bf16.",
            rich_help_panel=_NETWORK,
        ),
    ] = "auto",
    device: Annotated[
        str,
        typer.Option(
            help="auto (a GPU where there is one, else the processor), cpu or cuda.", rich_help_panel=_NETWORK
        ),
    ] = "auto",
    epochs: Annotated[int, typer.Option(help="Times that every training image is seen.", rich_help_panel=_STEPS)] = 20,
    batch_size: Annotated[int, typer.Option(help="Images per step.", rich_help_panel=_STEPS)] = 32,
    learning_rate: Annotated[
        float, typer.Option(help="The highest learning rate; see --schedule.", rich_help_panel=_STEPS)
    ] = 0.01,
    optimizer: Annotated[str, typer.Option(help="sgd, adam or adamw.", rich_help_panel=_STEPS)] = "sgd",
    schedule: Annotated[
        str,
        typer.Option(
            help="cosine (the learning rate falls to 0 along it), step (to a tenth, twice) or constant.",
            rich_help_panel=_STEPS,
        ),
    ] = "cosine",
    backbone_lr: Annotated[
        float,
        typer.Option(
            help="Learning rate of pretrained layers that are trained, as a part of the head's.", rich_help_panel=_STEPS
        ),
    ] = 0.1,
    layer_decay: Annotated[
        float,
        typer.Option(
            help="Instead: this factor for every block on the way from the head, such as 0.5.", rich_help_panel=_STEPS
        ),
    ] = 0.0,
    head_epochs: Annotated[
        int, typer.Option(help="Epochs of the head alone, before the --epochs of all.", rich_help_panel=_STEPS)
    ] = 0,
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
        float, typer.Option(help="Of filters and matrices, not of biases and norms.", rich_help_panel=_IMAGES)
    ] = 1e-4,
    dropout: Annotated[float, typer.Option(help="Of what the head's last layer reads.", rich_help_panel=_IMAGES)] = 0.0,
    early_stopping: Annotated[
        int,
        typer.Option(
            help="Stop after so many epochs without a lower validation loss, keep the best epoch's weights; 0 for no.",
            rich_help_panel=_IMAGES,
        ),
    ] = 0,
    class_weights: Annotated[
        bool,
        typer.Option(
            "--class-weights/--no-class-weights",
            help="Let rare classes count as much as frequent ones.",
            rich_help_panel=_IMAGES,
        ),
    ] = False,
    augmented_copies: Annotated[
        int,
        typer.Option(
            help="Augmented views of each training image that go through the frozen layers, too, once for all.",
            rich_help_panel=_IMAGES,
        ),
    ] = 0,
    label_smoothing: Annotated[
        float, typer.Option(help="Part of each label that all classes share.", rich_help_panel=_IMAGES)
    ] = 0.0,
    mixup: Annotated[
        float,
        typer.Option(help="Blend pairs of examples, shares from Beta(x, x); 0 for no.", rich_help_panel=_IMAGES),
    ] = 0.0,
    cutmix: Annotated[
        float,
        typer.Option(
            help="With --freeze none: paste images into each other, shares from Beta(x, x); 0 for no.",
            rich_help_panel=_IMAGES,
        ),
    ] = 0.0,
    augment: Annotated[
        bool,
        typer.Option(
            help="With --freeze none: fresh random crops, flips and colors every epoch.", rich_help_panel=_IMAGES
        ),
    ] = True,
    progressive_resizing: Annotated[
        float,
        typer.Option(
            help="With --freeze none: images begin at this part of their side, such as 0.5, and grow to the whole, "
            "which trains faster; 1 to have them whole.",
            rich_help_panel=_IMAGES,
        ),
    ] = 1.0,
    crop_area: Annotated[
        float, typer.Option(help="Least part of an image that a random crop keeps.", rich_help_panel=_IMAGES)
    ] = 0.35,
    color: Annotated[
        float,
        typer.Option(help="Most by which brightness, contrast and saturation change.", rich_help_panel=_IMAGES),
    ] = 0.2,
    erasing: Annotated[
        float, typer.Option(help="Probability that a rectangle is erased.", rich_help_panel=_IMAGES)
    ] = 0.0,
    val_fraction: Annotated[
        float,
        typer.Option(help="Part of each class to judge on, where there is no val/.", rich_help_panel=_IMAGES),
    ] = 0.2,
    labels: Annotated[
        str,
        typer.Option(
            metavar="CSV",
            help="A table with the columns file and label, perhaps side; or several columns of numbers, or of labels.",
            rich_help_panel=DIVISION,
        ),
    ] = "",
    task: TaskOption = "auto",
    learn: FormerTaskOption = "",
    label_columns: LabelColumnsOption = "",
    nested: NestedOption = False,
    group_by: GroupOption = "",
    split: SplitOption = "",
    fold: Annotated[
        str, typer.Option(metavar="K/N", help="Judge on this one of so many folds.", rich_help_panel=DIVISION)
    ] = "",
    seed: Annotated[int, typer.Option(help="Decides everything that is random.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run folder to make; default: runs/TIME-DIR-NET.")
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A recipe in TOML, such as a run's recipe.toml; options given here go before it."
        ),
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
    """Train a network on a folder of images: transfer learning, or from scratch (--freeze none --weights random)."""
    from convlens.tasks import train as tasks

    screen = Screen(json=json, quiet=quiet)
    common: dict[str, Any] = {
        "checkpoint_minutes": checkpoint_minutes,
        "progress": screen.progress,
        "say": screen.say,
    }
    if resume is not None:
        _refuse_options_beside_resume(context)
        record = tasks.resume(resume, **common)
    elif recipe is not None:
        given = {name: value for name, value in _recipe_options(context).items() if _is_given(context, name)}
        given |= {"task": learn} if learn else {}
        record = tasks.train_by_recipe(_given(folder, context), recipe, out=out, **common, **given)
    else:
        record = tasks.train(_given(folder, context), out=out, **common, **_recipe_options(context))
    if is_first_process():
        screen.show(record, lambda: print_run(record))


def _given(folder: str | None, context: typer.Context) -> str:
    if folder is None:
        raise UsageError(f"missing argument 'DIR'. See `{context.command_path} --help`.")
    return folder


def _recipe_options(context: typer.Context) -> dict[str, Any]:
    """The options that are fields of the recipe."""
    found = {name: value for name, value in context.params.items() if name not in _NOT_OF_THE_RECIPE}
    learn = found.pop("learn")
    return {**found, "task": learn} if learn else found


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether the person gave this option, rather than its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _refuse_options_beside_resume(context: typer.Context) -> None:
    """A run goes on with what it was begun with: other options beside --resume would be ignored."""
    given = [
        parameter.opts[0] if parameter.param_type_name == "option" else "DIR"
        for parameter in context.command.params
        if parameter.name not in _WITH_RESUME and _is_given(context, str(parameter.name))
    ]
    if given:
        raise UsageError(
            f"--resume goes on with what the run was begun with; leave {', '.join(given)} away, or train anew with "
            "another --out."
        )


def print_run(record: "RunRecord") -> None:
    """The outcome of a run, as a person reads it at the end."""
    seconds, features = record.seconds, record.features
    for line in outcome_lines(record.validation, f"{record.images.val} validation images"):
        echo(line)
    if record.test is not None:
        for line in outcome_lines(record.test, f"{record.images.test} test images"):
            echo(line)
    echo(
        f"Time {seconds.total:.1f} s: scan {seconds.scan:.1f}, capture {seconds.capture:.1f}, frozen layers "
        f"{seconds.prefix:.1f} (of which waiting for images {seconds.decode:.1f}), training {seconds.fit:.1f}, "
        f"evaluation {seconds.evaluate:.1f}, rest {seconds.rest:.1f}"
    )
    echo(f"Features: {features.computed} computed, {features.reused} reused from earlier runs")
    echo(f"Report   {record.run}/report.html")
    echo(f"Use it   convlens predict {record.run} IMAGE...")
