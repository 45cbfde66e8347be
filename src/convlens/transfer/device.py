"""Where a network computes: on the processor or on a GPU."""

import dataclasses
from typing import Any

import torch
from torch import nn

from convlens.core.errors import MachineError, unknown_name
from convlens.core.settings import setting
from convlens.graph.graph import Graph

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(device: str) -> str:
    """ "cpu" or "cuda"; "auto" takes a GPU where there is one. Raises MachineError for a GPU that is not there."""
    if device not in DEVICES:
        raise unknown_name("device", device, DEVICES)
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise MachineError(
            f"{setting('device', 'cuda')}: torch finds no GPU that it can use. Take {setting('device', 'auto')} or "
            "cpu, or install a driver and a build of torch for it (https://pytorch.org/get-started)."
        )
    return "cuda" if there and device != "cpu" else "cpu"


def on_device(graph: Graph, module: nn.Module) -> Graph:
    """The graph of a module that was moved, with the tensors that the module has now.

    Its constants follow, and so do operators that make new tensors: captured, they name the device that they saw.
    """
    device = next(module.parameters()).device
    owned = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    state = {name: owned[name] if name in owned else tensor.to(device) for name, tensor in graph.state.items()}

    def there(value: Any) -> Any:
        return device if isinstance(value, torch.device) else value

    nodes = tuple(
        dataclasses.replace(
            node,
            arguments=tuple(map(there, node.arguments)),
            keywords={key: there(value) for key, value in node.keywords.items()},
        )
        for node in graph.nodes
    )
    return dataclasses.replace(graph, nodes=nodes, state=state)


def device_of(graph: Graph) -> torch.device:
    """Where the graph's tensors are; the processor where it has none."""
    return next((tensor.device for tensor in graph.state.values()), torch.device("cpu"))
