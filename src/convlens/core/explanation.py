"""The record of an explanation: a network at work on one input, forward and backward, node by node."""

from typing import Any, Literal

from convlens.core.records import Record

Numbers = list[Any] | float
"""A small tensor as nested lists."""


class Statistics(Record):
    """How the elements of a tensor are spread; `counts` are those of equal intervals from `smallest` to `largest`."""

    mean: float
    std: float
    smallest: float
    largest: float
    zeros: float
    """Part of the elements that are exactly zero."""
    norm: float
    """Root of the sum of squares."""
    counts: list[int]


class Maps(Record):
    """Some channels of a tensor as one image of equal tiles, left to right, top to bottom."""

    image: str
    """A PNG file as a data URI."""
    channels: list[int]
    columns: int
    rows: int
    signed: bool
    """Negative values are blue, positive ones orange; otherwise dark is small and bright is large."""


class ParameterLine(Record):
    """One parameter that a node reads, with the size of its gradient (None where it has none)."""

    name: str
    shape: list[int]
    norm: float
    gradient_norm: float | None
    numbers: Numbers | None
    gradient: Numbers | None


class Contribution(Record):
    """What came back to a node through one of those that read it."""

    through: str
    norm: float
    numbers: Numbers | None


class LocalGradient(Record):
    """The local gradient tensor ∂y/∂u of a small node, of shape y.shape + u.shape."""

    wrt: str
    shape: list[int]
    numbers: Numbers


class FieldAxis(Record):
    """What place i sees along one axis: `size` pixels from `offset + i * stride` on."""

    size: int
    stride: int
    offset: int


class NodeLine(Record):
    """One node: an input, or an operator with its value and its upstream gradient."""

    id: str
    title: str
    operator: str
    module: str
    inputs: list[str]
    shape: list[int]
    parameters: int
    multiply_adds: int
    activation_bytes: int
    field: list[FieldAxis] | str | None
    """One axis each, "whole input", or None where it cannot be determined."""
    formula: str
    arguments: list[str]
    """What the operator is given, each with its name: "stride = [2, 2]", "weight = conv1.weight, 64×3×7×7"."""
    source: str
    state: Literal["frozen", "trained", "mixed", ""]
    cut: bool
    """Whether the value is stored at the cut of a run."""
    value: Statistics | None
    upstream: Statistics | None
    maps: Maps | None
    upstream_maps: Maps | None
    filters: Maps | None
    parameter_lines: list[ParameterLine]
    contributions: list[Contribution]
    numbers: Numbers | None
    upstream_numbers: Numbers | None
    local_gradients: list[LocalGradient]
    effective_field: str | None
    """|∂(middle place)/∂pixel| over the input as a PNG data URI."""


class BoxLine(Record):
    """One call of a module: its children in layers, and the routes of its edges (see graph.layout)."""

    id: str
    title: str
    kind: str
    """The module's class."""
    parent: str | None
    layers: list[list[str]]
    routes: list[list[str]]
    parameters: int
    multiply_adds: int
    activation_bytes: int
    state: Literal["frozen", "trained", "mixed", ""]
    last: str
    """The last node inside: its value is what the box gives."""
    unfolded: bool
    """Whether the page shows it unfolded at first."""


class FlowPoint(Record):
    """The size of the gradient at one node: the root of the mean square of its upstream gradient."""

    node: str
    depth: float
    """0 at the input, 1 at the output."""
    size: float
    through: dict[str, float]
    """For a node with several readers, the same for what came back through each."""


class Flow(Record):
    """The gradient's size by depth, of one network."""

    network: str
    points: list[FlowPoint]


class Check(Record):
    """Our gradients of all parameters against autograd's."""

    largest_difference: float
    """Relative to the largest element of the parameter's gradient."""
    parameter: str
    compared: int


class Guess(Record):
    """A class or label and its probability, or what a number was predicted to be."""

    name: str
    probability: float | None = None
    number: float | None = None
    """In its own unit."""


class Explanation(Record):
    """All that the page of `convlens explain` shows."""

    kind: Literal["convlens.explanation"] = "convlens.explanation"
    version: Literal[1] = 1
    network: str
    made: str
    input_shape: list[int]
    image: str | None
    """The input as the network sees it, as a PNG data URI, stretched over all grays where its values were normalized
    by somebody else; None where it is no image."""
    target: str
    """What the gradients are of: the score of a class or label, a number, or the sum of all outputs."""
    guesses: list[Guess]
    """The likeliest classes or labels, or all numbers; empty where the output is not one score for each of several."""
    boxes: list[BoxLine]
    nodes: list[NodeLine]
    grad_cam: str | None
    input_gradient: str | None
    flow: Flow
    versus: Flow | None
    check: Check
    parameters: int
    multiply_adds: int
    seconds: float
    notes: list[str]
    """What was left out, and why."""
