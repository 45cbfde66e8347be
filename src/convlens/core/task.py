"""The tasks by name: what is learned of an image."""

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator

_Name = Literal["classification", "multilabel", "regression"]
TASK_NAMES: tuple[_Name, ...] = get_args(_Name)
FORMER_TASK_NAMES = {"class": "classification", "labels": "multilabel", "numbers": "regression"}
"""Tasks as files of convlens 0.1.0 call them, and as they are called now."""


def present_task_name(name: object) -> object:
    """A task's name as it is now; what is not a former name stays."""
    return FORMER_TASK_NAMES.get(name, name) if isinstance(name, str) else name


TaskName = Annotated[_Name, BeforeValidator(present_task_name)]
AskedTask = Annotated[Literal["auto", "classification", "multilabel", "regression"], BeforeValidator(present_task_name)]
"""What a person asks for: "auto" to find out."""


def first_task_name(name: str) -> str:
    """What convlens 0.1.0 called a task: keys of what was stored then hold it."""
    return next((former for former, present in FORMER_TASK_NAMES.items() if present == name), name)
