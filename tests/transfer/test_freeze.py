import pytest
import torch
from torch import nn

from convlens.core.errors import UsageError
from convlens.graph.capture import capture
from convlens.transfer.freeze import FreezePlan, freeze_plan
from convlens.zoo import card, network


def plan_of(name: str, plan: str) -> tuple[nn.Module, FreezePlan]:
    with torch.device("meta"):
        module = network(name, classes=2).eval()
        graph = capture(module, torch.zeros(2, 3, 64, 64))
    return module, freeze_plan(module, graph, plan, card(name).head)


def trained(name: str, plan: str) -> set[str]:
    module, chosen = plan_of(name, plan)
    return {parameter for parameter, _ in module.named_parameters()} - chosen.frozen


def test_backbone_trains_the_last_layer_alone() -> None:
    assert trained("resnet18", "backbone") == {"fc.weight", "fc.bias"}
    assert trained("densenet121", "backbone") == {"classifier.weight", "classifier.bias"}
    assert trained("vgg11", "backbone") == {"classifier.6.weight", "classifier.6.bias"}


@pytest.mark.parametrize("name", ["vgg11", "alexnet"])
def test_conv_trains_the_fully_connected_layers(name: str) -> None:
    names = trained(name, "conv")
    assert names
    assert all(parameter.startswith("classifier.") for parameter in names)
    assert {parameter.split(".")[1] for parameter in names} == ({"0", "3", "6"} if name == "vgg11" else {"1", "4", "6"})


def test_a_module_is_frozen_with_all_that_runs_before_it() -> None:
    names = trained("resnet18", "layer3")
    assert {name.split(".")[0] for name in names} == {"layer4", "fc"}


def test_inside_a_block_the_shortcut_that_runs_later_is_trained() -> None:
    names = trained("resnet18", "layer2.0.conv1")
    assert "layer2.0.downsample.0.weight" in names
    assert "layer2.0.bn1.weight" in names
    assert "layer2.0.conv1.weight" not in names


def test_none_trains_everything_in_training_mode() -> None:
    module, plan = plan_of("resnet18", "none")
    assert not plan.frozen
    plan.apply(module)
    assert all(part.training for part in module.modules())


def test_only_what_runs_after_the_cut_is_in_training_mode() -> None:
    module, plan = plan_of("vgg11", "conv")
    plan.apply(module)
    assert {path for path, part in module.named_modules() if part.training} >= {"classifier.2", "classifier.5"}
    assert not module.training
    assert not module.get_submodule("features").training
    assert module.get_parameter("classifier.6.weight").requires_grad
    assert not module.get_parameter("features.0.weight").requires_grad


def test_unknown_plans_are_refused_with_the_nearest_names() -> None:
    with pytest.raises(UsageError, match=r"unknown freeze plan or module 'layr3': did you mean layer3"):
        plan_of("resnet18", "layr3")


def test_a_plan_that_freezes_nothing_is_refused() -> None:
    module = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2)).eval()
    graph = capture(module, torch.zeros(2, 3, 8, 8))
    with pytest.raises(UsageError, match=r"freeze='0' freezes nothing: .* Name a later module, or set freeze='none'"):
        freeze_plan(module, graph, "0", "3")


def test_a_plan_that_leaves_nothing_to_train_is_refused() -> None:
    with pytest.raises(UsageError, match="freeze='fc' leaves nothing to train"):
        plan_of("resnet18", "fc")


def test_conv_without_fully_connected_layers_is_refused() -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    graph = capture(module, torch.zeros(2, 3, 8, 8))
    with pytest.raises(UsageError, match="this network has no such layers"):
        freeze_plan(module, graph, "conv", "0")
