"""The options that say which label an image has, alike in all commands that have them."""

from typing import Annotated

import typer

NestedOption = Annotated[bool, typer.Option(help="Treat every folder that holds images as a class, named by its path.")]
LearnOption = Annotated[
    str,
    typer.Option(
        metavar="KIND",
        help="What the table holds: class, labels (several per image), numbers, or auto to detect it.",
    ),
]
LabelColumnsOption = Annotated[str, typer.Option(metavar="A,B,...", help="Columns of the table to learn.")]
