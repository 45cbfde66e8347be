import pytest
import torch

from convlens.core.errors import UsageError
from convlens.graph.capture import capture
from convlens.transfer.blocks import blocks
from convlens.transfer.freeze import freeze_plan
from convlens.transfer.networks import cut_network
from convlens.transfer.rates import rate_factors
from convlens.zoo import card, network


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("resnet18", ["layer3.1", "layer4.0", "layer4.1"]),
        ("vgg11", ["features.18", "classifier.0", "classifier.3"]),
        ("vgg11_bn", ["features.25", "classifier.0", "classifier.3"]),
        ("densenet121", ["features.denseblock4.denselayer15", "features.denseblock4.denselayer16"]),
        ("googlenet", ["inception5a", "inception5b"]),
    ],
)
def test_the_last_blocks(name: str, last: list[str]) -> None:
    with torch.device("meta"):
        module = network(name, classes=2).eval()
        graph = capture(module, torch.zeros(2, 3, 64, 64))
    assert blocks(module, graph, card(name).head)[-len(last) :] == last


def test_unfrozen_blocks_are_trained_and_the_others_are_not() -> None:
    with torch.device("meta"):
        module = network("resnet18", classes=2).eval()
        graph = capture(module, torch.zeros(2, 3, 64, 64))
    plan = freeze_plan(module, graph, "backbone", "fc", unfreeze=2)
    trained = {name for name, _ in module.named_parameters()} - plan.frozen
    assert {name.split(".")[0] for name in trained} == {"layer4", "fc"}
    with pytest.raises(UsageError, match=r"unfreeze=9 leaves nothing frozen: this network has 9 blocks .* layer4\.1"):
        freeze_plan(module, graph, "backbone", "fc", unfreeze=9)
    with pytest.raises(UsageError, match="goes with freeze='backbone', not with freeze='layer2'"):
        freeze_plan(module, graph, "layer2", "fc", unfreeze=1)


def test_layers_learn_by_their_depth() -> None:
    parts = cut_network(network("house", classes=2), "backbone", "fc", torch.zeros(2, 3, 32, 32), unfreeze=2)
    tenth = rate_factors(parts, unfrozen=0.1)
    assert {name.split(".")[0] for name, factor in tenth.items() if factor == 1} == {"fc"}
    assert {factor for name, factor in tenth.items() if not name.startswith("fc.")} == {0.1}
    halves = rate_factors(parts, unfrozen=0.1, per_block=0.5)
    by_block = {name.rsplit(".", 2)[0] if "layer" in name else "fc": factor for name, factor in halves.items()}
    assert {block[:8]: factor for block, factor in by_block.items()} == {"layer4.0": 0.25, "layer4.1": 0.5, "fc": 1.0}
