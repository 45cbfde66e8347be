"""`convlens compare DIR`."""

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.division import DIVISION, GroupOption, NestedOption, SplitOption
from convlens.cli.screen import JsonOption, QuietOption, Screen
from convlens.cli.streams import echo
from convlens.core.errors import UsageError

if TYPE_CHECKING:
    from convlens.core.comparison import Comparison

_WHAT, _BASE, _HOW = "What is compared", "The base recipe", "How"
_OF_THE_BASE = (
    "backbone", "weights", "freeze", "size", "epochs", "learning_rate", "precision", "seed",
    "val_fraction", "labels", "nested", "group_by", "split",
)  # fmt: skip
_UNITS = {"s": 1, "": 1, "m": 60, "h": 3600}


def compare(
    context: typer.Context,
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="One folder of images per class, or train/ and val/ holding such.")
    ],
    tricks: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="dropout, batch-norm, weight-decay, label-smoothing, mixup, momentum, nesterov, adam, adamw, step, "
            "cosine, warm-up, tenth-rate, class-weights, early-stopping, ema, wide-head, augment, unfreeze. Default: "
            "eight of these, or none beside --backbones or --fractions.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    all_tricks: Annotated[bool, typer.Option("--all", help="All of these tricks.", rich_help_panel=_WHAT)] = False,
    backbones: Annotated[
        str,
        typer.Option(
            metavar="A,B=FILE,...", help="Other networks with the base recipe, with weights.", rich_help_panel=_WHAT
        ),
    ] = "",
    fractions: Annotated[
        str,
        typer.Option(
            metavar="0.1,0.5,1",
            help="Parts of the training images: transfer against training from scratch.",
            rich_help_panel=_WHAT,
        ),
    ] = "",
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The base in TOML; default: plain gradient descent.", rich_help_panel=_BASE),
    ] = None,
    backbone: Annotated[str, typer.Option(help="The network.", rich_help_panel=_BASE)] = "house",
    weights: Annotated[
        str | None, typer.Option(metavar="SET|FILE", help="As in `convlens train`.", rich_help_panel=_BASE)
    ] = None,
    freeze: Annotated[
        str, typer.Option(metavar="PLAN", help="As in `convlens train`.", rich_help_panel=_BASE)
    ] = "backbone",
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels.", rich_help_panel=_BASE)] = None,
    epochs: Annotated[int, typer.Option(help="Of every training.", rich_help_panel=_BASE)] = 20,
    learning_rate: Annotated[float, typer.Option(help="Of the base.", rich_help_panel=_BASE)] = 0.01,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.", rich_help_panel=_BASE)] = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other field of a recipe.toml.", rich_help_panel=_BASE),
    ] = None,
    lr_find: Annotated[
        bool, typer.Option("--lr-find", help="Take the base's learning rate from a range test.", rich_help_panel=_BASE)
    ] = False,
    val_fraction: Annotated[
        float, typer.Option(help="As in `convlens train`, and the ones below, too.", rich_help_panel=DIVISION)
    ] = 0.2,
    labels: Annotated[
        str,
        typer.Option(
            metavar="CSV", help="A table with the columns file and label, perhaps side.", rich_help_panel=DIVISION
        ),
    ] = "",
    nested: NestedOption = False,
    group_by: GroupOption = "",
    split: SplitOption = "",
    seeds: Annotated[int, typer.Option(help="Trainings of each recipe (per fold).", rich_help_panel=_HOW)] = 5,
    folds: Annotated[
        int, typer.Option(help="Cross-validation with so many folds; 0 for none.", rich_help_panel=_HOW)
    ] = 0,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Such as 90s or 2m: leave out what does not fit.", rich_help_panel=_HOW),
    ] = None,
    seed: Annotated[int, typer.Option(help="The first seed.", rich_help_panel=_HOW)] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder to make; default: comparisons/TIME-DIR.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare tricks of training on a folder of images: same splits, same seeds, frozen layers run once for all."""
    from convlens.tasks import compare as task

    screen = Screen(json=json, quiet=quiet)
    base = {name: context.params[name] for name in _OF_THE_BASE if recipe is None or _is_given(context, name)}
    record = task.compare(
        folder,
        tricks=task.ALL_TRICKS if all_tricks else None if tricks is None else _words(tricks),
        recipe=recipe,
        seeds=seeds,
        folds=folds,
        budget=None if budget is None else seconds_of(budget),
        fractions=[_number("--fractions", word) for word in _words(fractions)],
        backbones=_words(backbones),
        lr_find=lr_find,
        out=out,
        progress=screen.progress,
        say=screen.say,
        **{**base, **_settings(settings or [])},
    )
    screen.show(record, lambda: print_comparison(record))


def seconds_of(text: str) -> float:
    """Seconds of a time such as 90, 90s, 2m or 1.5h. Raises UsageError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not found:
        raise UsageError(f"--budget {text!r}: give a time such as 90s, 2m or 1h.")
    return float(found[1]) * _UNITS[found[2]]


def print_comparison(record: "Comparison") -> None:
    """The table, and a sentence for each recipe."""
    from convlens.core.comparison import BEST_RECIPE_FILE, COMPARISON_PAGE

    width = max(len(row.name) for row in record.rows)
    echo(f"{'':{width}}  accuracy   95 % interval   to base   95 % interval   time/run  train loss  val loss")
    for row in record.rows:
        low, high = row.interval
        below, above = row.difference_interval
        difference = (
            "                         "
            if row.verdict == "base"
            else (f"{100 * row.difference:+8.1f}   {100 * below:+5.1f} to {100 * above:+5.1f}")
        )
        echo(
            f"{row.name:{width}}   {row.accuracy:6.1%}   {low:6.1%} to {high:6.1%} {difference}  {row.seconds:7.2f} s  "
            f"{row.train_loss:9.4f}  {row.val_loss:8.4f}"
        )
    echo("")
    for row in record.rows:
        echo(row.sentence)
    for one in record.left_out:
        echo(f"Left out: {one}.")
    for point in record.fractions:
        echo(f"{point.images} training images: transfer {point.transfer:.1%}, from scratch {point.scratch:.1%}")
    features = record.features
    echo(f"Time     {record.seconds:.1f} s; features: {features.computed} computed, {features.reused} reused")
    echo(f"Page     {record.folder}/{COMPARISON_PAGE}")
    best = f"{record.folder}/{BEST_RECIPE_FILE}"
    echo(f"Best     {record.best}. {record.best_because}")
    echo(f"Use it   {shlex.join(['convlens', 'train', record.images_folder, '--recipe', best])}")


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _number(option: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise UsageError(f"{option}: {word!r} is no number.") from None


def _settings(pairs: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair}: give NAME=VALUE, such as --set weight_decay=0.001.")
        found[name.strip().replace("-", "_")] = value.strip()
    return found
