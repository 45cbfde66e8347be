"""A graph's structure as text, so that a network that was captured once need not be captured again."""

import json
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from convlens.graph.graph import Graph, Node, Ref

FORMAT_VERSION = 1
_TORCH_CONSTANTS = (torch.dtype, torch.device, torch.layout, torch.memory_format)


def to_json(graph: Graph) -> str:
    """The graph without its tensors. Raises TypeError for an argument that has no written form."""
    nodes = [_written_node(node) for node in graph.nodes]
    return json.dumps({"version": FORMAT_VERSION, "nodes": nodes, "outputs": graph.outputs})


def from_json(text: str, state: Mapping[str, Tensor]) -> Graph:
    """The graph that `text` holds, with the tensors of `state` by their dotted names."""
    content = json.loads(text)
    if content["version"] != FORMAT_VERSION:
        raise ValueError(f"graph format {content['version']}, this version of convlens reads {FORMAT_VERSION}")
    nodes = tuple(_read_node(fields) for fields in content["nodes"])
    return Graph(
        nodes=nodes,
        outputs=tuple(content["outputs"]),
        state={node.state: state[node.state] for node in nodes if node.state},
    )


def _written_node(node: Node) -> dict[str, Any]:
    fields = {
        "name": node.name,
        "kind": node.kind,
        "operator": node.operator,
        "arguments": _written(node.arguments),
        "keywords": {key: _written(value) for key, value in node.keywords.items()},
        "shape": node.shape,
        "dtype": str(node.dtype) if node.dtype else None,
        "size": node.size,
        "state": node.state,
        "module": node.module,
        "source": node.source,
        "mutates": node.mutates,
        "own_backward": node.own_backward,
    }
    return {key: value for key, value in fields.items() if value not in (None, "", (), {})}


def _read_node(fields: dict[str, Any]) -> Node:
    return Node(
        name=fields["name"],
        kind=fields["kind"],
        operator=fields["operator"],
        target=_target(fields["operator"]) if fields["kind"] == "operator" else None,
        arguments=_read(fields.get("arguments", {"tuple": []})),
        keywords={key: _read(value) for key, value in fields.get("keywords", {}).items()},
        shape=tuple(fields["shape"]) if "shape" in fields else _no_shape(fields),
        dtype=_torch_constant(fields["dtype"]) if "dtype" in fields else None,
        size=fields.get("size"),
        state=fields.get("state", ""),
        module=fields.get("module", ""),
        source=fields.get("source", ""),
        mutates=tuple(fields.get("mutates", ())),
        own_backward=fields.get("own_backward", ""),
    )


def _no_shape(fields: dict[str, Any]) -> tuple[int | str, ...] | None:
    """An empty shape is left out like None; a node with a dtype is a tensor, and then of order 0."""
    return () if "dtype" in fields else None


def _written(value: Any) -> Any:
    if isinstance(value, Ref):
        return {"ref": value.name}
    if isinstance(value, tuple):
        return {"tuple": [_written(item) for item in value]}
    if isinstance(value, list):
        return [_written(item) for item in value]
    if isinstance(value, _TORCH_CONSTANTS):
        return {"device": str(value)} if isinstance(value, torch.device) else {"torch": str(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"an argument of type {type(value).__name__} has no written form")


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "ref":
        return Ref(content)
    if kind == "tuple":
        return tuple(_read(item) for item in content)
    readers: dict[str, Callable[[str], Any]] = {"torch": _torch_constant, "device": torch.device, "float": float}
    return readers[kind](content)


def _torch_constant(text: str) -> Any:
    return getattr(torch, text.removeprefix("torch."))


def _target(name: str) -> Callable[..., Any]:
    namespace, packet, *overload = name.split(".")
    if namespace == "python":
        home: Any = operator if hasattr(operator, packet) else math
        function: Callable[..., Any] = getattr(home, packet)
        return function
    target: Callable[..., Any] = getattr(getattr(getattr(torch.ops, namespace), packet), overload[0])
    return target
