"""The table of backbones by cost that `convlens compare --backbones` prints."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from convlens.cli.inspect import short

if TYPE_CHECKING:
    from convlens.core.comparison import BackboneCost, ComparedRecipe
    from convlens.core.kinds.measure import Measure

_TITLE = "Backbones, by cost"
_SHORT_TITLE = "By cost"
_WIDTH = 100
_LEAST_NAME = 12


def backbone_table(rows: "Sequence[ComparedRecipe]", measure: "Measure") -> Iterator[str]:
    """The lines of the table, the cheapest backbone first, and how the numbers came about; none without backbones.

    No line of the table is wider than 100 columns: long names are shortened in the middle, unless two would be alike.
    """
    from convlens.core.comparison import by_cost

    costs = by_cost(rows)
    if not costs:
        return
    names = [row.network for row, _ in costs]
    head = ("size", measure.name, "to base, 95 %", "images/s", "extract", "features", "params", "mult-adds")
    cells = [head, *(_cells(row, cost, measure) for row, cost in costs)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    gap = "  " if sum(widths) + 2 * len(widths) + max(map(len, names)) <= _WIDTH else " "
    room = max(_LEAST_NAME, _WIDTH - sum(widths) - len(gap) * len(widths))
    shown = _first_column(names, room)
    for name, line in zip(shown, cells, strict=True):
        aligned = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        yield gap.join([name.ljust(max(map(len, shown))), *aligned])
    yield from _notes([cost for _, cost in costs])


def _first_column(names: Sequence[str], room: int) -> list[str]:
    short_names = [shortened(name, room) for name in names]
    if len({*short_names}) < len({*names}):
        short_names = [*names]
    return [_TITLE if len(_TITLE) <= max(room, *map(len, short_names)) else _SHORT_TITLE, *short_names]


def shortened(name: str, room: int) -> str:
    """('efficientnet_lite2', 12) -> 'effici…lite2': the end of a name tells networks of a family apart."""
    if len(name) <= room:
        return name
    end = (room - 1) // 2
    return f"{name[: room - 1 - end]}…{name[len(name) - end :]}"


def _cells(row: "ComparedRecipe", cost: "BackboneCost", measure: "Measure") -> tuple[str, ...]:
    low, high = map(measure.difference_text, row.difference_interval)
    return (
        str(cost.size),
        measure.text(row.value),
        "the base" if row.verdict == "base" else f"{low} to {high}",
        "" if cost.images_per_second is None else f"{cost.images_per_second:.1f}",
        "" if cost.extract_seconds is None else f"{'' if cost.extract_measured else '~'}{cost.extract_seconds:.1f} s",
        f"{cost.feature_bytes / 1e6:.2f} MB",
        short(cost.parameters).strip(),
        short(cost.multiply_adds).strip(),
    )


def _notes(costs: "Sequence[BackboneCost]") -> Iterator[str]:
    text = "Params and mult-adds (of one image) are those of the frozen layers."
    if sample := max(cost.sample for cost in costs):
        text += f" Images/s: through them alone, measured on {sample} images after a warm-up batch."
    text += f" Extract: all {costs[0].images} images, decoding included."
    if any(not cost.extract_measured and cost.extract_seconds is not None for cost in costs):
        text += " ~: the features were stored already, this is estimated from the sample."
    if uncounted := [cost.backbone for cost in costs if cost.uncounted]:
        text += f" Not all operators of {', '.join(uncounted)} are counted: `convlens inspect` names them."
    yield from textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
