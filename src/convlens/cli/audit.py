"""`convlens audit DIR`."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.outcome import say_problems
from convlens.cli.rate import rate_of
from convlens.cli.recipe_options import RecipeCommand, given_settings
from convlens.cli.screen import JsonOption, QuietOption, Screen, printable
from convlens.cli.streams import echo
from convlens.cli.table import print_table

if TYPE_CHECKING:
    from convlens.core.audit import AuditRecord, Gain, LabelAudit, Sealed
    from convlens.core.leaks import Leaks, Shortcuts

_LEAKS_SHOWN = 5
_SHOWN = 10
_CLASSES_SHOWN = 5
_LEAST_WIDTH = 60


class AuditCommand(RecipeCommand):
    """The command, with the settings that say what an image's label is and whose features it is judged by."""

    names = (
        *("backbone", "weights", "size", "labels", "file_column", "task", "label_columns", "nested"),
        *("predefined_split", "group_by", "seed"),
    )


def audit(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder with one subfolder of images per class, or with such subfolders in train/, val/ and test/.",
        ),
    ],
    write: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Write a table of all images in which suggestions are taken unseen."),
    ] = None,
    confidence: Annotated[
        str | None,
        typer.Option(metavar="RATE", help="With --write: the least probability of such suggestions. Default: 90%."),
    ] = None,
    corrected: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="A corrected table, from the page or --write: say what it is worth."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Predictions of the evaluated images, by convlens or others: what hangs on leaks of their accuracy.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the page and the record. Default: a new one under audits/."),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find wrong labels, leaks and shortcuts, for review on a page.

    The folder is only read. The side of a split that is evaluated on is reviewed blind.
    """
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks.audit import audit as task
    record = task(
        folder,
        write=write,
        confidence=None if confidence is None else rate_of("--confidence", confidence),
        corrected=corrected,
        predictions=predictions,
        out=out,
        progress=screen.progress,
        say=screen.say,
        **given_settings(context),
    )
    say_problems(record.bad_files, screen.say)
    screen.show(record, lambda: _print(record))


def _print(record: "AuditRecord") -> None:
    labels = record.labels
    echo(
        f"{labels.images} images of {len(record.classes)} classes, each judged by a network that was not trained on "
        f"it: {labels.agreement:.1%} of the labels are what it predicts"
    )
    if labels.not_judged:
        echo(printable(f"Classes with too few images to judge: {', '.join(labels.not_judged)}"))
    echo(
        f"Wrong    {_counted(len(labels.suspects), 'label')} likely, and an estimated {labels.noise:.1%} of all; "
        f"{len(labels.doubts)} others are in doubt"
    )
    _print_suspects(labels)
    for line in (*_class_lines(labels), *_contradiction_lines(labels)):
        echo(printable(line))
    if labels.sealed:
        echo(_sealed_line(labels.sealed))
    if labels.gain:
        for line in _gain_lines(labels.gain):
            echo(printable(line))
    for line in (*_leak_lines(record.leaks), *_shortcut_lines(record.shortcuts)):
        echo(printable(line))
    for line in _written_lines(record):
        echo(printable(line))
    if record.page:
        echo(printable(f"Page     {record.page}"))


def _print_suspects(labels: "LabelAudit") -> None:
    from rich.table import Table
    from rich.text import Text

    if not labels.suspects:
        return
    table = Table("image", "label", "probability", "suggested", "probability", box=None)
    for one in labels.suspects[:_SHOWN]:
        cells = (
            *(one.file, one.given, f"{one.given_probability:.1%}", one.suggested, f"{one.suggested_probability:.1%}"),
        )
        table.add_row(*(Text(printable(cell), overflow="fold") for cell in cells))
    print_table(table, _LEAST_WIDTH)
    if len(labels.suspects) > _SHOWN:
        echo(f" and {len(labels.suspects) - _SHOWN} more")


def _class_lines(labels: "LabelAudit") -> Iterator[str]:
    worst = [one for one in labels.classes if one.wrong >= 0.005][:_CLASSES_SHOWN]
    if worst:
        named = (f"{one.name} {one.wrong:.1%} (most are {one.confused_with})" for one in worst)
        yield f"Classes  wrong as estimated: {', '.join(named)}"


def _contradiction_lines(labels: "LabelAudit") -> Iterator[str]:
    for one in labels.contradictions[:_SHOWN]:
        files = " and ".join(f"{file} ({label})" for file, label in zip(one.files, one.labels, strict=True))
        likelier = "" if one.suggested is None else f"; {one.suggested} is likelier"
        yield f"Certain  the same image has two labels: {files}{likelier}"
    if len(labels.contradictions) > _SHOWN:
        yield f"         and {len(labels.contradictions) - _SHOWN} more such images"


def _sealed_line(sealed: "Sealed") -> str:
    some = "" if sealed.reviewed == sealed.suspects else f"{sealed.reviewed} of them "
    return (
        f"Sealed   {_counted(sealed.images, f'{sealed.side} image')}: {_counted(sealed.suspects, 'suspect')}, {some}to "
        f"be reviewed blind among {_counted(sealed.controls, 'other')}; none is named here"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun if count == 1 else f'{noun}s'}"


def _gain_lines(gain: "Gain") -> Iterator[str]:
    changed, dropped = _counted(gain.changed, "label"), _counted(gain.dropped, "image")
    yield (
        f"Worth    {gain.table} changes {changed} to learn from and leaves out {dropped}: accuracy {gain.before:.1%} "
        f"before, {gain.after:.1%} after,"
    )
    evaluated = _counted(gain.images, f"{gain.evaluated_on} image")
    yield f"         {_points(gain.difference, gain.interval)} on {evaluated} as labeled"
    if (blind := gain.blind) is not None:
        yield (
            f"Blind    changed are {blind.suspects.changed} of {_counted(blind.suspects.images, 'suspect')} and "
            f"{blind.controls.changed} of {_counted(blind.controls.images, 'control')}: "
            f"{_points(blind.difference, blind.interval)}"
        )


def _leak_lines(leaks: "Leaks | None") -> Iterator[str]:
    from convlens.core.leaks import TOLD

    if leaks is None:
        return
    if not leaks.leaks:
        yield f"Leaks    none: no {leaks.side} image is told about by one to train on"
        return
    kinds = ", ".join(f"{times} {TOLD[kind]}" for kind, times in leaks.counts.items())
    yield f"Leaks    images to train on tell about {len(leaks.leaks)} of {leaks.images} {leaks.side} images: {kinds}"
    if (whole := leaks.with_leaks) and (rest := leaks.without_leaks):
        hang = 100 * (whole.accuracy - rest.accuracy)
        whose = f"of {leaks.predictions} " if leaks.predictions else ""
        yield (
            f"         accuracy {whose}{whole.accuracy:.1%} with them, {rest.accuracy:.1%} on the {rest.images} "
            f"others: {hang:+.1f} points hang on them"
        )
    for one in leaks.leaks[:_LEAKS_SHOWN]:
        yield f"         {one.file} and {one.like}: {TOLD[one.kind]}"
    if len(leaks.leaks) > _LEAKS_SHOWN:
        yield f"         and {len(leaks.leaks) - _LEAKS_SHOWN} more, on the page"


def _shortcut_lines(shortcuts: "Shortcuts") -> Iterator[str]:
    if not shortcuts.found:
        yield f"Shortcut none: {', '.join(shortcuts.looked_at)} tell the classes no better than chance, or hardly"
    for one in shortcuts.found:
        low, high = one.interval
        doubt = "; it may be what the images show" if one.content else ""
        yield (
            f"Shortcut {one.fact} alone tells the classes to {one.accuracy:.0%} ({low:.0%} to {high:.0%}; by chance "
            f"{shortcuts.chance:.0%}): {one.name} {one.here}, others {one.elsewhere}{doubt}"
        )


def _written_lines(record: "AuditRecord") -> Iterator[str]:
    if (written := record.written) is not None:
        yield (
            f"Written  {written.table}, with {written.taken} of {written.suspects} suggestions: those of a probability "
            f"of at least {written.confidence:.0%}"
        )
        task = " --task classification" if record.ambiguous_classes else ""
        yield f"         convlens train {shlex.quote(record.folder)} --labels {shlex.quote(written.table)}{task}"


def _points(difference: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * difference:+.1f} points (95% interval {100 * low:+.1f} to {100 * high:+.1f})"
