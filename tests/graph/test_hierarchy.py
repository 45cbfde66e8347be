"""Boxes in boxes, and where their children stand."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from convlens.graph.capture import capture
from convlens.graph.hierarchy import BOTTOM, TOP, hierarchy
from convlens.graph.layout import layout
from tests.graph.nets import Residual, zoo_graph

NETWORKS = ("resnet18", "googlenet", "densenet121", "causal_stack")


class Shared(nn.Module):
    """A block that runs its one ReLU twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.second(self.relu(self.first(x))))
        return y + x


@pytest.mark.parametrize("name", NETWORKS)
def test_every_shown_node_stands_in_one_box_and_all_edges_lead_forward(name: str) -> None:
    graph = zoo_graph(name)
    found = hierarchy(graph)
    shown = [node.name for node in graph.nodes if node.kind == "input" or (node.kind == "operator" and not node.size)]
    children = [child for box in found.boxes.values() for child in box.children]
    assert sorted(children) == sorted([*shown, *(box for box in found.boxes if box)])
    for box in found.boxes.values():
        place = {child: i for i, child in enumerate(box.children)} | {TOP: -1, BOTTOM: len(box.children)}
        assert all(place[source] < place[target] for source, target in box.edges)
        assert box.id == "" or len(box.children) > 1


def test_a_module_that_runs_twice_has_two_boxes_or_nodes() -> None:
    graph = capture(nn.Sequential(Shared(), nn.Linear(4, 2)), torch.randn(2, 4))
    found = hierarchy(graph)
    assert set(found.boxes) == {"", "0/"}
    assert [node.split("_")[0] for node in found.boxes["0/"].children] == ["linear", "relu", "linear", "relu", "add"]


def test_what_crosses_the_border_of_a_box() -> None:
    found = hierarchy(capture(nn.Sequential(Shared(), nn.Linear(4, 2)), torch.randn(2, 4)))
    box = found.boxes["0/"]
    entered = {target for source, target in box.edges if source == TOP}
    left = {source for source, target in box.edges if target == BOTTOM}
    assert entered == {box.children[0], box.children[-1]}  # the first layer and the shortcut
    assert left == {box.children[-1]}


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_are_below_what_they_read_and_routes_go_down_one_by_one(name: str) -> None:
    for box in hierarchy(zoo_graph(name)).boxes.values():
        placed = layout(box)
        level = {item: i for i, layer in enumerate(placed.layers) for item in layer}
        assert sorted(item for item in level if not item.startswith("~")) == sorted(box.children)
        assert {(route[0], route[-1]) for route in placed.routes} == set(box.edges)
        for route in placed.routes:
            levels = [-1 if item == TOP else len(placed.layers) if item == BOTTOM else level[item] for item in route]
            assert all(after - before == 1 for before, after in itertools.pairwise(levels))


def test_a_shortcut_passes_beside_the_branch() -> None:
    placed = layout(hierarchy(capture(Residual().eval(), torch.randn(2, 3, 6, 6))).boxes[""])
    passing = [route for route in placed.routes if any(item.startswith("~") for item in route)]
    assert len(passing) == 1
