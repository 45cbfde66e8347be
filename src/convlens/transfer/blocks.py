"""Blocks: the parts of a network that are unfrozen one by one, from the head backwards."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from convlens.graph.graph import Graph

_SEQUENCES = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_NORMS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)


def blocks(module: nn.Module, graph: Graph, head: str) -> list[str]:
    """Paths of the network's blocks in the order in which they run, `head` and what runs after it left out.

    A block is a module with parameters that is no mere sequence of modules: a residual block, an inception module, a
    layer of a dense block; in a plain network each convolution and each fully connected layer. A normalization that
    stands alone belongs to the block before it.
    """
    candidates = [path for path in _blocks_below(module, "") if not inside(path, head) and not inside(head, path)]
    first: dict[str, int] = {}
    for place, node in enumerate(graph.operators):
        if (path := next((path for path in candidates if inside(node.module, path)), None)) is not None:
            first.setdefault(path, place)
    last = next(
        (place for place, node in enumerate(graph.operators) if inside(node.module, head)), len(graph.operators)
    )
    running = sorted((path for path in first if first[path] < last), key=first.__getitem__)
    return [path for i, path in enumerate(running) if i == 0 or not isinstance(module.get_submodule(path), _NORMS)]


def inside(path: str, module: str) -> bool:
    """Whether the module at `path` is the one at `module`, or a part of it."""
    return path == module or path.startswith(f"{module}.")


def _blocks_below(module: nn.Module, path: str) -> list[str]:
    found = []
    for name, child in module.named_children():
        place = f"{path}.{name}" if path else name
        if isinstance(child, _SEQUENCES) and type(child).forward in _FORWARDS:
            found += _blocks_below(child, place)
        elif any(True for _ in child.parameters()):
            found.append(place)
    return found


_FORWARDS = {sequence.forward for sequence in _SEQUENCES}
"""A kind of sequence with a forward pass of its own, such as a dense block, is more than a sequence."""
