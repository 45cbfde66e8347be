"""A search on the terminal: what was tried and what was chosen."""

from typing import TYPE_CHECKING

from convlens.cli.streams import echo
from convlens.core.durations import duration

if TYPE_CHECKING:
    from convlens.core.search import Search


def print_search(record: "Search") -> None:
    """A table of all recipes that were tried, and the chosen one."""
    from convlens.core.kinds.registry import KINDS

    measure, width = KINDS[record.task].measure, max(len(one.name) for one in record.tried)
    echo(f"{record.method} of {record.images} training images, {duration(record.seconds)}:".capitalize())
    echo(f"{'':{width}}  {measure.name:>13}  {'95% interval':>17}     loss     time")
    for one in record.tried:
        interval = " to ".join(measure.text(end) for end in one.interval)
        echo(
            f"{one.name:{width}}  {measure.text(one.score):>13}  {interval:>17}  {one.loss:7.4f}  "
            f"{duration(one.seconds):>7}"
        )
    for name in record.left_out:
        echo(f"Left out: {name}.")
    echo(f"Chosen   {record.tried[record.chosen].name}")
    echo("")
