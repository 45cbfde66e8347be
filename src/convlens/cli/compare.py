"""`convlens compare DIR`."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.recipe_options import RecipeCommand, ShownSetting, given_settings
from convlens.cli.screen import JsonOption, QuietOption, Screen
from convlens.cli.streams import echo
from convlens.cli.time import seconds_of
from convlens.core.errors import UsageError

if TYPE_CHECKING:
    from convlens.core.comparison import ComparedRecipe, Comparison
    from convlens.core.kinds.measure import Measure

_WHAT, _BASE, _HOW = "What to compare", "The base recipe", "How to compare"
_CLASSES_SHOWN = 5
"""Of those that more images would help most."""
_HEADING = ("95% interval", "vs. base", "95% interval", "time/run", "train loss", "val loss")


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
            metavar="DIR",
            help="Folder with one subfolder of images per class, or with such subfolders in train/ and val/.",
        ),
    ],
    tricks: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Tricks to add to the base recipe, each alone: dropout, batch-norm, weight-decay, label-smoothing, "
            "mixup, momentum, nesterov, adam, adamw, step, cosine, warm-up, tenth-rate, class-weights, early-stopping, "
            "ema, wide-head, augment, unfreeze. Default: momentum, adam, cosine, weight-decay, dropout, "
            "label-smoothing, mixup and ema; none with --backbones or --fractions. unfreeze trains one more block, "
            "tenth-rate does so at a tenth of the learning rate, augment adds three augmented copies.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    all_tricks: Annotated[bool, typer.Option("--all", help="Try all tricks.", rich_help_panel=_WHAT)] = False,
    backbones: Annotated[
        str,
        typer.Option(
            metavar="A,B=FILE,...",
            help="Other networks to try with the base recipe, optionally with weights; at-hand: all whose trained "
            "weights are on this machine. A second table shows what each costs.",
            rich_help_panel=_WHAT,
        ),
    ] = "",
    fractions: Annotated[
        str,
        typer.Option(
            metavar="0.1,0.5,1",
            help="Fractions of the training images on which to compare transfer learning with training from scratch; "
            "three or more also tell what more images would be worth.",
            rich_help_panel=_WHAT,
        ),
    ] = "",
    scratch: Annotated[
        bool,
        typer.Option(
            "--scratch/--no-scratch",
            help="With --fractions: train from scratch, too, which takes most of the time.",
            rich_help_panel=_WHAT,
        ),
    ] = True,
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
        typer.Option("--lr-find", help="Choose the learning rate by a range test.", rich_help_panel=_BASE),
    ] = False,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Runs of each recipe (per fold), with consecutive seeds from --seed on.",
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
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks import compare as task
    record = task.compare(
        folder,
        tricks=task.ALL_TRICKS if all_tricks else None if tricks is None else _words(tricks),
        recipe=recipe,
        seeds=seeds,
        folds=folds,
        budget=None if budget is None else seconds_of("--budget", budget),
        fractions=[_number("--fractions", word) for word in _words(fractions)],
        scratch=scratch,
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
    from convlens.cli.backbone_table import backbone_table
    from convlens.core.comparison import BEST_RECIPE_FILE, COMPARISON_PAGE
    from convlens.core.kinds.registry import KINDS

    measure = KINDS[record.task].measure
    for line in table_of(record.rows, measure):
        echo(line)
    echo("")
    if costs := [*backbone_table(record.rows, measure)]:
        for line in (*costs, ""):
            echo(line)
    if measure.note:
        echo(measure.note)
        echo("")
    for row in record.rows:
        echo(row.sentence)
    for one in record.left_out:
        echo(f"Left out: {one}.")
    for point in record.fractions:
        scratch = "" if point.scratch is None else f", from scratch {measure.text(point.scratch)}"
        echo(f"{point.images} training images: transfer {measure.text(point.transfer)}{scratch}")
    for line in _forecast(record, measure):
        echo(line)
    features = record.features
    echo(f"Time     {record.seconds:.1f} s; features: {features.computed} computed, {features.reused} reused")
    echo(f"Page     {record.folder}/{COMPARISON_PAGE}")
    best = f"{record.folder}/{BEST_RECIPE_FILE}"
    echo(f"Best     {record.best}. {record.best_because}")
    echo(f"Use it   {shlex.join(['convlens', 'train', record.images_folder, '--recipe', best])}")


def _forecast(record: "Comparison", measure: "Measure") -> Iterator[str]:
    found = record.forecast
    if found is None:
        if record.fractions:
            yield "What more images would be worth is told from three fractions on."
        return
    yield "Forecast, if the curve goes on as it began:"
    for one in (*found.all, *found.classes[:_CLASSES_SHOWN]):
        yield f"  {one.statement(measure)}"
    if len(found.classes) > _CLASSES_SHOWN:
        yield f"  {len(found.classes) - _CLASSES_SHOWN} more classes gain less; all are on the page"


def table_of(rows: "Sequence[ComparedRecipe]", measure: "Measure") -> Iterator[str]:
    """The lines of the table; all columns but the first are aligned to the right."""
    cells = [("", measure.name, *_HEADING), *(_cells(row, measure) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for name, *others in cells:
        aligned = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join([name.ljust(widths[0]), *aligned])


def _cells(row: "ComparedRecipe", measure: "Measure") -> tuple[str, ...]:
    low, high = map(measure.text, row.interval)
    below, above = map(measure.difference_text, row.difference_interval)
    compared = ("", "") if row.verdict == "base" else (measure.difference_text(row.difference), f"{below} to {above}")
    losses = f"{row.train_loss:.4f}", f"{row.val_loss:.4f}"
    return row.name, measure.text(row.value), f"{low} to {high}", *compared, f"{row.seconds:.2f} s", *losses


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _number(option: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise UsageError(f"{option}: {word!r} is not a number.") from None


def _settings(pairs: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair}: give NAME=VALUE, such as --set weight_decay=0.001.")
        found[name.strip().replace("-", "_")] = value.strip()
    return found
