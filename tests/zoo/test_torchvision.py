"""Every name and shape of torchvision's networks, held by their digests in golden/torchvision.txt."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convlens import zoo
from convlens.core.errors import DataError
from convlens.zoo.googlenet import googlenet
from convlens.zoo.registry import NETWORKS
from convlens.zoo.structure import structure

GOLDEN = Path(__file__).parents[1] / "golden" / "torchvision.txt"
LINES = [line.split() for line in GOLDEN.read_text().splitlines() if not line.startswith("#")]
KNOWN = {name: (int(number), digest) for name, number, digest in LINES}


def published_form(name: str) -> nn.Module:
    """The network with all that its published file has: googlenet's comes with auxiliary heads."""
    if name == "googlenet":
        return structure(lambda classes: googlenet(classes, auxiliary_heads=True), 1000)
    return zoo.blueprint(name)


def digest(state: dict[str, Tensor]) -> str:
    lines = (f"{name} {'x'.join(map(str, tensor.shape))}\n" for name, tensor in state.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def values(module: nn.Module) -> dict[str, Tensor]:
    """A state that fits, of zeros that take no memory."""
    return {
        name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in module.state_dict().items()
    }


@pytest.mark.parametrize("name", KNOWN)
def test_names_and_shapes_are_torchvisions(name):
    state = published_form(name).state_dict()
    assert (len(state), digest(state)) == KNOWN[name]


@pytest.mark.parametrize("name", ["inception_v3", "squeezenet1_1", "mobilenet_v2"])
def test_a_published_state_loads_and_one_less_a_name_does_not(name):
    module, head = zoo.blueprint(name), zoo.card(name).head
    state = values(module)
    zoo.load_weights(module, state, "w.pth", head, name=name)
    assert not any(parameter.is_meta for parameter in module.parameters())
    del state[f"{head}.bias"]
    with pytest.raises(DataError, match=rf"w\.pth does not fit {name}: \d+ of \d+ .*; 1 missing: {head}\.bias\."):
        zoo.load_weights(structure(NETWORKS[name].build, 1000), state, "w.pth", head, name=name)


def test_googlenet_leaves_the_untrained_heads_of_its_file_out(tmp_path):
    torch.manual_seed(0)
    published = googlenet(3, auxiliary_heads=True)
    path = tmp_path / "googlenet.pth"
    torch.save(published.state_dict(), path)
    loaded = zoo.network("googlenet", weights=path)
    assert loaded.aux1 is None
    assert not [name for name, _ in loaded.named_parameters() if name.startswith("aux")]
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(x), published.eval()(x))


def test_what_it_leaves_out_is_no_license_for_anything_else():
    state = values(published_form("googlenet"))
    state["aux3.fc2.bias"] = torch.zeros(1000)
    card = zoo.card("googlenet")
    with pytest.raises(DataError, match=r"does not fit googlenet: 344 of 344 .*; 1 unexpected: aux3\.fc2\.bias\."):
        zoo.load_weights(
            zoo.blueprint("googlenet"), state, "w.pth", "fc", name="googlenet", dropped=card.dropped_weights
        )


def test_a_file_of_googlenet_is_known_by_its_names_heads_or_not():
    for heads in (True, False):
        state = values(structure(lambda classes, heads=heads: googlenet(classes, auxiliary_heads=heads), 1000))
        with pytest.raises(DataError, match="It fits googlenet: try backbone='googlenet'"):
            zoo.load_weights(zoo.blueprint("resnet18"), state, "w.pth", "fc", name="resnet18")
