"""What makes two graphs the same: their structure, and the values that they read."""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from convlens.graph.graph import Graph, Ref, replace_references


def structure_of(graph: Graph) -> str:
    """A text that is equal for graphs that compute the same from the same state: operators, arguments, wiring."""
    position = {node.name: i for i, node in enumerate(graph.nodes)}

    def numbered(ref: Ref) -> str:
        return f"%{position[ref.name]}"

    lines = [
        f"{node.operator} {replace_references(node.arguments, numbered)!r} "
        f"{ {key: replace_references(value, numbered) for key, value in sorted(node.keywords.items())}!r}"
        for node in graph.nodes
    ]
    return "\n".join([*lines, f"out {[position[name] for name in graph.outputs]}"])


def digest_of(tensors: Iterable[Tensor]) -> str:
    """SHA-256 over the tensors' shapes, number formats and values, whatever their order in memory."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def prefix_digest(graph: Graph) -> str:
    """SHA-256 of a prefix: its structure, and the values of all that it reads."""
    values = digest_of(graph.state[node.state] for node in graph.nodes if node.state)
    return hashlib.sha256(f"{structure_of(graph)}\n{values}".encode()).hexdigest()
