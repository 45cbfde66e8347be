"""`convlens cache`."""

from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.screen import JsonOption, Screen, printable
from convlens.cli.streams import echo
from convlens.cli.table import print_table
from convlens.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convlens.core.cache import CachedFeatures, CacheRecord, NotOurs, PrunedEntry, PruneRecord

_LEAST_WIDTH = 78
_SHOWN = 10
_TITLES = {
    "features": ("features of images", "the frozen layers run again"),
    "facts": ("image checks, thumbnails", "images are decoded again"),
    "graphs": ("captured networks", "captured again in seconds"),
    "weights": ("downloaded weights", "downloaded again"),
    "archives": ("unpacked archives", "unpacked again"),
    "trials": ("trials of number formats", "tried again"),
    "damaged": ("damaged files, set aside", "nobody reads them"),
    "leftovers": ("left by interrupted work", "nobody reads them"),
}
"""What a person calls a kind, and what follows where it is removed and needed."""


def cache(
    prune: Annotated[bool, typer.Option("--prune", help="Remove what the options below choose.")] = False,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="What was last used longer ago than this, such as 30d.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Only this kind, as the list names it; may be given several times."),
    ] = None,
    down_to: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Only until no more than this is left, such as 5GB; the oldest go first."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Everything that convlens has stored.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    json: JsonOption = False,
) -> None:
    """Show what is stored for reuse, and remove it.

    All of it is made again when needed, and a running command keeps what it uses. What was last used by a version that
    did not note it counts from when it was written.
    """
    from convlens.tasks.cache import list_cache, prune_cache

    screen = Screen(json=json, quiet=False)
    if prune:
        pruned = prune_cache(older_than=older_than, kind=kind or (), down_to=down_to, all=all_, dry_run=dry_run)
        screen.show(pruned, lambda: _print_pruned(pruned))
        return
    if older_than is not None or kind or down_to is not None or all_ or dry_run:
        raise UsageError(
            "--older-than, --kind, --down-to, --all and --dry-run choose what to remove, and go with --prune. Nothing "
            "was removed; add --prune."
        )
    record = list_cache()
    screen.show(record, lambda: _print_cache(record))


def _print_cache(record: "CacheRecord") -> None:
    from convlens.core.amounts import size_of

    free = "" if record.free_bytes is None else f", {size_of(record.free_bytes)} free on its disk"
    if record.kinds:
        echo(printable(f"{record.folder}: {size_of(record.bytes)}{free}"))
        _print_kinds(record)
        _print_features(record.features)
        echo("\nTo remove some: convlens cache --prune --older-than 30d, or --down-to 5GB")
        echo("(with --dry-run it only says what would go)")
    else:
        echo(printable(f"nothing is stored in {record.folder}{free}"))
    _print_others(record.others)


def _print_kinds(record: "CacheRecord") -> None:
    from rich.table import Table
    from rich.text import Text

    from convlens.core.amounts import size_of

    table = Table("kind", "what it is", box=None)
    for heading in ("number", "size"):
        table.add_column(heading, justify="right")
    table.add_column("last used")
    for one in record.kinds:
        title, _ = _TITLES[one.kind]
        cells = (one.kind, title, f"{one.entries:,}", size_of(one.bytes), _days(one.oldest, one.newest))
        table.add_row(*map(Text, cells))
    print_table(table, _LEAST_WIDTH)


def _print_features(tables: "Sequence[CachedFeatures]") -> None:
    from rich.table import Table
    from rich.text import Text

    from convlens.core.amounts import size_of

    if not tables:
        return
    echo("")
    listed = Table("features of", "frozen", box=None)
    for heading in ("pixels", "images", "each", "size"):
        listed.add_column(heading, justify="right")
    listed.add_column("last used")
    rows = _with_copies(tables)
    for group in rows[-_SHOWN:]:
        first, note = group[0], group[0].note
        cells = (
            _name(first) + (f" + {len(group) - 1} copies" if len(group) > 1 else ""),
            note.freeze if note else "",
            str(note.size) if note else "",
            f"{first.images:,}",
            _each(first),
            size_of(sum(one.bytes for one in group)),
            _day(max(one.last_use for one in group)),
        )
        listed.add_row(*(Text(printable(cell), overflow="fold") for cell in cells))
    print_table(listed, _LEAST_WIDTH)
    if len(rows) > _SHOWN:
        echo(f"{len(rows) - _SHOWN} more were last used before these; --json lists all")


def _with_copies(tables: "Sequence[CachedFeatures]") -> "list[list[CachedFeatures]]":
    """Tables together with those of the augmented copies of their images, in the order of the last use."""
    groups: dict[object, list[CachedFeatures]] = {}
    for one in tables:
        plain = one.note and (one.note.model_copy(update={"augmented_copy": 0}).to_json(), one.number_format)
        groups.setdefault(plain or one.key, []).append(one)
    for group in groups.values():
        group.sort(key=lambda one: one.note.augmented_copy if one.note else 0)
    return sorted(groups.values(), key=lambda group: max(one.last_use for one in group))


def _name(table: "CachedFeatures") -> str:
    if table.note is not None:
        return table.note.backbone
    return "images themselves" if table.number_format == "pixels" else "not noted"


def _each(table: "CachedFeatures") -> str:
    """Shape and number format of one image's features."""
    if not table.shape:
        return "damaged"
    shapes = " + ".join("x".join(map(str, shape)) for shape in table.shape)
    return shapes if table.number_format == "pixels" else f"{shapes} {table.number_format}".strip()


def _print_others(others: "Sequence[NotOurs]") -> None:
    from convlens.core.amounts import size_of

    if others:
        echo("\nnot removed by any option:")
    for one in others[:_SHOWN]:
        echo(printable(f"  {one.path}: {one.reason}, {size_of(one.bytes)}"))
    if len(others) > _SHOWN:
        echo(f"  and {len(others) - _SHOWN} more; --json lists all")


def _print_pruned(record: "PruneRecord") -> None:
    from convlens.core.amounts import size_of

    if record.removed:
        echo(f"{'would remove' if record.dry_run else 'removed'} {size_of(record.removed_bytes)}:")
        for line in _by_kind(record.removed):
            echo(f"  {line}")
    else:
        echo("nothing removed" if record.kept else "nothing to remove")
    for one in record.kept:
        echo(printable(f"kept {one.name} ({size_of(one.bytes)}): {one.reason}"))
    would = "would be left" if record.dry_run else "left"
    echo(printable(f"{size_of(record.left_bytes)} {would} in {record.folder}"))
    if record.wanted_bytes is not None and record.left_bytes > record.wanted_bytes:
        echo(f"{size_of(record.wanted_bytes)} cannot be reached: the rest is in use, or the other options spare it")


def _by_kind(entries: "Sequence[PrunedEntry]") -> list[str]:
    """A line for each kind: how many, how large, last used when, and what follows."""
    from convlens.core.amounts import size_of

    lines = []
    for kind, (title, cost) in _TITLES.items():
        if found := [one for one in entries if one.kind == kind]:
            uses = [one.last_use for one in found]
            size = size_of(sum(one.bytes for one in found))
            lines.append(f"{title}: {len(found):,}, {size}, last used {_days(min(uses), max(uses))}; {cost}")
    return lines


def _days(oldest: str, newest: str) -> str:
    first, last = _day(oldest), _day(newest)
    return first if first == last else f"{first} to {last}"


def _day(moment: str) -> str:
    return moment.partition("T")[0]
