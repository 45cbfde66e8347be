"""`convlens compare DIR`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.recipe_options import RecipeCommand, ShownSetting, given_settings
from convlens.cli.screen import JsonOption, QuietOption, Screen
from convlens.cli.streams import echo
from convlens.cli.time import seconds_of
from convlens.core.errors import UsageError

if TYPE_CHECKING:
    from convlens.core.comparison import Comparison

_WHAT, _BASE, _HOW = "What is compared", "The base recipe", "How"


class CompareCommand(RecipeCommand):
    """The command, whose recipe is the base of the comparison."""

    def shown_settings(self) -> list[ShownSetting]:
        """The common settings, which are those of plain gradient descent unless given."""
        from convlens.comparison.tricks import PLAIN
        from convlens.training.recipe import DATA, SETTINGS

        return [
            ShownSetting(one, one.panel if one.panel == DATA else _BASE, PLAIN.get(one.name, one.initial))
            for one in SETTINGS.values()
            if one.common
        ]


def compare(
    context: typer.Context,
    folder: Annotated[
        str,
        typer.Argument(
            metavar="DIR", help="Folder with one subfolder of images per class, or with train/ and val/ made of such."
        ),
    ],
    tricks: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Tricks to add to the base recipe: dropout, batch-norm, weight-decay, label-smoothing, mixup, "
            "momentum, nesterov, adam, adamw, step, cosine, warm-up, tenth-rate, class-weights, early-stopping, ema, "
            "wide-head, augment, unfreeze. Default: eight of these, or none with --backbones or --fractions.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    all_tricks: Annotated[bool, typer.Option("--all", help="Try all tricks.", rich_help_panel=_WHAT)] = False,
    backbones: Annotated[
        str,
        typer.Option(
            metavar="A,B=FILE,...",
            help="Other networks to try with the base recipe, optionally with weights.",
            rich_help_panel=_WHAT,
        ),
    ] = "",
    fractions: Annotated[
        str,
        typer.Option(
            metavar="0.1,0.5,1",
            help="Fractions of the training images on which to compare transfer learning with training from scratch.",
            rich_help_panel=_WHAT,
        ),
    ] = "",
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Recipe in TOML; options given here override it. Default: plain gradient descent.",
            rich_help_panel=_BASE,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Any other field of recipe.toml; repeatable.", rich_help_panel=_BASE
        ),
    ] = None,
    lr_find: Annotated[
        bool,
        typer.Option("--lr-find", help="Take the learning rate from a range test.", rich_help_panel=_BASE),
    ] = False,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Trainings of each recipe (per fold), with consecutive seeds from --seed on.",
            rich_help_panel=_HOW,
        ),
    ] = 5,
    folds: Annotated[
        int, typer.Option(metavar="N", help="Cross-validate with N folds (0: off).", rich_help_panel=_HOW)
    ] = 0,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Time limit, such as 90s or 2m; what does not fit is left out.", rich_help_panel=_HOW
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to create. Default: comparisons/TIME-DIR.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare training tricks on your images.

    All recipes train on the same splits with the same seeds; the frozen layers run once for all of them.
    """
    from convlens.tasks import compare as task

    screen = Screen(json=json, quiet=quiet)
    record = task.compare(
        folder,
        tricks=task.ALL_TRICKS if all_tricks else None if tricks is None else _words(tricks),
        recipe=recipe,
        seeds=seeds,
        folds=folds,
        budget=None if budget is None else seconds_of("--budget", budget),
        fractions=[_number("--fractions", word) for word in _words(fractions)],
        backbones=_words(backbones),
        lr_find=lr_find,
        out=out,
        progress=screen.progress,
        say=screen.say,
        **{**given_settings(context), **_settings(settings or [])},
    )
    screen.show(record, lambda: print_comparison(record))


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
