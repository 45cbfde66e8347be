"""`convlens inspect NET|RUN`."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.screen import JsonOption, Screen
from convlens.cli.streams import echo

if TYPE_CHECKING:
    from convlens.core.inspection import Inspection, ModuleLine, SeenPixels

_LEAST_WIDTH = 120
_UNITS = ("", " k", " M", " G", " T")


def inspect(
    network: Annotated[str, typer.Argument(metavar="NET|RUN", help="Name of a network, or a run folder.")],
    size: Annotated[
        int | None, typer.Option(metavar="PIXELS", help="Side of the input in pixels. Default: the network's own.")
    ] = None,
    freeze: Annotated[
        str | None, typer.Option(metavar="PLAN", help="Mark the layers that this plan freezes, and the cut.")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, help="Levels of nested modules to list.")] = 2,
    json: JsonOption = False,
) -> None:
    """List the cost and the receptive field of every module.

    Shapes, parameters, multiply-adds, memory, receptive fields.
    """
    from convlens.tasks.inspect import inspect as task

    record = task(network, size=size, freeze=freeze, depth=depth)
    Screen(json=json, quiet=False).show(record, lambda: print_inspection(record))


def print_inspection(record: "Inspection") -> None:
    """The table of modules, and the totals."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for name in ("module", "kind", "output"):
        table.add_column(name, no_wrap=True)
    for name in ("parameters", "multiply-\nadds", "memory of\noutputs", "receptive\nfield"):
        table.add_column(name, no_wrap=True, justify="right")
    if record.freeze:
        table.add_column("state", no_wrap=True)
    for line in record.modules:
        table.add_row(*_cells(line), *((f"{line.state}{' ← cut' if line.crosses else ''}",) if record.freeze else ()))
    Console(width=max(Console().width, _LEAST_WIDTH)).print(table)
    echo(
        f"\n{record.name}: {record.parameters:,} parameters, {record.multiply_adds:,} multiply-adds forward and "
        f"{record.backward_multiply_adds:,} backward for one image,\nactivations {short(record.activation_bytes)}B, "
        f"receptive field of the last feature map: {seen(record.receptive_field)}"
    )
    for reason, count in Counter(record.unsupported).items():
        echo(f"not computed: {reason}{f' ({count} places)' if count > 1 else ''}")


def _cells(line: "ModuleLine") -> tuple[str, ...]:
    shape = "×".join(str(n) for n in line.output_shape[1:]) if line.output_shape else ""
    counts = (
        f"{line.parameters:,}" if line.parameters else "",
        short(line.multiply_adds) if line.multiply_adds else "",
    )
    memory = f"{short(line.activation_bytes)}B" if line.activation_bytes else ""
    return (line.module or "(outermost)", line.kind, shape, *counts, memory, seen(line.receptive_field))


def seen(pixels: "SeenPixels") -> str:
    """A receptive field as a person reads it: 195, 1×195, whole; nothing where there is none."""
    if isinstance(pixels, list):
        return "×".join(str(n) for n in pixels)
    return "" if pixels is None else str(pixels).removesuffix(" input")


def short(number: float) -> str:
    """Three significant digits and a unit: 1.81 G."""
    unit = 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.3g}{_UNITS[unit] or ' '}"
