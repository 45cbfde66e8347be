"""The options that say which class an image has and who is judged, alike in all commands that have them."""

from typing import Annotated

import typer

DIVISION = "Classes, and who is judged"

NestedOption = Annotated[
    bool, typer.Option(help="Every folder that holds images is a class.", rich_help_panel=DIVISION)
]
TaskOption = Annotated[
    str,
    typer.Option(
        "--task",
        help="What the table holds: classification (one class per image), multilabel (several labels), regression "
        "(numbers), or auto to find out. It decides the loss.",
        rich_help_panel=DIVISION,
    ),
]
FormerTaskOption = Annotated[str, typer.Option("--learn", hidden=True)]
"""What `--task` was called in convlens 0.1.0."""
LabelColumnsOption = Annotated[
    str, typer.Option(metavar="A,B,...", help="The columns of the table that are learned.", rich_help_panel=DIVISION)
]
GroupOption = Annotated[
    str,
    typer.Option(
        metavar="REGEX|COLUMN",
        help="Images of one group, such as the frames of a video, stand on one side.",
        rich_help_panel=DIVISION,
    ),
]
SplitOption = Annotated[
    str, typer.Option(metavar="FILE", help="Take the sides of a run's split.csv.", rich_help_panel=DIVISION)
]
