"""The operator table: all that is known about each operator, by its name as it stands in an exported graph."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

import torch

from convlens.core.errors import unknown_name
from convlens.ops import (
    activation,
    arithmetic,
    attention,
    convolution,
    cross_entropy,
    dropout,
    einsum,
    embedding,
    functions,
    linear,
    loss,
    normalization,
    places,
    pooling,
    put_back,
    reduction,
    resampling,
    root_mean_square,
    shape,
    sizes,
    softmax,
    wiring,
)
from convlens.ops.record import Operator

FAMILIES: tuple[ModuleType, ...] = (
    activation,
    arithmetic,
    attention,
    convolution,
    cross_entropy,
    dropout,
    einsum,
    embedding,
    functions,
    linear,
    loss,
    normalization,
    places,
    pooling,
    put_back,
    reduction,
    resampling,
    root_mean_square,
    shape,
    sizes,
    softmax,
    wiring,
)


def _records(family: ModuleType) -> Iterator[Operator]:
    """The operators that a family's file defines, alone or in a tuple."""
    for value in vars(family).values():
        for record in value if isinstance(value, tuple) else (value,):
            if isinstance(record, Operator):
                yield record


def _table() -> Mapping[str, Operator]:
    records = [record for family in FAMILIES for record in _records(family)]
    table = {record.name: record for record in records}
    assert len(table) == len(records), "two records of one operator"
    return MappingProxyType(table)


TABLE: Mapping[str, Operator] = _table()
"""Operator name ("aten.conv2d.default", "python.mul") -> its record. Read-only."""


def name_of(target: Callable[..., Any] | str) -> str:
    """The table's key for the target of a graph node: an ATen overload, or a function of Python's `operator` module."""
    if isinstance(target, str):
        return target
    if isinstance(target, torch._ops.OpOverload):
        return str(target)
    return f"python.{target.__name__}"


def lookup(target: Callable[..., Any] | str) -> Operator:
    """The record of an operator, by the target of a graph node or by name; UsageError when the table has none."""
    name = name_of(target)
    if name not in TABLE:
        raise unknown_name("operator", name, sorted(TABLE))
    return TABLE[name]
