"""A network moved to another device computes there, all of it; the meta device stands in for a GPU.

On the meta device tensors have no values, but an operator that mixes it with the processor's tensors is an error.
"""

import pytest
import torch

from convlens.backbones.graph_cache import cached_capture
from convlens.core.errors import MachineError, UsageError
from convlens.core.preprocessing import Preprocessing
from convlens.data.augment import Augmentation
from convlens.data.batches import centered
from convlens.graph.run import run
from convlens.transfer.device import device_of, resolve_device
from convlens.transfer.networks import cut_network
from convlens.zoo import card, network

PLANS = [("house", "none"), ("resnet18", "layer3"), ("densenet121", "features.transition2"), ("googlenet", "none")]


@pytest.mark.parametrize(("name", "plan"), PLANS)
def test_all_of_a_network_is_there(cache, name, plan):
    module, size = network(name), card(name).preprocessing.size
    capture = cached_capture(name, card(name).classes)
    cut = cut_network(module, plan, card(name).head, torch.zeros(2, 3, size, size), capture)
    moved = cut.on("meta")
    assert {tensor.device.type for tensor in module.state_dict().values()} == {"meta"}
    images = torch.zeros(2, 3, size, size, device="meta")
    for half in (moved.training, moved.evaluation):
        (logits, *_) = run(half.suffix, *run(half.prefix, images))
        assert logits.device.type == "meta"
    assert device_of(moved.evaluation.suffix).type == "meta"
    run(moved.training.suffix, *run(moved.training.prefix, images))[0].sum().backward()
    assert all(p.grad is not None and p.grad.is_meta for p in moved.trained_parameters.values())


@pytest.mark.parametrize("transform", [centered, Augmentation(erasing=0.5)])
def test_images_become_input_where_they_are(transform):
    pixels = torch.zeros(2, 40, 40, 3, dtype=torch.uint8, device="meta")
    assert transform(pixels, Preprocessing(size=32, resize=40)).is_meta


def test_which_device():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UsageError, match="did you mean cuda"):
        resolve_device("cud")


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(MachineError, match="device='auto' or cpu"):
        resolve_device("cuda")
