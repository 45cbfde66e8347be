"""What a network answered when its card was made is what it answers now, or it is refused."""

import pytest
import torch
from torch import nn

from convlens import zoo
from convlens.backbones.resolve import network
from convlens.core.errors import IntegrityError
from convlens.zoo import probe

PROBED = [("efficientnet_lite0", "imagenet"), ("efficientnet_lite1", "imagenet"), ("efficientnet_lite2", "imagenet")]
PROBED += [("house", "package")]


@pytest.fixture(scope="module")
def house() -> nn.Module:
    return zoo.network("house", weights="package")


@pytest.mark.parametrize(("name", "weights"), PROBED)
def test_the_sets_that_every_machine_has_are_probed(name: str, weights: str) -> None:
    expected = zoo.known_answer(name, weights)
    assert expected is not None
    assert probe.answer(network(name, weights=weights), zoo.card(name)) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_every_line_is_of_a_set_that_there_is() -> None:
    for name, weights in probe._answers():
        assert weights == zoo.PACKAGE or zoo.weight_card(name, weights)
        assert len(set(zoo.known_answer(name, weights) or ())) == 16


def test_the_input_is_the_same_everywhere() -> None:
    x = probe.probe_input(zoo.card("house"))
    assert x.shape == (1, 3, 64, 64)
    assert [round(value, 6) for value in x.flatten()[:4].tolist()] == [-1.0, 0.236068, -0.527864, 0.708204]
    assert x.min() >= -1
    assert x.max() <= 1
    assert probe.probe_input(zoo.card("inception_v3")).shape == (1, 3, 75, 75)
    assert probe.probe_input(zoo.card("lenet5")).shape == (1, 1, 32, 32)


@pytest.mark.parametrize(
    "name", ["conv1.weight", "layer4.1.bn2.running_var", "layer2.0.downsample.1.weight", "fc.bias"]
)
def test_a_state_that_was_changed_after_the_hash_is_refused(house: nn.Module, name: str) -> None:
    state = house.state_dict()
    before = state[name].clone()
    try:
        state[name].mul_(1.5)
        with pytest.raises(IntegrityError, match="differs from the one recorded when its card was made"):
            refuse(house)
        state[name].fill_(torch.nan)
        with pytest.raises(IntegrityError, match="by nan"):
            refuse(house)
    finally:
        state[name].copy_(before)
    refuse(house)


def test_another_epsilon_is_refused(house: nn.Module) -> None:
    norms = [layer for layer in house.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in norms:
        layer.eps = 1e-2
    with pytest.raises(IntegrityError):
        refuse(house)
    for layer in norms:
        layer.eps = 1e-5
    refuse(house)


def test_the_network_stays_in_its_mode(house: nn.Module) -> None:
    house.train()
    house.layer2.eval()
    before = {name: tensor.clone() for name, tensor in house.state_dict().items()}
    probe.answer(house, zoo.card("house"))
    assert house.training
    assert house.layer1.training
    assert not any(part.training for part in house.layer2.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in house.state_dict().items())
    assert not house.fc._forward_pre_hooks


def test_loading_published_weights_asks_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {("house", "package"): tuple(range(16))}
    monkeypatch.setattr(probe, "_answers", lambda: answers)
    with pytest.raises(IntegrityError, match=r"refused house with the weights of .*house\.safetensors"):
        network("house", weights="package")
    network("house", weights="random")


def refuse(module: nn.Module) -> None:
    expected = zoo.known_answer("house", "package")
    assert expected is not None
    zoo.refuse_another_answer(module, zoo.card("house"), expected, "the package")
