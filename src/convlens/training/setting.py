"""A setting: what a field of the recipe says of itself, from which options, comments, schema and tables are derived."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast, get_args

import annotated_types
from pydantic import Field
from pydantic.fields import FieldInfo

Panel = Literal["Network", "Optimization", "Augmentation and regularization", "Labels and splits", "Machine"]
Effect = Literal["features", "split", "examples", "head"]
"""What may differ between two runs that differ in a setting:

- `features`: what the frozen layers compute, or which layers are frozen, so that stored features may not be shared;
- `split`: on which side an image is, or what its label is;
- `examples`: the minibatches, the network that reads them, or the arithmetic;
- `head`: what a step makes of its minibatch; heads that differ in nothing else train side by side.
"""
_METAVARS = {int: "N", float: "X", str: "TEXT", bool: ""}
_BOUNDS = {annotated_types.Ge: "≥", annotated_types.Gt: ">", annotated_types.Le: "≤", annotated_types.Lt: "<"}
_SAME: Any = object()
T = TypeVar("T")


def setting(
    default: T,
    help: str,  # noqa: A002
    panel: Panel,
    *affects: Effect,
    metavar: str = "",
    initial: str | None = _SAME,
    common: bool = False,
    **bounds: Any,
) -> T:
    """A field of the recipe, with a sentence of help, the panel of the help that lists it, and what it affects.

    `affects` is required: until someone has thought about a new setting, nothing may be shared across it. `metavar`
    is what stands for the value in the help. `initial` is what `train` begins with where the value depends on the
    network or the machine; None to derive it. A `common` setting is an option of `convlens compare`, too. `bounds` are
    those of pydantic.Field.
    """
    if not affects:
        raise TypeError(f"a setting states what it affects, at least one of {', '.join(get_args(Effect))}: {help!r}.")
    if help[-1:] not in ".)":
        raise TypeError(f"the help of a setting is a sentence: {help!r}.")
    extra: dict[str, Any] = {"panel": panel, "affects": list(affects), "metavar": metavar, "common": common}
    if initial is not _SAME:
        extra["initial"] = initial
    return cast("T", Field(default=default, description=help, json_schema_extra={"setting": extra}, **bounds))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """A field of the recipe as those see it who derive something from it."""

    name: str
    help: str
    panel: Panel
    affects: frozenset[Effect]
    metavar: str
    """"" for a switch."""
    common: bool
    type: type
    """int, float, str or bool."""
    default: int | float | str | bool
    initial: int | float | str | bool | None
    """What `train` begins with: the default, or "auto" or None where the value is derived."""
    accepts: str
    """The values that are accepted: choices, or bounds such as "≥ 1, ≤ 64"; "" where that takes a sentence."""

    @classmethod
    def of(cls, name: str, field: FieldInfo) -> "Setting":
        """The setting that a field made by `setting` holds."""
        if not isinstance(field.json_schema_extra, dict):
            raise TypeError(f"{name} is not a field that `setting` made.")
        extra = cast("dict[str, Any]", field.json_schema_extra["setting"])
        choices = [str(choice) for choice in get_args(field.annotation)]
        kind = str if choices else cast("type", field.annotation)
        initial = extra.get("initial", field.default)
        if choices and isinstance(initial, str) and initial not in choices:
            choices = [initial, *choices]
        return cls(
            name=name,
            help=str(field.description),
            panel=extra["panel"],
            affects=frozenset(extra["affects"]),
            metavar=extra["metavar"] or "|".join(choices) or _METAVARS[kind],
            common=extra["common"],
            type=kind,
            default=field.default,
            initial=initial,
            accepts=", ".join(choices) or _bounds(field),
        )

    @property
    def flag(self) -> str:
        """The option of the command line."""
        return flag(self.name)


def flag(name: str) -> str:
    """The option of the command line for a field."""
    return f"--{name.replace('_', '-')}"


def settings_of(fields: Mapping[str, FieldInfo]) -> dict[str, Setting]:
    """The settings of all fields, by name."""
    return {name: Setting.of(name, field) for name, field in fields.items()}


def _bounds(field: FieldInfo) -> str:
    found = [bound for bound in field.metadata if type(bound) in _BOUNDS]
    values = [getattr(bound, type(bound).__name__.lower()) for bound in found]
    return ", ".join(
        f"{_BOUNDS[type(bound)]} {value:{'g' if isinstance(value, float) else ''}}"
        for bound, value in zip(found, values, strict=True)
    )
