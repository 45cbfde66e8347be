"""All classification networks of torchvision are captured; costs are half of what torch's FlopCounterMode counts."""

import gc

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from convlens.gradient import backpropagate
from convlens.graph.capture import capture
from convlens.graph.cost import cost

models = pytest.importorskip("torchvision.models", exc_type=ImportError)
pytestmark = [pytest.mark.torchvision, pytest.mark.filterwarnings("ignore")]  # torchvision's own

NAMES = models.list_models(module=models)
SMALL = [
    ("convnext_tiny", 64),
    ("densenet121", 64),
    ("efficientnet_b0", 64),
    ("efficientnet_v2_s", 64),
    ("googlenet", 64),
    ("inception_v3", 96),
    ("maxvit_t", 224),
    ("mnasnet0_5", 64),
    ("mobilenet_v3_small", 64),
    ("regnet_y_400mf", 64),
    ("shufflenet_v2_x0_5", 64),
    ("squeezenet1_1", 64),
    ("swin_t", 64),
    ("swin_v2_t", 64),
    ("vit_b_32", 224),
]
"""One network of each family, and a side that it takes."""


def built(name: str) -> nn.Module:
    """With random weights, and without the heads that only training uses."""
    options = {"init_weights": False, "aux_logits": False} if name in ("googlenet", "inception_v3") else {}
    module: nn.Module = models.get_model(name, weights=None, **options)
    return module.eval()


def without_values(name: str) -> nn.Module:
    """On the meta device; RegNets compute their widths from tensors, which need values."""
    if name.startswith("regnet"):
        return built(name).to("meta")
    with torch.device("meta"):
        return built(name)


def test_all_are_there() -> None:
    assert len(NAMES) == 80


@pytest.mark.parametrize("name", NAMES)
def test_its_cost_is_half_of_the_operations_that_torch_counts(name: str) -> None:
    side = 299 if name == "inception_v3" else 224
    module = without_values(name)
    graph = capture(module, torch.empty(2, 3, side, side, device="meta"))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(torch.empty(1, 3, side, side, device="meta"))
    costs = cost(graph)
    assert costs.unsupported == ()
    assert 2 * costs.total.multiply_adds == counter.get_total_flops()
    assert costs.total.parameters == sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("name", "side"), SMALL)
def test_graph_and_gradients_are_the_modules(name: str, side: int) -> None:
    """Capture itself compares the outputs, at batches of 1, 2 and 3."""
    gc.collect()
    torch.manual_seed(0)
    module, x = built(name).double(), torch.randn(1, 3, side, side, dtype=torch.float64)
    graph = capture(module, x)
    result = backpropagate(graph, x)
    output: Tensor = module(x)
    output.sum().backward()
    for path, parameter in module.named_parameters():
        if parameter.grad is not None:
            largest = parameter.grad.abs().max().clamp(min=1e-9)
            assert float((result.parameters[path] - parameter.grad).abs().max() / largest) < 1e-6, path
