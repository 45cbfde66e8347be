"""A search on the terminal: what was tried, the best first, and what was chosen."""

from typing import TYPE_CHECKING

from convlens.cli.streams import echo
from convlens.core.durations import duration

if TYPE_CHECKING:
    from convlens.core.search import Search


def print_search(record: "Search") -> None:
    """A table of all recipes that were tried, and the chosen one."""
    names = [one.name for one in record.tried]
    width = max(map(len, names))
    echo(f"Tried {record.method} of the {record.images} training images, in {duration(record.seconds)}:")
    echo(f"{'':{width}}  {record.measure:>13}   95% interval      loss    time")
    for one in record.best_first:
        low, high = one.interval
        echo(
            f"{one.name:{width}}  {one.score:13.1%}   {low:6.1%} to {high:6.1%}  {one.loss:7.4f}  {duration(one.seconds):>7}"
        )
    for one in record.left_out:
        echo(f"Left out: {one}.")
    echo(f"Chosen   {record.tried[record.chosen].name}")
    echo("")
