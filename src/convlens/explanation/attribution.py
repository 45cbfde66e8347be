"""Why this class, and what a place really sees: Grad-CAM, input gradients, effective receptive fields."""

import dataclasses
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.explanation.images import heat_map
from convlens.gradient.backpropagate import Backpropagation, backpropagate
from convlens.graph.axis_order import axis_orders
from convlens.graph.graph import Graph
from convlens.graph.hierarchy import Hierarchy
from convlens.graph.receptive_field import ReceptiveFields, receptive_field
from convlens.graph.split import until

_MOST_EFFECTIVE = 8


def grad_cam(graph: Graph, result: Backpropagation, last_feature_map: str | None, size: tuple[int, int]) -> str | None:
    """relu(Σ_k α_k A_k), with α_k the mean of ∂J/∂A_k, over the last feature maps A; as a layer over the image.

    None where no maps of two axes come before the output, or nothing says which of their axes are the places.
    Selvaraju et al.: Grad-CAM, ICCV 2017, arXiv:1610.02391, equations 1 and 2.
    """
    order = axis_orders(graph).get(last_feature_map or "")
    if last_feature_map is None or order is None or len(order) != 4:
        return None
    maps, gradient = result.value(last_feature_map), result.upstream(last_feature_map)
    if gradient is None:
        return None
    channels_first = sorted(range(4), key=order.__getitem__)
    maps, gradient = maps.permute(channels_first), gradient.permute(channels_first)
    weights = gradient.mean((2, 3), keepdim=True)
    return heat_map(F.relu((weights * maps).sum(1))[0].detach(), size)


def class_activation(graph: Graph, x: Tensor, target: int) -> str | None:
    """Grad-CAM of output `target` for one image x of shape (1, 3, height, width): a layer over it, see `grad_cam`."""
    state = {key: tensor.detach() for key, tensor in graph.state.items()}  # no gradients of parameters are wanted
    alone = dataclasses.replace(graph, state=state)
    upstream = torch.zeros([int(size) for size in graph.by_name[graph.outputs[0]].shape or ()])
    upstream[0, target] = 1
    result = backpropagate(alone, x, upstream=upstream, keep=True)
    return grad_cam(alone, result, receptive_field(graph).last_feature_map, (int(x.shape[2]), int(x.shape[3])))


def input_gradient(result: Backpropagation) -> str | None:
    """The largest |∂J/∂x| over the colors at each pixel (Simonyan et al., arXiv:1312.6034, section 3.1)."""
    (gradient, *_) = result.inputs
    if gradient is None or gradient.ndim != 4:
        return None
    strength = gradient[0].abs().amax(0).float()  # quantile takes no half precision
    return heat_map(strength.clamp(max=strength.flatten().quantile(0.995).item()), tuple(strength.shape))  # type: ignore[arg-type]


def effective_fields(graph: Graph, hierarchy: Hierarchy, fields: ReceptiveFields, x: Tensor) -> dict[str, str]:
    """Node -> |∂(its middle place, all channels)/∂pixel| over the input, for some nodes evenly apart.

    Luo et al.: Understanding the Effective Receptive Field, NeurIPS 2016, arXiv:1701.04128. Each takes a pass of its
    own, so not every node has one.
    """
    if x.ndim != 4:
        return {}
    chosen = _evenly(_ends_of_boxes(graph, hierarchy, fields), _MOST_EFFECTIVE)
    return {name: _effective_field(graph, name, x) for name in chosen}


def _ends_of_boxes(graph: Graph, hierarchy: Hierarchy, fields: ReceptiveFields) -> list[str]:
    """Nodes with places that the outermost box holds, and the last of each box in it, or in the boxes of that."""
    names = []
    for node in graph.operators:
        box = hierarchy.boxes[hierarchy.box_of[node.name]] if node.name in hierarchy.box_of else None
        if box is None or not isinstance(fields.nodes.get(node.name), tuple) or len(node.shape or ()) != 4:
            continue
        if box.id == "" or (box.children[-1] == node.name and box.id.count(".") <= 1):
            names.append(node.name)
    return names


def _evenly(names: Sequence[str], most: int) -> list[str]:
    if len(names) <= most:
        return list(names)
    return [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)]


def _effective_field(graph: Graph, name: str, x: Tensor) -> str:
    state = {key: tensor.detach() for key, tensor in graph.state.items()}  # no gradients of parameters are wanted
    part = until(dataclasses.replace(graph, state=state), [name])
    shape = [int(size) for size in graph.by_name[name].shape or ()]
    upstream = torch.zeros(shape, dtype=x.dtype)
    upstream[:, :, shape[2] // 2, shape[3] // 2] = 1
    (gradient,) = backpropagate(part, x, upstream=upstream).inputs
    assert gradient is not None
    return heat_map(gradient[0].abs().sum(0).sqrt(), (int(x.shape[2]), int(x.shape[3])))
