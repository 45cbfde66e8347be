"""A table on a terminal or in a pipe."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

_UNLIMITED = 10_000


def print_table(table: "Table", least_width: int) -> None:
    """Print it as wide as the terminal, but not narrower than in a few columns, where nothing would be left of it.

    Lines in a pipe have no end to be cut off at.
    """
    from rich.console import Console

    Console(width=max(Console().width, least_width) if sys.stdout.isatty() else _UNLIMITED).print(table)
